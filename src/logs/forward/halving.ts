import type { UploadAnswer } from '../ingest/upload.ts';
import { NotAcknowledged } from './chunk-uploader.ts';
import { type FileChunk, halves } from './file-chunk.ts';

/**
 * Gets across what can be stored of a chunk that was refused as a whole, up to the first record that cannot be.
 * @throws what it was refused with, by itself: NotAcknowledged, or what is no answer.
 */
export async function inHalves(
  chunk: FileChunk,
  refusal: unknown,
  upload: (part: FileChunk) => Promise<UploadAnswer>,
  acknowledge: (part: FileChunk, answer: UploadAnswer) => Promise<void>,
): Promise<void> {
  const parts = partsOf(chunk, refusal);
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    try {
      await acknowledge(part, await upload(part));
    } catch (error) {
      parts.unshift(...partsOf(part, error));
    }
  }
}

/** @throws what it was refused with, where nothing can be halved or nobody has answered. */
function partsOf(chunk: FileChunk, refusal: unknown): FileChunk[] {
  const parts = refusal instanceof NotAcknowledged && refusal.answered ? [...halves(chunk)] : [];
  if (parts.length === 0) throw refusal;
  return parts;
}
