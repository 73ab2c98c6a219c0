import { type DayKeeper, endOf } from '../logs/store/elasticsearch/day-keeper.ts';
import { daysKept } from '../logs/store/elasticsearch/stored-days.ts';
import type { CurrentSettings } from '../logs/store/store-settings.ts';
import type { Schema } from './api-group.ts';
import type { Resource } from './resource-api.ts';
import type { TableColumn } from './table.ts';

/** One stored day, as the API gives it. */
export interface DayItem {
  /** The name is the index's. */
  readonly metadata: { readonly name: string };
  readonly index: string;
  /** A log type's name, or `dead_letters`. */
  readonly type: string;
  /** Missing where clusters share the index. */
  readonly cluster?: string | undefined;
  /** `yyyymmdd` */
  readonly day: string;
  /** For how many days it is kept. */
  readonly days: number;
  readonly bytes: number;
  readonly records: number;
  /** RFC 3339; when it takes no more records. */
  readonly closes: string;
  /** RFC 3339; when it is deleted. Missing where an ILM policy does that. */
  readonly deletes?: string | undefined;
}

/** `days`: the stored days of all clusters, with their sizes and when they go. */
export class StoredDays implements Resource<DayItem> {
  readonly name = 'days';
  readonly singularName = 'day';
  readonly kind = 'Day';
  readonly schema = SCHEMA;
  readonly columns = COLUMNS;
  readonly #days: DayKeeper;
  readonly #settings: CurrentSettings;

  constructor(days: DayKeeper, settings: CurrentSettings) {
    this.#days = days;
    this.#settings = settings;
  }

  async list(signal: AbortSignal): Promise<readonly DayItem[]> {
    const measured = await this.#days.measure(signal);
    const now = Date.now();
    return measured.map(({ index, kept, cluster, day, bytes, records, ...rest }): DayItem => {
      const stored = { index, kept, cluster, day, ...rest };
      const days = daysKept(this.#settings.value.retention, stored);
      const { closes, deletes } = endOf(stored, days, now);
      const item = {
        metadata: { name: index },
        index,
        type: kept,
        cluster,
        day,
        days,
        bytes,
        records,
        closes: iso(closes),
      };
      return this.#settings.ilmPolicy === undefined ? { ...item, deletes: iso(deletes) } : item;
    });
  }
}

const COLUMNS: readonly TableColumn<DayItem>[] = [
  { name: 'Type', type: 'string', description: 'The log type.', cell: ({ type }) => type },
  { name: 'Cluster', type: 'string', description: 'Whose logs.', cell: ({ cluster }) => cluster },
  { name: 'Day', type: 'string', description: 'Which day, in UTC.', cell: ({ day }) => day },
  { name: 'Records', type: 'integer', description: 'How many records.', cell: ({ records }) => records },
  { name: 'Bytes', type: 'integer', description: 'How large.', cell: ({ bytes }) => bytes },
  { name: 'Deletes', type: 'string', description: 'When it is deleted.', cell: ({ deletes }) => deletes },
];

const SCHEMA: Schema = {
  description: 'A stored day: the records of one log type and day, of a cluster or of all that share the index.',
  properties: {
    index: { type: 'string', description: 'The index in Elasticsearch.' },
    type: { type: 'string', description: 'The log type, or dead_letters.' },
    cluster: { type: 'string', description: 'Whose records; missing where clusters share the index.' },
    day: { type: 'string', description: 'yyyymmdd, in UTC.' },
    days: { type: 'integer', description: 'For how many days it is kept.' },
    bytes: { type: 'integer', format: 'int64' },
    records: { type: 'integer', format: 'int64' },
    closes: { type: 'string', format: 'date-time', description: 'When it takes no more records.' },
    deletes: { type: 'string', format: 'date-time', description: 'When it is deleted; missing where ILM does that.' },
  },
};

function iso(time: number): string {
  return new Date(time).toISOString();
}
