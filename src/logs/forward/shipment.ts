import { NotAcknowledged } from './chunk-uploader.ts';
import { type FilePlace, FileTrouble } from './log-file.ts';
import type { OpenInput } from './open-inputs.ts';
import { type Crossing, Passage, positionOf } from './passage.ts';
import { isAt } from './rotation.ts';

/**
 * Ships files up to where they ended when they were opened, in that order; a few uploads are under way at once. A file
 * that is held back, or cannot be read on, does not keep the others. What is left of one that is not where it is looked
 * for, and may be gone by the next run, is copied to the spool.
 *
 * @throws UserError when the manager refuses this forwarder, or a position cannot be saved.
 */
export async function ship(
  inputs: readonly OpenInput[],
  crossing: Crossing,
  isAway: (input: OpenInput) => boolean,
): Promise<void> {
  const { checkpoint, summary, destination } = crossing;
  const failed = new AbortController();
  const signal = AbortSignal.any([crossing.signal, failed.signal]);
  // Also where nothing is new: the file is still there, and the next run compares with how much there was.
  await checkpoint.advance(...inputs.map((input) => positionOf(destination, input, input.from)));
  for (const { type, file, from } of inputs) summary.of(type).leftBytes += file.size - from.offset;
  const leave = ({ file }: OpenInput, error: unknown) => {
    if (!(error instanceof FileTrouble || error instanceof NotAcknowledged)) throw error;
    summary.incomplete.push(`${file.path}: ${error.message}; the rest is left for the next run`);
  };
  const passages: Passage[] = [];
  const spoolRest = async (input: OpenInput, passage: Passage) => {
    if (!isAway(input) && (await isAt(input.file.path, input.file))) return;
    const advance = (place: FilePlace) => checkpoint.advance(positionOf(destination, input, place));
    await crossing.spool.copy(input, passage.acknowledged, advance, signal);
  };
  const settling: Promise<void>[] = [];
  try {
    for (const input of inputs) {
      const passage = new Passage(input, input.from, { ...crossing, stop: signal, signal });
      passages.push(passage);
      await passage.send().catch((error: unknown) => leave(input, error));
      const settled = passage.settled().catch(async (error: unknown) => {
        leave(input, error);
        if (error instanceof NotAcknowledged) await spoolRest(input, passage).catch((trouble) => leave(input, trouble));
      });
      settled.catch((error: unknown) => failed.abort(error));
      settling.push(settled);
      summary.of(input.type).leftBytes -= input.file.unfinished;
      summary.of(input.type).unfinishedBytes += input.file.unfinished;
    }
    await Promise.all(settling);
  } finally {
    failed.abort();
    // Also those whose sending was broken off: an acknowledgement that is there is saved, and nothing after this.
    await Promise.allSettled(passages.map((passage) => passage.settled()));
  }
}
