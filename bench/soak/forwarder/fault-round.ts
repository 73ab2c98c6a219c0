import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../../fixtures/random.ts';
import type { Workbench } from '../../../testbed/testbed.ts';
import { sum } from '../sum.ts';
import { DisturbedForwarder } from './disturbed-forwarder.ts';
import { FaultDeck } from './fault-deck.ts';
import type { FaultProxy } from './fault-proxy.ts';
import { type Reckoning, reckon } from './line-ledger.ts';
import { LogLines } from './log-lines.ts';
import { LogWriter } from './log-writer.ts';
import { SavedPositions } from './saved-positions.ts';
import { storedIds } from './stored-ids.ts';

export interface FaultRoundOptions {
  readonly workbench: Workbench;
  /** Decides all choices of the round. */
  readonly seed: number;
  /** Its files and the forwarder's state go there. */
  readonly folder: string;
  readonly cluster: string;
  /** Flags that say where the forwarder ships to. */
  readonly destination: readonly string[];
  readonly proxies: Readonly<Record<string, FaultProxy>>;
  /** Kills and starts what the forwarder ships to, with so many milliseconds between; undefined where that stays. */
  readonly outage?: (pause: number) => Promise<void>;
  /** Milliseconds by which the forwarder's clock may be off. */
  readonly steps: readonly number[];
  /** How long things go wrong. */
  readonly seconds: number;
  /** Whether requests without an answer are waited out, which takes a minute. */
  readonly waitOut: boolean;
}

export interface RoundOutcome extends Reckoning {
  /** How often what went wrong. */
  readonly faults: Readonly<Record<string, number>>;
  readonly reusedInodes: number;
  /** How often the forwarder has said that something is lost. */
  readonly falseAlarms: number;
  /** What the forwarder has said. */
  readonly trouble: readonly string[];
}

const HOST = 'node-1';

const OUTAGE = 'manager killed';

/** Faults that each proxy makes in a round, at least; and how many times as long a round may take for it. */
const ENOUGH = 12;
const MOST_PATIENT = 3;

/** Milliseconds from one calm to the next. */
const CALM_EVERY = 6_000;

/** Part of all requests on which something goes wrong. */
const RATE = 0.3;

/** Seconds for what is left to be shipped once nothing goes wrong any more; a manager that did not answer costs 60. */
const PATIENCE = 180;

/** A forwarder ships what two programs write and rotate, while things go wrong. Then everything is counted. */
export async function runFaultRound(options: FaultRoundOptions): Promise<RoundOutcome> {
  return await new FaultRound(options).run();
}

class FaultRound {
  readonly #options: FaultRoundOptions;
  readonly #random: Random;
  readonly #writers: readonly LogWriter[];
  readonly #forwarder: DisturbedForwarder;
  readonly #deck: FaultDeck;
  #nextCalm = performance.now() + CALM_EVERY;

  constructor(options: FaultRoundOptions) {
    const { seed, folder, workbench, destination, steps, outage } = options;
    this.#options = options;
    this.#random = new Random(seed);
    const state = join(folder, 'state');
    const saved = new SavedPositions(state);
    const calm = async (wait: () => Promise<boolean>) => await this.#calm(wait);
    const logs = [false, true, false, true].map((isPattern, at) => ({
      isPattern,
      log: join(folder, `${at}`, 'flows.log'),
    }));
    this.#writers = logs.map(({ log, isPattern }) => {
      mkdirSync(dirname(log));
      const random = new Random(this.#random.between(0, 2 ** 31));
      const lines = new LogLines(this.#mark, this.#random.between(0, 2 ** 31), random);
      return new LogWriter({ log, isPattern, lines, random, saved, calm });
    });
    const files = logs.flatMap(({ log, isPattern }) => ['--flow', isPattern ? `${log}*` : log]);
    // Most follow, as most forwarders do.
    const way = this.#random.chance(0.2) ? ['--every', '1s'] : [];
    const args = [...destination, '--state', state, '--host', HOST, ...files, '--chunk-bytes', '8192', ...way];
    this.#forwarder = new DisturbedForwarder(workbench, args, steps, this.#random);
    const kinds = Object.keys(this.#kinds).filter((kind) => kind !== OUTAGE || outage !== undefined);
    this.#deck = new FaultDeck(kinds, this.#random);
  }

  get #mark(): string {
    return `round-${this.#options.seed}`;
  }

