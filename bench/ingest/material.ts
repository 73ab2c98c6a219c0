import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { generateGoldmane } from '../../fixtures/generate-goldmane.ts';
import { GoldmaneReader } from '../../src/logs/goldmane/goldmane-reader.ts';
import { type LineReader, RecordReader } from '../../src/logs/record/record.ts';
import { fileKey } from '../../src/logs/record/source.ts';
import { dayOf } from '../../src/logs/record/time.ts';
import { flows } from '../../src/logs/types/flows.ts';
import { flowLines } from '../forwarder/lines.ts';

/** The cluster and the node that the records are from. */
export const CLUSTER = 'bench';
export const HOST = 'node-1';

/** Goldmane's windows of five minutes that records are spread over. */
export const WINDOWS = 3;
const SPAN = WINDOWS * 300_000;
const DAY = 86_400_000;

/** The same records twice: as they are sent to the manager, and as what it makes of them. */
export interface Material {
  /** File of lines. */
  readonly lines: string;
  /** File of lines `ID DOCUMENT`. */
  readonly documents: string;
  readonly records: number;
  /** `yyyymmdd`, the day that all of them are of. */
  readonly day: string;
}

/** Lines of a node's flows.log. */
export async function flowMaterial(folder: string, records: number): Promise<Material> {
  const { from, to } = span();
  const lines = [...flowLines(records, from, to)];
  const [first = ''] = lines;
  const position = { fileKey: fileKey(Buffer.from(first.trimEnd())), offset: 0 };
  return await write(join(folder, 'flows'), lines, new RecordReader(flows, { cluster: CLUSTER, host: HOST, position }));
}

/** What a Goldmane sends. */
export async function goldmaneMaterial(folder: string, records: number): Promise<Material> {
  const lines = [...generateGoldmane({ seed: 1, count: records, ...span() })].map((line) => `${line}\n`);
  const reader = new GoldmaneReader({ cluster: CLUSTER, host: undefined, position: undefined });
  return await write(join(folder, 'goldmane'), lines, reader);
}

async function write(path: string, lines: readonly string[], reader: LineReader): Promise<Material> {
  const documents: string[] = [];
  const days = new Set<string>();
  const ingested = Date.now();
  let offset = 0;
  for (const line of lines) {
    const bytes = Buffer.from(line);
    const read = reader.read({ offset, bytes: bytes.subarray(0, -1), length: bytes.length - 1 });
    if (read.kind !== 'record') throw new Error(`no record: ${line}`);
    const { id, day, document, added } = read.record;
    documents.push(`${id} ${document.open},${added},"ingested":${ingested}}\n`);
    days.add(day);
    offset += bytes.length;
  }
  const [day = '', ...others] = days;
  if (others.length > 0) throw new Error(`the records are of several days: ${[...days]}`);
  const material = { lines: `${path}.ndjson`, documents: `${path}.documents`, records: lines.length, day };
  await pipeline(Readable.from(lines), createWriteStream(material.lines));
  await pipeline(Readable.from(documents), createWriteStream(material.documents));
  return material;
}

/** The latest that is all of one day. */
function span(now = Date.now()): { readonly from: number; readonly to: number } {
  const midnight = Math.floor(now / DAY) * DAY;
  const to = dayOf(now - SPAN) === dayOf(now) ? now : midnight - 60_000;
  return { from: to - SPAN, to };
}
