import { dayOf } from '../../record/time.ts';
import { STORED_TYPES } from '../../types/index.ts';
import type { LogType, LogTypeName } from '../../types/log-type.ts';
import { DEAD_LETTERS, dayAfter, type KeptName, startOf } from '../retention.ts';
import type { CurrentSettings } from '../store-settings.ts';
import type { LayoutPeriod } from './layout.ts';

/** Stands in the names of indices where a cluster's name does otherwise: no cluster may have it. */
const SHARED = 'shared';

/** Of what Calico has not, under whatever prefix its logs are. */
const OUR_PREFIX = 'kubectl_mcm_';
const DEAD_LETTERS_BASE = `${OUR_PREFIX}${DEAD_LETTERS}`;

/** An index to write to, and what its documents are routed by where it has several shards. */
export interface DayIndex {
  readonly index: string;
  readonly routing: string | undefined;
}

/** The beginning of an action line of `_bulk`, to which the `_id` is added. None of it holds what JSON would escape. */
export function actionOf({ index, routing }: DayIndex): string {
  return `{"create":{"_index":"${index}",${routing === undefined ? '' : `"routing":"${routing}",`}`;
}

/** Where to look for records. */
export interface Reading {
  /** Names of indices, with `*`. */
  readonly patterns: readonly string[];
  /** In the form that Elasticsearch takes it. */
  readonly routing: string | undefined;
}

/** What an index's name says. */
export interface ParsedIndex {
  readonly kept: KeptName;
  /** undefined where all clusters share the index. */
  readonly cluster: string | undefined;
  /** `yyyymmdd` */
  readonly day: string;
}

/**
 * Names of the indices: `tigera_secure_ee_flows.prod-eu.20261122`, or `tigera_secure_ee_flows.shared.20261122`, as the
 * layout of the day has it.
 */
export class IndexNames {
  readonly #settings: CurrentSettings;

  constructor(settings: CurrentSettings) {
    this.#settings = settings;
  }

  /** Where a day's records of a cluster are. */
  day(type: LogType, cluster: string, day: string): DayIndex {
    const layout = this.#settings.value.layouts.of(day);
    return dayIndex(baseOf(type.name, layout), layout, cluster, day);
  }

  /** Where the dead letters are that come in on a day. */
  deadLetters(cluster: string, day: string): DayIndex {
    return dayIndex(DEAD_LETTERS_BASE, this.#settings.value.layouts.of(day), cluster, day);
  }

  /**
   * Where records of clusters are that are of a time from `since` to before `until` (milliseconds since 1970): day by day,
   * or all days' where these are too many to name. Cluster names hold no dots, so no pattern of one reaches another's
   * indices; those of more clusters than can be named in a request reach all clusters' indices of these days. `routing` is
   * undefined where it would hide records.
   */
  reading(type: LogType, clusters: readonly string[], since: number | undefined, until: number | undefined): Reading {
    const [first, last] = [since, until].map((time) => (time === undefined ? undefined : safeDay(time)));
    const periods = this.#settings.value.layouts.between(first, last);
    const days = daysBetween(first, last);
    const daily = unique(days.flatMap((day) => clusters.map((cluster) => this.day(type, cluster, day).index)));
    const named = unique(
      periods.flatMap((layout) =>
        clusters.map((cluster) => dayIndex(baseOf(type.name, layout), layout, cluster, '*').index),
      ),
    );
    const all = this.#readingAll(type, periods, days);
    const patterns = [daily, named].find((names) => names.length > 0 && isShort(names)) ?? all;
    const isRouted = periods.every(({ layout }) => layout === 'shared') && isShort(clusters);
    return { patterns, routing: isRouted ? clusters.join() : undefined };
  }

  /** The same of all clusters. */
  #readingAll(type: LogType, periods: readonly LayoutPeriod[], days: readonly string[]): readonly string[] {
    const bases = unique(periods.map((layout) => baseOf(type.name, layout)));
    const daily = bases.flatMap((base) => days.map((day) => `${base}.*.${day}`));
    return daily.length > 0 && isShort(daily) ? daily : bases.map((base) => `${base}.*`);
  }

  /** Whether a pattern of `reading` stands for other clusters' records as well. */
  reachesOthers(pattern: string): boolean {
    return [SHARED, '*'].includes(pattern.split('.')[1] ?? '');
  }

  /** Of all clusters and days, under all prefixes there have been: the patterns of index templates. */
  all(type: LogType): string[] {
    return this.#bases(type.name).map((base) => `${base}.*`);
  }

  /** The same, of the indices that clusters share. */
  allShared(type: LogType): string[] {
    return this.#bases(type.name).map((base) => `${base}.${SHARED}.*`);
  }

  get allDeadLetters(): string {
    return `${DEAD_LETTERS_BASE}.*`;
  }

  /** Of all clusters, those that came in on one day. */
  deadLettersOf(day: string): string {
    return `${DEAD_LETTERS_BASE}.*.${day}`;
  }

  /** What a name says that we could have given; undefined for every other. */
  parse(index: string): ParsedIndex | undefined {
    const [base = '', cluster = '', day = '', ...more] = index.split('.');
    if (more.length > 0 || Number.isNaN(startOf(day)) || !/^[-a-z0-9]{1,63}$/.test(cluster)) return undefined;
    const kept = this.#keptAs(base);
    return kept === undefined ? undefined : { kept, cluster: cluster === SHARED ? undefined : cluster, day };
  }

  #keptAs(base: string): KeptName | undefined {
    if (base === DEAD_LETTERS_BASE) return DEAD_LETTERS;
    return STORED_TYPES.find(({ name }) => this.#bases(name).includes(base))?.name;
  }

  #bases(name: LogTypeName): string[] {
    return [...new Set(this.#settings.value.layouts.periods.map((layout) => baseOf(name, layout)))];
  }
}

function baseOf(name: LogTypeName, { prefix }: LayoutPeriod): string {
  return `${name === 'gaps' ? OUR_PREFIX : prefix}${name}`;
}

function dayIndex(base: string, { layout }: LayoutPeriod, cluster: string, day: string): DayIndex {
  if (layout === 'shared') return { index: `${base}.${SHARED}.${day}`, routing: cluster };
  return { index: `${base}.${cluster}.${day}`, routing: undefined };
}

/**
 * Characters that names and routing of one type may have together in a request: they stand in its first line, of which
 * Elasticsearch takes 4 KB.
 */
const LONGEST_NAMES = 1_000;

/** A comma stands in a URL as `%2C`. */
function isShort(names: readonly string[]): boolean {
  return names.reduce((sum, { length }) => sum + length + 3, 0) <= LONGEST_NAMES;
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}

/** As many days as are worth naming one by one. */
const MOST_DAYS = 10;

/** Every day from the first to the last one; none where there is no end of them. */
function daysBetween(first: string | undefined, last = dayAfter(Date.now(), 1)): readonly string[] {
  if (first === undefined) return [];
  const days: string[] = [];
  for (let time = startOf(first); dayOf(time) <= last; time += 86_400_000) {
    days.push(dayOf(time));
    if (days.length > MOST_DAYS) return [];
  }
  return days;
}

/** The days that names of indices have; queries may ask for any time. */
function safeDay(time: number): string {
  return dayOf(Math.min(Math.max(time, 0), Date.UTC(9999, 11, 31)));
}
