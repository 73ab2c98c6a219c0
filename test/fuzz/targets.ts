import { ANSWER_TARGETS } from './answer-targets.ts';
import { FORWARD_TARGETS } from './forward-targets.ts';
import { QUERY_TARGETS } from './query-targets.ts';
import { RECORD_TARGETS } from './record-targets.ts';
import type { FuzzTarget } from './target.ts';

/** Every parser of what is not our own; yamux has its own in src/tunnel/yamux/fuzz.test.ts. */
export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  ...RECORD_TARGETS,
  ...FORWARD_TARGETS,
  ...ANSWER_TARGETS,
  ...QUERY_TARGETS,
];
