import { crc32 } from 'node:zlib';

/**
 * What stands before the bytes of a frame, big-endian:
 *
 *      0  8 bytes  the file's marker
 *      8  uint32   length of the head
 *     12  uint32   length of the body
 *     16  uint32   CRC-32 of the head
 *     20  uint32   CRC-32 of the body
 *     24  uint32   CRC-32 of bytes 0 to 23
 *
 * The head and the body follow. Heads are small, and are read without their bodies.
 *
 * A marker is random and each file has its own: behind damage the next frame is searched for, and what a sender has put
 * into a body must not pass for one.
 */
const PREFIX = 28;

export const MARKER_LENGTH = 8;

/** Longer ones are no frames of ours. */
const LONGEST_HEAD = 4096;
const LONGEST_BODY = 256 * 1024 * 1024;

/** How much is read at once while frames are looked for. */
const WINDOW = 4096;
const SEARCH_WINDOW = 1024 * 1024;

/** A frame's lengths and checksums. */
interface Prefix {
  readonly headLength: number;
  readonly bodyLength: number;
  readonly headCrc: number;
  readonly bodyCrc: number;
}

/** What stands in a file, one after the other; `at` and `length` in bytes. */
export type Found =
  | { readonly kind: 'frame'; readonly at: number; readonly length: number; readonly head: Buffer }
  /** Bytes that are no frame, up to the next one. */
  | { readonly kind: 'damage'; readonly at: number; readonly length: number }
  /** The beginning of a frame that was never written to its end; nothing follows. */
  | { readonly kind: 'torn'; readonly at: number; readonly length: number };

/** Reads so many bytes from there, fewer where the file ends. */
export type ReadAt = (at: number, length: number) => Buffer;

/** What a frame is of; its body is these pieces, one after the other. */
export interface Frame {
  readonly head: Buffer;
  readonly body: readonly Buffer[];
}

export function frameLength({ head, body }: Frame): number {
  return PREFIX + head.length + lengthOfAll(body);
}

/** The pieces of a frame, to be written one after the other. */
export function frameOf(marker: Buffer, { head, body }: Frame): Buffer[] {
  const prefix = Buffer.alloc(PREFIX);
  marker.copy(prefix);
  prefix.writeUInt32BE(head.length, 8);
  prefix.writeUInt32BE(lengthOfAll(body), 12);
  prefix.writeUInt32BE(crc32(head), 16);
  prefix.writeUInt32BE(crcOfAll(body), 20);
  prefix.writeUInt32BE(crc32(prefix.subarray(0, 24)), 24);
  return [prefix, head, ...body];
}

function lengthOfAll(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

function crcOfAll(pieces: readonly Buffer[]): number {
  return pieces.reduce((crc, piece) => crc32(piece, crc), 0);
}

/** Takes a frame apart; undefined where a byte of it is not as it was written. */
export function readFrame(marker: Buffer, bytes: Buffer): { readonly head: Buffer; readonly body: Buffer } | undefined {
  const prefix = readPrefix(marker, bytes);
  if (prefix === undefined) return undefined;
  const head = bytes.subarray(PREFIX, PREFIX + prefix.headLength);
  const body = bytes.subarray(PREFIX + prefix.headLength, lengthOf(prefix));
  const whole = bytes.length >= lengthOf(prefix) && crc32(head) === prefix.headCrc && crc32(body) === prefix.bodyCrc;
  return whole ? { head, body } : undefined;
}

/** Finds what is in a file of `size` bytes. Bodies are not looked at: `readFrame` does that. */
export function* findFrames(marker: Buffer, size: number, readAt: ReadAt): Generator<Found, void, void> {
  const read = windowed(readAt);
  let at = 0;
  while (at < size) {
    const prefix = readPrefix(marker, read(at, PREFIX));
    const rest = size - at;
    if (prefix !== undefined && lengthOf(prefix) <= rest) {
      const length = lengthOf(prefix);
      const head = Buffer.from(read(at + PREFIX, prefix.headLength));
      yield crc32(head) === prefix.headCrc ? { kind: 'frame', at, length, head } : { kind: 'damage', at, length };
      at += length;
    } else {
      const next = search(marker, at + 1, size, readAt);
      const torn = next === size && (prefix !== undefined || rest < PREFIX);
      yield { kind: torn ? 'torn' : 'damage', at, length: next - at };
      at = next;
    }
  }
}

function lengthOf({ headLength, bodyLength }: Prefix): number {
  return PREFIX + headLength + bodyLength;
}

function readPrefix(marker: Buffer, bytes: Buffer): Prefix | undefined {
  if (bytes.length < PREFIX || !bytes.subarray(0, MARKER_LENGTH).equals(marker)) return undefined;
  if (crc32(bytes.subarray(0, 24)) !== bytes.readUInt32BE(24)) return undefined;
  const [headLength, bodyLength] = [bytes.readUInt32BE(8), bytes.readUInt32BE(12)];
  if (headLength > LONGEST_HEAD || bodyLength > LONGEST_BODY) return undefined;
  return { headLength, bodyLength, headCrc: bytes.readUInt32BE(16), bodyCrc: bytes.readUInt32BE(20) };
}

/** Where the next good prefix begins; `size` where there is none. */
function search(marker: Buffer, from: number, size: number, readAt: ReadAt): number {
  for (let at = from; at < size; at += SEARCH_WINDOW) {
    const bytes = readAt(at, SEARCH_WINDOW + PREFIX);
    for (let found = bytes.indexOf(marker); found !== -1; found = bytes.indexOf(marker, found + 1)) {
      if (readPrefix(marker, bytes.subarray(found)) !== undefined) return at + found;
    }
  }
  return size;
}

/** Small frames stand close together: one read serves several of them. */
function windowed(readAt: ReadAt): ReadAt {
  let start = 0;
  let bytes: Buffer = Buffer.alloc(0);
  return (at, length) => {
    if (at < start || at + length > start + bytes.length) {
      start = at;
      bytes = readAt(at, Math.max(length, WINDOW));
    }
    return bytes.subarray(at - start, at - start + length);
  };
}
