import { crc32 } from 'node:zlib';
import { type Client, errors } from '@elastic/elasticsearch';
import { LOG_TYPES } from '../../types/index.ts';
import type { StoreUnavailable } from '../log-store.ts';
import { CLOSED_BEFORE, closesAt, dayAfter, startOf } from '../retention.ts';
import type { CurrentSettings } from '../store-settings.ts';
import { unavailable } from './bulk.ts';
import { IndexNames } from './index-names.ts';
import type { Layout } from './layout.ts';
import { refuseLayout } from './shard-limit.ts';
import { daysKept, type IndexMeta, listDays, type MeasuredDay, measureDays, type StoredDay } from './stored-days.ts';
import { OWNER } from './templates.ts';

/** Tomorrow's indices are created from 18:00 (UTC) on, over five and a half hours: milliseconds of the day. */
const EVENING = 18 * 3_600_000;
const EVENING_LENGTH = 5.5 * 3_600_000;

/** How long the names in one request's path may be together: Elasticsearch takes lines of 4096 bytes. */
const LONGEST_PATH = 3_000;

/** Indices that were closed, opened again, deleted and created in one round. */
export interface Round extends Tomorrow {
  readonly closed: readonly string[];
  readonly reopened: readonly string[];
  readonly deleted: readonly string[];
}

/** What of tomorrow's indices was due. */
interface Tomorrow {
  readonly created: readonly string[];
  /** Why the others could not be created. The day's first record asks for its index once more. */
  readonly notCreated?: StoreUnavailable;
}

/** What of an index's life is due. */
type Due = 'close' | 'reopen' | 'delete' | undefined;

/**
 * What is due with an index. It is closed six hours before it is deleted, and that is noted in it, so that these six hours
 * also pass where it was the retention that has changed; until then it opens again when that is taken back.
 */
export function dueOf(day: StoredDay, days: number, now: number): Due {
  if (now < closesAt(day.day, days)) return day.closed === undefined ? undefined : 'reopen';
  if (day.closed === undefined) return 'close';
  return now >= day.closed + CLOSED_BEFORE ? 'delete' : undefined;
}

/** When an index is closed and deleted, if nothing is changed: milliseconds since 1970. */
export function endOf(
  day: StoredDay,
  days: number,
  now: number,
): { readonly closes: number; readonly deletes: number } {
  const due = closesAt(day.day, days);
  // A note of before that a longer retention has overtaken is about to be taken away.
  const closes = day.closed !== undefined && now >= due ? day.closed : Math.max(due, now);
  return { closes, deletes: closes + CLOSED_BEFORE };
}

/** When the next day's index of this name is to be created: another moment of the evening for each name. */
export function createdAt(index: string, now: number): number {
  const midnight = startOf(dayAfter(now, 0));
  return midnight + EVENING + (crc32(index) / 2 ** 32) * EVENING_LENGTH;
}

/**
 * Deletes days that are not kept any more, and creates tomorrow's indices before a thousand writes at midnight do. To be
 * run by one manager at a time, every minute or so.
 */
export class DayKeeper {
  readonly #client: Client;
  readonly #settings: CurrentSettings;

  constructor(client: Client, settings: CurrentSettings) {
    this.#client = client;
    this.#settings = settings;
  }

  /** @throws StoreUnavailable */
  async measure(signal: AbortSignal): Promise<readonly MeasuredDay[]> {
    return await measureDays(this.#client, this.#settings, signal);
  }

  /** Why a layout cannot be chosen for so many clusters; undefined where it can. @throws StoreUnavailable */
  async refuseLayout(layout: Layout, clusters: number, signal: AbortSignal): Promise<string | undefined> {
    return await refuseLayout(this.#client, this.#settings, layout, clusters, signal);
  }

  /** @throws StoreUnavailable; what is left then is done by the next round. */
  async round(now: number, signal: AbortSignal): Promise<Round> {
    const days = await listDays(this.#client, this.#settings, signal);
    const { value, ilmPolicy } = this.#settings;
    const due = Map.groupBy(days, (day) =>
      ilmPolicy === undefined ? dueOf(day, daysKept(value.retention, day), now) : undefined,
    );
    const names = (what: Due) => (due.get(what) ?? []).map(({ index }) => index);
    const round = { closed: names('close'), reopened: names('reopen'), deleted: names('delete') };
    try {
      await this.#note(round.closed, { owner: OWNER, closed: now }, signal);
      await this.#note(round.reopened, { owner: OWNER }, signal);
      await this.#delete(round.deleted, signal);
    } catch (error) {
      throw signal.aborted ? error : unavailable(error);
    }
    return { ...round, ...(await this.#createTomorrow(days, now, signal)) };
  }

  async #note(indices: readonly string[], meta: IndexMeta, signal: AbortSignal): Promise<void> {
    for (const index of pathsOf(indices)) {
      await this.#client.indices.putMapping({ index, _meta: { ...meta }, expand_wildcards: 'none' }, { signal });
    }
  }

  async #delete(indices: readonly string[], signal: AbortSignal): Promise<void> {
    for (const index of pathsOf(indices)) {
      await this.#client.indices.delete({ index, ignore_unavailable: true, expand_wildcards: 'none' }, { signal });
    }
  }

  /** What had records today will have some tomorrow. Ends with the first that fails: what does, fails for the next as well. */
  async #createTomorrow(days: readonly StoredDay[], now: number, signal: AbortSignal): Promise<Tomorrow> {
    const today = dayAfter(now, 0);
    const there = new Set(days.map(({ index }) => index));
    const wanted = days.filter(({ day }) => day === today).map((day) => this.#tomorrowOf(day, now));
    const created: string[] = [];
    for (const index of new Set(wanted)) {
      if (index === undefined || there.has(index) || now < createdAt(index, now)) continue;
      try {
        await this.#create(index, now, signal);
      } catch (error) {
        signal.throwIfAborted();
        return { created, notCreated: unavailable(error) };
      }
      created.push(index);
    }
    return { created };
  }

  #tomorrowOf({ kept, cluster }: StoredDay, now: number): string | undefined {
    const type = LOG_TYPES.find(({ name }) => name === kept);
    const tomorrow = dayAfter(now, 1);
    const { layout } = this.#settings.value.layouts.of(tomorrow);
    // Dead letters and gaps are rare; and of an index that clusters share it is not known whose records it has.
    if (type === undefined || (cluster === undefined && layout !== 'shared')) return undefined;
    return new IndexNames(this.#settings).day(type, cluster ?? '', tomorrow).index;
  }

  async #create(index: string, now: number, signal: AbortSignal): Promise<void> {
    const { layout, shards } = this.#settings.value.layouts.of(dayAfter(now, 1));
    const settings = layout === 'shared' ? { settings: { 'index.number_of_shards': shards } } : {};
    try {
      await this.#client.indices.create({ index, ...settings }, { signal });
    } catch (error) {
      // By a record that came early.
      const there = error instanceof errors.ResponseError && /resource_already_exists/.test(error.message);
      if (!there) throw error;
    }
  }
}

/** Exact names, as many together as one request may name. */
function pathsOf(indices: readonly string[]): string[][] {
  const paths: string[][] = [];
  let length = LONGEST_PATH;
  for (const index of indices) {
    length += index.length + 1;
    if (length > LONGEST_PATH) {
      paths.push([]);
      length = index.length;
    }
    paths.at(-1)?.push(index);
  }
  return paths;
}
