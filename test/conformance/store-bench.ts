import { parseParameters, type QueryParameters } from '../../src/logs/query/log-query.ts';
import { LineSplitter } from '../../src/logs/record/lines.ts';
import { type LogRecord, RecordReader } from '../../src/logs/record/record.ts';
import { ElasticsearchStore } from '../../src/logs/store/elasticsearch/elasticsearch-store.ts';
import type { LayoutHistory } from '../../src/logs/store/elasticsearch/layout.ts';
import type { WriteOutcome } from '../../src/logs/store/log-store.ts';
import { Retention } from '../../src/logs/store/retention.ts';
import { CurrentSettings } from '../../src/logs/store/store-settings.ts';
import { flows } from '../../src/logs/types/flows.ts';
import type { LogType } from '../../src/logs/types/log-type.ts';
import type { Elasticsearch } from '../../testbed/elasticsearch/elasticsearch.ts';

const { signal } = new AbortController();

const EVERYTHING = parseParameters(new URLSearchParams({ order: 'asc', limit: '10000' }), []);

/** Records of lines that begin at an offset of their file. */
export function recordsOf(type: LogType, cluster: string, lines: readonly string[], offset = 0): LogRecord[] {
  const source = { cluster, host: 'node-1', position: { fileKey: '0'.repeat(32), offset: 0 } };
  const reader = new RecordReader(type, source);
  return [...new LineSplitter({ offset }).push(Buffer.from(`${lines.join('\n')}\n`))].flatMap((line) => {
    const read = reader.read(line);
    return read.kind === 'record' ? [read.record] : [];
  });
}

/** A store of a layout of its own, and what a test needs of it. */
export class Bench {
  readonly elasticsearch: Elasticsearch;
  readonly settings: CurrentSettings;
  readonly store: ElasticsearchStore;

  constructor(elasticsearch: Elasticsearch, layouts: LayoutHistory, retention = new Retention()) {
    this.elasticsearch = elasticsearch;
    this.settings = new CurrentSettings({ layouts, retention });
    this.store = new ElasticsearchStore({ url: elasticsearch.url }, this.settings);
  }

  async write(cluster: string, lines: readonly string[], type: LogType = flows): Promise<WriteOutcome> {
    return await this.#write(type, cluster, recordsOf(type, cluster, lines));
  }

  async writeRecords(cluster: string, records: readonly LogRecord[], type: LogType = flows): Promise<WriteOutcome> {
    return await this.#write(type, cluster, records);
  }

  /** Records of a cluster, the oldest first where nothing else is asked for. */
  async find(
    cluster: string | readonly string[],
    asked: Partial<QueryParameters> = {},
    types: readonly LogType[] = [flows],
  ) {
    await this.elasticsearch.request('POST', '/_refresh');
    return await this.search(cluster, asked, types);
  }

  /** The same, of what can be found already. */
  async search(
    cluster: string | readonly string[],
    asked: Partial<QueryParameters> = {},
    types: readonly LogType[] = [flows],
  ) {
    return await this.store.search({ clusters: [cluster].flat(), types, ...EVERYTHING, ...asked }, signal);
  }

  /** The values of a member of what is found, oldest first. */
  async found(cluster: string, member: string, asked: Partial<QueryParameters> = {}): Promise<unknown[]> {
    return (await this.find(cluster, asked)).records.map(({ record }) => record[member]);
  }

  async indices(): Promise<string[]> {
    const path = '/_cat/indices?format=json&h=index&expand_wildcards=all';
    return ((await this.elasticsearch.request('GET', path)) as { index: string }[]).map(({ index }) => index).sort();
  }

  async #write(type: LogType, cluster: string, records: readonly LogRecord[]): Promise<WriteOutcome> {
    const source = { cluster, host: 'node-1', position: undefined };
    return await this.store.write({ type, source, records }, signal);
  }
}
