import type { FlagSpec } from './command.ts';

/** Of commands that change something. */
export const DRY_RUN_FLAG = {
  'dry-run': {
    type: 'string',
    default: 'none',
    choices: ['none', 'client', 'server'],
    description: 'Change nothing: only show what would be (client), or also ask the API server about it (server).',
  },
} as const satisfies Record<string, FlagSpec>;

/** What stands behind a line that tells of a change, by the flag's value: kubectl's words where it was none. */
export const DRY_RUN_SUFFIX: Readonly<Record<string, string>> = {
  none: '',
  client: ' (dry run)',
  server: ' (server dry run)',
};