  readonly #kinds: Readonly<Record<string, () => Promise<void>>> = {
    killed: async () => {
      await this.#forwarder.kill();
      await sleep(this.#random.between(0, 500));
      this.#forwarder.start();
    },
    'killed, and started with another clock': async () => {
      await this.#forwarder.kill();
      this.#forwarder.start(true);
    },
    'killed, and a log made anew meanwhile': async () => {
      await this.#random.pick(this.#writers).remakeWithout({ end: async () => await this.#forwarder.kill() });
      this.#forwarder.start();
    },
    'asked to end': async () => {
      await this.#forwarder.stop();
      this.#forwarder.start();
    },
    'asked to read its configuration': async () => await this.#forwarder.hangUp(),
    'clock set': async () => await this.#forwarder.stepClock(),
    'disk full': async () => await this.#forwarder.fillDisk(this.#random.between(200, 1_500)),
    [OUTAGE]: async () => await this.#options.outage?.(this.#random.between(0, 1_000)),
  };

  async run(): Promise<RoundOutcome> {
    const { proxies, seconds, waitOut, seed } = this.#options;
    const end = new AbortController();
    for (const proxy of Object.values(proxies)) proxy.disturb(RATE, new Random(seed));
    this.#forwarder.start(this.#random.chance(0.2));
    try {
      const work = [this.#disturb(end.signal), ...this.#writers.map((writer) => writer.run(end.signal))];
      try {
        await Promise.race([this.#untilEnough(seconds * 1000), Promise.all(work)]);
      } finally {
        end.abort();
        await Promise.allSettled(work);
      }
      await Promise.all(work);
      for (const proxy of Object.values(proxies)) proxy.heal({ cutStalled: !waitOut });
      const reckoning = await this.#reckon();
      await this.#forwarder.stop();
      const { trouble } = this.#forwarder;
      const falseAlarms = trouble.filter((text) => /bytes of it were not shipped/.test(text)).length;
      return { ...reckoning, ...this.#made, falseAlarms, trouble };
    } finally {
      await this.#forwarder.kill();
    }
  }

  /** Not for whoever asks soon after another: nothing would ever go wrong. */
  async #calm(wait: () => Promise<boolean>): Promise<boolean> {
    if (performance.now() < this.#nextCalm) return await wait();
    this.#nextCalm = performance.now() + CALM_EVERY;
    const proxies = Object.values(this.#options.proxies);
    return await proxies.reduceRight((inner, proxy) => async () => await proxy.calm(inner), wait)();
  }

  /** So long, and longer where the machine has so much else to do that little has happened. */
  async #untilEnough(milliseconds: number): Promise<void> {
    await sleep(milliseconds);
    for (const late = performance.now() + MOST_PATIENT * milliseconds; performance.now() < late; await sleep(100)) {
      const made = Object.values(this.#options.proxies).map((proxy) => sum(proxy.made));
      if (Math.min(...made) >= ENOUGH) return;
    }
  }

  async #disturb(end: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(this.#random.between(300, 1_500));
      if (end.aborted) return;
      await this.#kinds[this.#deck.next() ?? '']?.();
    }
  }

  get #made(): Pick<RoundOutcome, 'faults' | 'reusedInodes'> {
    const faults: Record<string, number> = { ...this.#deck.dealt };
    for (const { rotations } of this.#writers) {
      for (const [kind, count] of Object.entries(rotations)) faults[kind] = (faults[kind] ?? 0) + count;
    }
    for (const [where, { made }] of Object.entries(this.#options.proxies)) {
      for (const [kind, count] of Object.entries(made)) faults[`${where}: ${kind}`] = count;
    }
    return { faults, reusedInodes: this.#writers.reduce((sum, writer) => sum + writer.reusedInodes, 0) };
  }

  /** As soon as everything is there, or when it should be. */
  async #reckon(): Promise<Reckoning> {
    const { cluster, workbench } = this.#options;
    const { elasticsearch } = workbench;
    const files = this.#writers.flatMap((writer) => writer.files);
    const keys = new Set(files.map(({ key }) => key));
    for (const deadline = performance.now() + PATIENCE * 1000; ; await sleep(300)) {
      const own = { term: { process_name: this.#mark } };
      const stored = await storedIds(elasticsearch, `tigera_secure_ee_flows.${cluster}.*`, own);
      const letters = await storedIds(elasticsearch, `kubectl_mcm_dead_letters.${cluster}.*`, { match_all: {} });
      // `TYPE/CLUSTER/HOST/FILE KEY/OFFSET/CHECKSUM`
      const ownLetters = letters.filter((id) => keys.has(id.split('/')[3]));
      const reckoning = reckon(files, `${cluster}/${HOST}`, stored, ownLetters);
      if (reckoning.lost === 0 || performance.now() > deadline) return reckoning;
    }
  }
}
