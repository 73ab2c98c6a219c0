import { type DayKeeper, endOf } from '../logs/store/elasticsearch/day-keeper.ts';
import { daysKept } from '../logs/store/elasticsearch/stored-days.ts';
import type { CurrentSettings } from '../logs/store/store-settings.ts';
import type { Resource } from './resource-api.ts';

/** One stored day, as the API gives it. */
export interface DayItem {
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
export class StoredDays implements Resource {
  readonly name = 'days';
  readonly singularName = 'day';
  readonly kind = 'Day';
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
      const item = { index, type: kept, cluster, day, days, bytes, records, closes: iso(closes) };
      return this.#settings.ilmPolicy === undefined ? { ...item, deletes: iso(deletes) } : item;
    });
  }
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
