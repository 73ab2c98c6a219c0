import { parse, stringify } from 'yaml';
import { UserError } from '../../errors.ts';
import {
  areInOrder,
  DEFAULT_LAYOUT,
  isPrefix,
  LAYOUT_NAMES,
  type Layout,
  LayoutHistory,
  type LayoutPeriod,
  MOST_SHARDS,
} from './elasticsearch/layout.ts';
import { KEPT_NAMES, type KeptDays, type KeptName, MOST_DAYS, Retention } from './retention.ts';

/** What is configured about the store: where records go, and how long they stay. */
export interface StoreSettings {
  readonly layouts: LayoutHistory;
  readonly retention: Retention;
}

export const DEFAULT_SETTINGS: StoreSettings = { layouts: new LayoutHistory(), retention: new Retention() };

/** The settings in force, for everyone who works with a store: replaced as a whole when they change. */
export class CurrentSettings {
  value: StoreSettings;
  /** Where Elasticsearch's own index lifecycle management deletes days, its policy for them. */
  ilmPolicy: string | undefined;

  constructor(value: StoreSettings = DEFAULT_SETTINGS) {
    this.value = value;
  }
}

const CLUSTER = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Reads `types: {flows: 8}` and `clusters: {prod-eu: {flows: 30}}`. @throws UserError naming what is wrong. */
export function parseRetention(text: string): Retention {
  const { types, clusters, ...others } = fields('retention', yaml('retention', text) ?? {});
  refuseOthers('retention', others);
  const perCluster = Object.entries(fields('retention.clusters', clusters ?? {})).map(
    ([cluster, days]): [string, KeptDays] => {
      if (!CLUSTER.test(cluster)) throw new UserError(`retention.clusters: "${cluster}" cannot be a cluster's name`);
      return [cluster, keptDays(`retention.clusters.${cluster}`, days)];
    },
  );
  return new Retention(keptDays('retention.types', types ?? {}), new Map(perCluster));
}

/** The form that parseRetention reads. */
export function formatRetention({ types, clusters }: Retention): string {
  const plain = (days: KeptDays) => Object.fromEntries(days);
  const perCluster = [...clusters].filter(([, days]) => days.size > 0).map(([name, days]) => [name, plain(days)]);
  return stringify({ types: plain(types), clusters: Object.fromEntries(perCluster) }, { flowCollectionPadding: false });
}

function keptDays(where: string, value: unknown): KeptDays {
  return new Map(
    Object.entries(fields(where, value)).map(([name, days]): [KeptName, number] => {
      if (!isKeptName(name)) throw new UserError(`${where}: "${name}" is none of ${KEPT_NAMES.join(', ')}`);
      if (!isWhole(days, 1, MOST_DAYS)) {
        throw new UserError(`${where}.${name}: ${JSON.stringify(days)} is not a number of days from 1 to ${MOST_DAYS}`);
      }
      return [name, days];
    }),
  );
}

function isKeptName(name: string): name is KeptName {
  return (KEPT_NAMES as readonly string[]).includes(name);
}

/** Reads `layout: shared`, with `prefix` and `shards` where they are not the usual ones. @throws UserError */
export function parseLayout(text: string): Layout {
  return layout('layout', fields('layout', yaml('layout', text) ?? {}));
}

export function formatLayout({ layout, prefix, shards }: Layout): string {
  return stringify({ layout, prefix, shards });
}

/** Reads a list of layouts, each but the first with `from: "20261125"`. @throws UserError */
export function parseHistory(text: string): LayoutHistory {
  const list = yaml('history', text);
  if (!Array.isArray(list) || list.length === 0) throw new UserError('history: not a list of layouts');
  const periods = list.map((item, at): LayoutPeriod => {
    const { from = '', ...others } = fields(`history[${at}]`, item);
    if (typeof from !== 'string') throw new UserError(`history[${at}].from: not a day in quotes`);
    return { from, ...layout(`history[${at}]`, others) };
  });
  if (!areInOrder(periods)) throw new UserError('history: the days from which layouts are in force are not in order');
  return new LayoutHistory(periods);
}

export function formatHistory({ periods }: LayoutHistory): string {
  const list = periods.map(({ from, layout, prefix, shards }) => ({
    ...(from === '' ? {} : { from }),
    layout,
    prefix,
    shards,
  }));
  // The schema of YAML 1.1 puts days in quotes, which are numbers otherwise.
  return stringify(list, { version: '1.1' });
}

function layout(where: string, values: Fields): Layout {
  const { layout = DEFAULT_LAYOUT.layout, prefix = DEFAULT_LAYOUT.prefix, shards = DEFAULT_LAYOUT.shards } = values;
  const { layout: _layout, prefix: _prefix, shards: _shards, ...others } = values;
  refuseOthers(where, others);
  const name = LAYOUT_NAMES.find((known) => known === layout);
  if (name === undefined) throw new UserError(`${where}.layout: must be one of ${LAYOUT_NAMES.join(', ')}`);
  if (typeof prefix !== 'string' || !isPrefix(prefix)) {
    throw new UserError(
      `${where}.prefix: must be lower-case letters, digits and _, begin with a letter and end with _, at most 64`,
    );
  }
  if (!isWhole(shards, 1, MOST_SHARDS)) throw new UserError(`${where}.shards: must be from 1 to ${MOST_SHARDS}`);
  return { layout: name, prefix, shards };
}

type Fields = Readonly<Record<string, unknown>>;

function yaml(where: string, text: string): unknown {
  try {
    return parse(text, { version: '1.1' });
  } catch (error) {
    throw new UserError(`${where}: not YAML: ${(error as Error).message.split('\n')[0]}`);
  }
}

function fields(where: string, value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new UserError(`${where}: not a map`);
}

function refuseOthers(where: string, others: Fields): void {
  const [first] = Object.keys(others);
  if (first !== undefined) throw new UserError(`${where}: unknown field "${first}"`);
}

function isWhole(value: unknown, from: number, to: number): value is number {
  return Number.isInteger(value) && (value as number) >= from && (value as number) <= to;
}
