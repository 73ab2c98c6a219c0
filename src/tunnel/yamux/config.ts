import type { ByteRate } from './byte-rate.ts';
import { WindowBudget } from './window-budget.ts';

/** Answers a peer's ping: `reply`, to be called once, sends the answer; now or later. */
export type PingResponder = (reply: () => void) => void;

export interface SessionConfig {
  /** The client's streams have odd ids, the server's even ones. Guardian is always the client. */
  readonly role: 'client' | 'server';
  /** Streams that either side may have open at once; more that the peer opens are reset. */
  readonly maxStreams: number;
  /** Streams of ours that the peer has not accepted yet, at once. */
  readonly maxPendingOpens: number;
  /** Milliseconds the peer has to accept a stream; it is destroyed otherwise. */
  readonly openTimeout: number;
  /** Milliseconds that a stream which we ended may go without data from the peer; it is reset then. */
  readonly closeTimeout: number;
  /** What all receive windows of the session may take beyond their initial size. */
  readonly budget: WindowBudget;
  /** How fast all streams together give out what came in; as fast as it is read where there is none. */
  readonly rate: ByteRate | undefined;
  readonly answerPing: PingResponder;
}

const SESSION_WINDOWS = 32 * 1024 * 1024;

/** What a session has where it is told nothing else. */
export function sessionDefaults(): Omit<SessionConfig, 'role'> {
  return {
    maxStreams: 1_000,
    maxPendingOpens: 256,
    openTimeout: 10_000,
    closeTimeout: 300_000,
    budget: new WindowBudget(SESSION_WINDOWS),
    rate: undefined,
    answerPing: (reply) => reply(),
  };
}

/** @throws RangeError for a configuration that cannot work. */
export function verifyConfig(config: SessionConfig): void {
  for (const name of ['maxStreams', 'maxPendingOpens', 'openTimeout', 'closeTimeout'] as const) {
    if (!(config[name] > 0)) throw new RangeError(`${name} must be more than 0`);
  }
}
