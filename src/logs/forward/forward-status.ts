import { existsSync, globSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { UserError } from '../../errors.ts';
import { type Announcement, readAnnouncement } from './announcement.ts';
import { Checkpoint, type Position } from './checkpoint.ts';
import type { FollowedFile } from './file-follower.ts';
import { type Gap, GapLedger } from './gap-ledger.ts';
import { LogFile } from './log-file.ts';
import { findByInode } from './rotation.ts';
import { spoolUsage } from './spool-files.ts';

/**
 * What a file is: its lines are shipped as they come; something keeps them; there are none left in one that rotation has
 * moved away; or it is not there any more.
 */
export type FileState = 'following' | 'held back' | 'finished' | 'gone';

/** How far one file is shipped. */
export interface FileStatus {
  readonly file: string;
  readonly type: string;
  /** Bytes. */
  readonly size: number;
  /** Up to which offset everything is acknowledged, or in the spool. */
  readonly acknowledged: number;
  /** Bytes of complete lines after it. */
  readonly lag: number;
  /** RFC 3339; left out where nothing ever was. */
  readonly lastAcknowledged?: string;
  readonly state: FileState;
  /** Why it is held back. */
  readonly reason?: string;
}

/** How far a forwarder is. */
export interface ForwardStatus {
  readonly stateDirectory: string;
  /** To whom it ships: the cluster and what its manager, or the Elasticsearch, is known by. */
  readonly destination?: string;
  /** Whether a forwarder at work has answered; otherwise all is as the state directory and the files say. */
  readonly live: boolean;
  readonly files: readonly FileStatus[];
  readonly spool: { readonly bytes: number; readonly segments: number; readonly oldest?: string };
  /** Segments of the spool that were damaged. */
  readonly quarantined: number;
  /** Records that were set aside since the state directory was new, by type. */
  readonly deadLetters: Readonly<Record<string, number>>;
  /** What was lost and is not shipped yet. */
  readonly gaps: readonly Omit<Gap, 'input'>[];
}

/** What a forwarder at work says of itself. */
export interface LiveStatus {
  readonly id: string;
  readonly files: readonly Pick<FollowedFile, 'bytes' | 'position'>[];
}

/** A follower does not know when something was acknowledged before it was there; the checkpoint does. */
type Remembered = Omit<Position, 'acknowledged'> & { readonly acknowledged?: string | undefined };

/** Milliseconds. */
const ANSWER_TIMEOUT = 2_000;

/**
 * Reads how far a forwarder is, and asks it where it can be asked. The state directory is only looked at, so that it may
 * be at work.
 * @throws UserError when there is no such directory, or it cannot be read.
 */
export async function readForwardStatus(
  stateDirectory: string,
  warn: (text: string) => void,
  signal: AbortSignal,
): Promise<ForwardStatus> {
  if (!existsSync(stateDirectory)) {
    throw new UserError(`error: there is no state directory ${stateDirectory}`, {
      hint: 'give the one that the forwarder was started with: --state, or --config with "state" in it',
    });
  }
  const live = await askForwarder(readAnnouncement(stateDirectory), signal);
  const checkpoint = Checkpoint.peek(stateDirectory, warn);
  const gaps = GapLedger.load(stateDirectory, warn);
  const { quarantined, oldest, ...spool } = spoolUsage(stateDirectory);
  const newest = checkpoint.positions.reduce<Position | undefined>(
    (latest, position) => (latest !== undefined && latest.updated > position.updated ? latest : position),
    undefined,
  );
  const destination = live?.files[0]?.position.destination ?? newest?.destination;
  const followed = new Map((live?.files ?? []).map((file) => [keyOf(file.position), file]));
  const remembered = checkpoint.positions.filter(
    (position) => position.destination === destination && !followed.has(keyOf(position)),
  );
  const acknowledged = new Map(checkpoint.positions.map((position) => [keyOf(position), position.acknowledged]));
  const files = [
    ...[...followed].map(([key, { position, bytes }]) =>
      statusOf({ acknowledged: acknowledged.get(key), ...position }, position.size, bytes, 'following'),
    ),
    ...(await Promise.all(remembered.map(lookAt))),
  ];
  return {
    stateDirectory,
    ...(destination === undefined ? {} : { destination }),
    live: live !== undefined,
    files: files.sort((a, b) => (a.file < b.file ? -1 : 1)),
    spool: { ...spool, ...(oldest === undefined ? {} : { oldest: new Date(oldest).toISOString() }) },
    quarantined,
    deadLetters: Object.fromEntries(checkpoint.setAside),
    gaps: gaps.pending.map(({ input: _input, ...gap }) => gap),
  };
}

/** Undefined where nobody answers, or somebody else. */
async function askForwarder(
  announcement: Announcement | undefined,
  signal: AbortSignal,
): Promise<LiveStatus | undefined> {
  if (announcement === undefined) return undefined;
  try {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT)]);
    const response = await fetch(`${announcement.url}/status`, { signal: patience });
    const live = (await response.json()) as LiveStatus;
    return live.id === announcement.id ? live : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/** What a file that nobody at work follows is by now. */
async function lookAt(position: Position): Promise<FileStatus> {
  const path = await findByInode(position);
  if (path === undefined) return statusOf(position, position.size, 0, 'gone');
  const file = await LogFile.open(path).catch(() => undefined);
  try {
    const lag = file === undefined ? 0 : (await file.endOfLines(position.offset)) - position.offset;
    const isAtInput = resolve(position.input) === path || globSync(position.input).includes(path);
    const size = file?.size ?? statSync(path).size;
    return statusOf({ ...position, path }, size, lag, isAtInput || lag > 0 ? 'following' : 'finished');
  } finally {
    await file?.close();
  }
}

function statusOf(position: Remembered, size: number, lag: number, state: FileState): FileStatus {
  const { path, type, offset, acknowledged, heldBack } = position;
  const held = heldBack !== undefined && state !== 'gone' && lag > 0 ? heldBack : undefined;
  return {
    file: path,
    type,
    size,
    acknowledged: offset,
    lag,
    ...(acknowledged === undefined ? {} : { lastAcknowledged: acknowledged }),
    state: held === undefined ? state : 'held back',
    ...(held === undefined ? {} : { reason: held }),
  };
}

function keyOf({ destination, type, fileKey, device, inode }: Position): string {
  return [destination, type, fileKey, device, inode].join('/');
}
