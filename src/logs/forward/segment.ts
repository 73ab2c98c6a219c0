import { open, readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { codeOf } from '../../errors.ts';
import { LOG_TYPES } from '../types/index.ts';
import type { LogType } from '../types/log-type.ts';
import { cutBytes, type FileChunk, NEWLINE, wholeLines } from './file-chunk.ts';
import { addCounts, countLines, type LineCount } from './line-count.ts';
import { type FilePlace, tailHash } from './log-file.ts';
import type { OpenInput } from './open-inputs.ts';

/** How much is lost where a byte is: a frame holds whole lines, and one at least. */
const FRAME_BYTES = 64 * 1024;

/**
 * The first line of a segment: CRC-32 and length of the header behind it. `kubectl-mcm-spool 1 0badcafe 00001234`.
 */
const FIRST_LINE = /^kubectl-mcm-spool 1 ([0-9a-f]{8}) (\d{8})\n$/;
const FIRST_LINE_BYTES = 38;

/** Lines that stand together in a segment, and have a checksum of their own. */
interface Frame extends LineCount {
  /** In the segment; fewer than in the file for a line that is too long. */
  readonly bytes: number;
  readonly crc: number;
  /** In the file: its first byte, and the first one after it. */
  readonly offset: number;
  readonly end: number;
}

/** Where the lines of a segment were. */
export interface SegmentSource {
  readonly type: LogType;
  readonly fileKey: string;
  readonly device: string;
  readonly inode: string;
  readonly path: string;
  readonly input: string;
}

interface Header extends Omit<SegmentSource, 'type'>, FilePlace {
  readonly type: string;
  readonly end: number;
  readonly frames: readonly Frame[];
}

/** Lines of a file that may be gone by now. */
export interface Segment {
  readonly source: SegmentSource;
  readonly offset: number;
  /** In the file, behind its last line. */
  readonly end: FilePlace;
  readonly frames: readonly Frame[];
  /** Where the first frame is. */
  readonly start: number;
}

/** What cannot be read of a segment. */
export interface BrokenFrame {
  readonly index: number;
  readonly frame: Frame;
}

export interface SegmentContent {
  /** What is in order, in the order of the file. */
  readonly chunks: readonly FileChunk[];
  readonly broken: readonly BrokenFrame[];
}

/** It cannot be said what a segment is. */
export class DamagedSegment extends Error {
  override readonly name = 'DamagedSegment';
}

/** A segment of a chunk, and as it is written. */
export function encodeSegment({ type, key, file, input }: OpenInput, path: string, chunk: FileChunk) {
  const frames = cutBytes(chunk) > 0 ? [frameOf(type, chunk)] : framesOf(type, chunk);
  const header: Header = {
    type: type.name,
    fileKey: key,
    device: file.device,
    inode: file.inode,
    path,
    input,
    offset: chunk.offset,
    end: chunk.end,
    tail: tailHash(chunk.after),
    frames,
  };
  const text = Buffer.from(`${JSON.stringify(header)}\n`);
  const checksum = crc32(text).toString(16).padStart(8, '0');
  const firstLine = `kubectl-mcm-spool 1 ${checksum} ${String(text.length).padStart(8, '0')}\n`;
  const parts = [Buffer.from(firstLine), text, chunk.bytes];
  const segment = segmentOf(header, FIRST_LINE_BYTES + text.length);
  return { segment, parts, bytes: parts.reduce((sum, { length }) => sum + length, 0) };
}

/** Reads what a segment is. @throws DamagedSegment, or the system's error when it cannot be read. */
export async function readSegment(path: string): Promise<Segment> {
  const file = await open(path, 'r');
  try {
    const firstLine = (await file.read(Buffer.alloc(FIRST_LINE_BYTES), 0, FIRST_LINE_BYTES, 0)).buffer;
    const [, checksum, length] = FIRST_LINE.exec(firstLine.toString('latin1')) ?? [];
    if (checksum === undefined) throw new DamagedSegment('it does not begin like a segment');
    const { size } = await file.stat();
    // Of a length that is wrong no memory is made.
    const text = Buffer.alloc(Math.min(Number(length), size));
    await file.read(text, 0, text.length, FIRST_LINE_BYTES);
    if (crc32(text) !== Number.parseInt(checksum, 16)) throw new DamagedSegment('its header is damaged');
    return segmentOf(JSON.parse(text.toString()) as Header, FIRST_LINE_BYTES + text.length);
  } finally {
    await file.close();
  }
}

/** Reads what is in a segment: what is missing is broken. @throws the system's error when it says no for now. */
export async function readContent(path: string, { frames, start }: Segment): Promise<SegmentContent> {
  const bytes = await readFile(path).catch((error: unknown) => {
    if (isLost(error)) return Buffer.alloc(0);
    throw error;
  });
  const runs: Run[] = [];
  const broken: BrokenFrame[] = [];
  let at = start;
  for (const [index, frame] of frames.entries()) {
    const own = bytes.subarray(at, at + frame.bytes);
    const last = runs.at(-1);
    if (own.length !== frame.bytes || crc32(own) !== frame.crc) broken.push({ index, frame });
    else if (last?.end === frame.offset) {
      last.to = at + frame.bytes;
      last.end = frame.end;
      last.records += frame.records;
    } else runs.push({ ...frame, from: at, to: at + frame.bytes });
    at += frame.bytes;
  }
  return { chunks: runs.map((run) => chunkOf(run, bytes)), broken };
}

/** Whether a file that cannot be read never will be: it is gone, or the disk has lost it. */
export function isLost(error: unknown): boolean {
  return ['ENOENT', 'EIO'].includes(codeOf(error) ?? '');
}

/** Frames that stand together, here and in the file. */
interface Run {
  readonly from: number;
  to: number;
  readonly offset: number;
  end: number;
  records: number;
}

function chunkOf({ from, to, offset, end, records }: Run, bytes: Buffer): FileChunk {
  const none = Buffer.alloc(0);
  return { offset, bytes: bytes.subarray(from, to), records, end, before: none, after: none };
}

/** How many records, and of which time. */
export function countOf(frames: readonly LineCount[]): LineCount {
  return frames.reduce<LineCount>(addCounts, { records: 0 });
}

function framesOf(type: LogType, { offset, bytes }: FileChunk): readonly Frame[] {
  const frames: Frame[] = [];
  const none = Buffer.alloc(0);
  for (let start = 0; start < bytes.length; ) {
    const last = bytes.subarray(start, start + FRAME_BYTES).lastIndexOf(NEWLINE);
    const newline = last === -1 ? bytes.indexOf(NEWLINE, start) : start + last;
    frames.push(frameOf(type, wholeLines(offset + start, bytes.subarray(start, newline + 1), none)));
    start = newline + 1;
  }
  return frames;
}

function frameOf(type: LogType, chunk: FileChunk): Frame {
  const { bytes, offset, end } = chunk;
  return { bytes: bytes.length, crc: crc32(bytes), offset, end, ...countLines(type, chunk) };
}

function segmentOf({ type: name, offset, end, tail, frames, ...source }: Header, start: number): Segment {
  const type = LOG_TYPES.find((known) => known.name === name);
  if (type === undefined) throw new DamagedSegment(`it is of a log type that is not known: ${name}`);
  const { fileKey, device, inode, path, input } = source;
  return {
    source: { type, fileKey, device, inode, path, input },
    offset,
    end: { offset: end, tail },
    frames,
    start,
  };
}
