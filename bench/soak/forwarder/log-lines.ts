import { generateFlows } from '../../../fixtures/generate-flows.ts';
import type { Random } from '../../../fixtures/random.ts';
import { MAX_LINE } from '../../../src/logs/record/lines.ts';

/** A line without its newline; a poisoned one cannot be stored, ever. */
export interface LogLine {
  readonly bytes: Buffer;
  readonly poison: boolean;
}

/** Lines of a flow log, each with a number of its own; some of them blank, some poisoned in one way or another. */
export class LogLines {
  readonly #random: Random;
  readonly #mark: string;
  readonly #records: Iterator<string>;
  #number = 0;

  /** @param mark what every record says that it was written by. */
  constructor(mark: string, seed: number, random: Random) {
    this.#mark = mark;
    this.#random = random;
    const now = Date.now();
    this.#records = generateFlows({ seed, count: 10_000_000, from: now - 60_000, to: now })[Symbol.iterator]();
  }

  next(): LogLine {
    const random = this.#random;
    const record: string = this.#records.next().value;
    const open = `${record.slice(0, -1)},"process_name":"${this.#mark}","line":${this.#number++}`;
    if (random.chance(0.02)) return { bytes: Buffer.from(random.pick(['', ' ', '\t\r'])), poison: false };
    if (!random.chance(0.02)) return { bytes: Buffer.from(`${open}}`), poison: false };
    return { bytes: poisoned(open, random), poison: true };
  }
}

function poisoned(open: string, random: Random): Buffer {
  switch (random.between(0, 20)) {
    case 0:
      return Buffer.from(`${open},"pad":"${'x'.repeat(MAX_LINE)}"}`);
    case 1:
    case 2:
      return Buffer.concat([Buffer.from(`${open},"text":"`), Buffer.of(0xff, 0xc0), Buffer.from('"}')]);
    case 3:
    case 4:
      return Buffer.from(`${open},"torn":"here`);
    case 5:
    case 6:
      return Buffer.from(`${open}}`.replaceAll('"end_time"', '"ended"'));
    default:
      // Elasticsearch itself refuses it.
      return Buffer.from(`${open},"num_process_ids":"many"}`);
  }
}
