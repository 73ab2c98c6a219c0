import { crc32 } from 'node:zlib';
import { base36 } from '../record/base36.ts';
import { isBlank, type Line } from '../record/lines.ts';
import type { LineReader, ReadLine } from '../record/record.ts';
import type { UploadSource } from '../record/source.ts';
import { dayOf } from '../record/time.ts';
import { TimeWindow } from '../record/time-window.ts';
import { readGoldmaneFlow } from './goldmane-flow.ts';
import { type FlowText, readPlainFlow } from './plain-flow.ts';

/**
 * Reads flows as Goldmane sends them. A flow's id is its cluster and its own identity: Goldmane sends a window again,
 * in another order, until it is answered 200. Should the same flow come with other counts, the first ones stay; the
 * checksum lets that be counted.
 */
export class GoldmaneReader implements LineReader {
  readonly #cluster: string;
  readonly #member: string;
  readonly #window: TimeWindow;

  constructor({ cluster }: UploadSource, now = Date.now()) {
    this.#cluster = cluster;
    this.#member = `"cluster":${JSON.stringify(cluster)}`;
    this.#window = new TimeWindow(now);
  }

  read(line: Line): ReadLine {
    if (isBlank(line.bytes)) return { kind: 'blank' };
    try {
      if (line.length > line.bytes.length) throw new Error(`${line.length} bytes in one line are too many`);
      const { identity, time, record } = readPlainFlow(line.bytes) ?? readOtherFlow(line.bytes);
      this.#window.check(time);
      const open = Buffer.from(record);
      const checksum = base36(crc32(open));
      return {
        kind: 'record',
        record: {
          id: `${this.#cluster}/goldmane/${identity}`,
          day: dayOf(time),
          line,
          document: { open, time, hasHost: false },
          added: `${this.#member},"@timestamp":${time},"checksum":"${checksum}"`,
          checksum,
        },
      };
    } catch (error) {
      const id = `${this.#cluster}/goldmane/${line.offset}/${crc32(line.bytes).toString(36)}`;
      return { kind: 'dead-letter', letter: { id, line, reason: (error as Error).message } };
    }
  }
}

/** @throws Error with the reason why it is no flow. */
function readOtherFlow(line: Buffer): FlowText {
  const flow = readGoldmaneFlow(line);
  if (flow.kind === 'refused') throw new Error(flow.reason);
  const { identity, time, record } = flow;
  return { identity, time, record: Buffer.from(JSON.stringify(record).slice(0, -1)) };
}
