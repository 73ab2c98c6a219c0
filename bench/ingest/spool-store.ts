// The spool by itself: a spooling store before an Elasticsearch that is not there, and batches that are ready, as ingest
// makes them of a forwarder's uploads.
import { createReadStream } from 'node:fs';
import { parseArgs } from 'node:util';
import { takeUpload } from '../../src/logs/ingest/upload.ts';
import { RecordReader } from '../../src/logs/record/record.ts';
import { SpoolingStore } from '../../src/logs/spool/spooling-store.ts';
import { ElasticsearchStore } from '../../src/logs/store/elasticsearch/elasticsearch-store.ts';
import type { LogStore, RecordBatch } from '../../src/logs/store/log-store.ts';
import { CurrentSettings } from '../../src/logs/store/store-settings.ts';
import { flows } from '../../src/logs/types/flows.ts';
import { CLUSTER, HOST } from './material.ts';
import { eachOf, eachRound } from './rounds.ts';

/** Enough for all rounds, with segments of 64 MiB. */
const SIZE = 16 * 1024 * 1024 * 1024;

/** How often all is written in a round, which would be too short otherwise. */
const TIMES = 4;

/** As many as a forwarder has uploads under way, of which each is a batch. */
const AT_ONCE = 3;

/** As in the pieces in which ingest has a body decompressed. */
const CHUNK = 256 * 1024;

const { values } = parseArgs({
  options: {
    directory: { type: 'string', default: '' },
    url: { type: 'string', default: '' },
    file: { type: 'string', default: '' },
  },
});
const never = new AbortController().signal;

async function readBatches(): Promise<readonly RecordBatch[]> {
  const batches: RecordBatch[] = [];
  const collecting: Pick<LogStore, 'write' | 'setAside'> = {
    write: async (batch) => {
      batches.push(batch);
      return { stored: batch.records.length, known: 0, differing: 0, refused: [] };
    },
    setAside: async () => {
      throw new Error('a line is no record');
    },
  };
  const source = { cluster: CLUSTER, host: HOST, position: { fileKey: '0'.repeat(32), offset: 0 } };
  const body = createReadStream(values.file, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>;
  const upload = { type: flows, source, reader: new RecordReader(flows, source), body };
  await takeUpload(upload, collecting as LogStore, never);
  return batches;
}

const batches = await readBatches();
const nothing = () => undefined;
const store = await SpoolingStore.open(
  new ElasticsearchStore({ url: values.url }, new CurrentSettings()),
  { directory: values.directory, size: SIZE },
  { spooled: nothing, notTaken: nothing, damaged: nothing, drained: nothing, heldBack: nothing },
);
const all = Array.from({ length: TIMES }, () => batches).flat();
await eachRound(() =>
  eachOf(all, AT_ONCE, async (batch) => {
    await store.write(batch, never);
  }),
);
process.exit();
