import { Checkpoint } from './checkpoint.ts';
import type { ForwardSettings } from './crossing.ts';
import { destinationOf } from './destination.ts';
import { InputOpener } from './open-inputs.ts';
import { type ForwardEvents, ForwardSummary } from './summary.ts';

/** A file as a run would ship it. */
export interface PlannedFile {
  readonly type: string;
  readonly path: string;
  /** What it is known by, see fileKey. */
  readonly fileKey: string;
  readonly offset: number;
  /** Bytes of complete lines from there on. */
  readonly bytes: number;
}

export interface ForwardPlan {
  readonly files: readonly PlannedFile[];
  /** What is unreadable, or gone. */
  readonly summary: ForwardSummary;
}

/**
 * What a run would ship now. Nothing is sent and nothing is remembered, so that it may be asked for beside a forwarder
 * at work.
 */
export async function planForward(options: ForwardSettings & { readonly events: ForwardEvents }): Promise<ForwardPlan> {
  const { inputs, stateDirectory, events } = options;
  const summary = new ForwardSummary();
  const checkpoint = Checkpoint.peek(stateDirectory, events.warning);
  const opener = new InputOpener({ destination: destinationOf(options), checkpoint, events, copying: 0 });
  const files: PlannedFile[] = [];
  try {
    await opener.open(inputs, summary);
    for (const { type, file, key, from } of opener.opened) {
      const bytes = (await file.endOfLines(from.offset)) - from.offset;
      files.push({ type: type.label, path: file.path, fileKey: key, offset: from.offset, bytes });
    }
  } finally {
    for (const { file } of opener.opened) await file.close();
  }
  return { files, summary };
}
