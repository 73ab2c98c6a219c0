import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import { ClusterClient } from '../tunnel/cluster-client.ts';
import type { Tunnel } from '../tunnel/tunnel.ts';
import { readClusterFacts } from './cluster-facts.ts';
import type { ConnectionStates } from './connection-states.ts';

/** Milliseconds between two readings of what a cluster says of itself. */
const INTERVAL = 1_800_000;
const RETRY = 60_000;

/**
 * Milliseconds between readings, of any clusters. One takes as much work as three clusters that connect: when thousands
 * come back at once, they are to be connected first and asked afterwards.
 */
const PACE = 50;

/** Asks connected clusters for their facts, each at once and then now and again. */
export class FactsReader {
  readonly #states: ConnectionStates;
  readonly #log: Logger;
  readonly #stopped: AbortSignal;
  /** Whose turn it is, in order. */
  readonly #due = new Set<Tunnel>();
  /** Of those that are asked again later. */
  readonly #again = new Map<Tunnel, NodeJS.Timeout>();
  #reading = false;

  constructor(states: ConnectionStates, log: Logger, stopped: AbortSignal) {
    this.#states = states;
    this.#log = log;
    this.#stopped = stopped;
  }

  /** Asks that cluster as long as its tunnel is open. */
  follow(tunnel: Tunnel): void {
    if (tunnel.session.closed || this.#stopped.aborted) return;
    tunnel.session.once('close', () => {
      clearTimeout(this.#again.get(tunnel));
      this.#again.delete(tunnel);
      this.#due.delete(tunnel);
    });
    this.#ask(tunnel);
  }

  #ask(tunnel: Tunnel): void {
    this.#due.add(tunnel);
    if (!this.#reading) void this.#readAll();
  }

  #askAgain(tunnel: Tunnel, pause: number): void {
    this.#again.set(tunnel, setTimeout(() => this.#ask(tunnel), pause).unref());
  }

  async #readAll(): Promise<void> {
    this.#reading = true;
    for (const tunnel of this.#due) {
      this.#due.delete(tunnel);
      if (this.#stopped.aborted) break;
      // Not waited for: a cluster that does not answer holds no other up.
      void this.#read(tunnel);
      await sleep(PACE, undefined, { ref: false });
    }
    this.#reading = false;
  }

  /** Never rejects: a cluster that says nothing of itself is connected all the same. */
  async #read(tunnel: Tunnel): Promise<void> {
    const { cluster, session } = tunnel;
    const closed = new AbortController();
    const abort = () => closed.abort();
    session.once('close', abort);
    const client = new ClusterClient(tunnel);
    let pause = INTERVAL;
    try {
      this.#states.learned(cluster, await readClusterFacts(client, closed.signal));
    } catch (error) {
      pause = RETRY;
      this.#log.debug({ cluster, reason: messageOf(error) }, 'no facts of the cluster');
    }
    // Kept open, thousands of such streams would hold more than the tunnels themselves.
    await client.close();
    session.off('close', abort);
    if (!session.closed) this.#askAgain(tunnel, pause);
  }
}
