import type { CountedGroup, LogAggregation, Total } from '../../src/logs/query/aggregation.ts';
import type { Filter } from '../../src/logs/query/filter.ts';
import type { StoredRecord } from '../../src/logs/types/log-type.ts';
import { holds } from './filter-oracle.ts';

interface Counted {
  readonly count: number;
  readonly rows: readonly CountedGroup[];
  readonly totals: readonly Total[];
}

type Group = Pick<CountedGroup, 'members' | 'direction'>;

/** What is counted, as docs/top.md has it, record by record: what a store's answer is held against. */
export function counted(asked: LogAggregation, records: readonly StoredRecord[]): Counted {
  const directions = countsDirections(asked) ? (['egress', 'ingress'] as const) : [undefined];
  const groups = new Map<string, Sums & { readonly group: Group }>();
  const totals = directions.map((direction) => {
    const sums = { value: 0, records: 0 };
    for (const record of records.filter((one) => isCounted(asked, one, direction))) {
      const value = measured(asked, record);
      add(sums, value);
      const own = new Map(groupsOf(asked, record).map((members) => [JSON.stringify(members), members]));
      for (const members of own.values()) {
        const group: Group = { members, ...(direction === undefined ? {} : { direction }) };
        const known = groups.get(nameOf(group)) ?? { group, value: 0, records: 0 };
        groups.set(nameOf(group), known);
        add(known, value);
      }
    }
    return { ...sums, ...(direction === undefined ? {} : { direction }) };
  });
  const rows = [...groups.values()]
    .filter(({ value }) => value > 0)
    .map(({ group, ...sums }) => ({ ...group, ...sums }));
  const largest = rows.toSorted((a, b) => b.value - a.value || (nameOf(a) < nameOf(b) ? -1 : 1));
  return { count: rows.length, rows: largest.slice(0, asked.limit), totals };
}

interface Sums {
  value: number;
  records: number;
}

function add(sums: Sums, value: number): void {
  sums.value += value;
  sums.records++;
}

/** Whether each end's reports are counted by themselves. */
function countsDirections({ types, by, metric, filter }: LogAggregation): boolean {
  return types[0]?.name === 'flows' && (by === 'policy' || (metric !== 'denies' && looksAtOneEnd(filter)));
}

function isCounted(asked: LogAggregation, record: StoredRecord, direction: 'egress' | 'ingress' | undefined): boolean {
  if (asked.filter !== undefined && !holds(asked.filter, record)) return false;
  if (!isMeasured(asked, record)) return false;
  if (direction !== undefined) return record.reporter === (direction === 'egress' ? 'src' : 'dst');
  return asked.types[0]?.name !== 'flows' || asked.metric === 'denies' || isTheOneReport(record);
}

function nameOf({ members, direction }: Group): string {
  return JSON.stringify([members, direction]);
}

/** Whether something is asked for that each end of a flow says of itself. */
function looksAtOneEnd(filter: Filter | undefined): boolean {
  if (filter === undefined) return false;
  if (filter.kind === 'and' || filter.kind === 'or') return filter.filters.some(looksAtOneEnd);
  if (filter.kind === 'not') return looksAtOneEnd(filter.filter);
  const { name } = filter.field;
  const ofBoth = /^(source_|dest_(?!domains)|proto$|cluster$|@timestamp$|start_time$|end_time$)/;
  return !ofBoth.test(name);
}

/** The source's report where it is a pod's, else the destination's; between hosts the source's. */
function isTheOneReport({ reporter, source_type, dest_type }: StoredRecord): boolean {
  const [from, to] = [texts(source_type), texts(dest_type)].map((types) => (type: string) => types.includes(type));
  if (from === undefined || to === undefined) return false;
  if (texts(reporter).includes('src') && (from('wep') || !to('wep'))) return true;
  return texts(reporter).includes('dst') && !from('wep') && (to('wep') || !from('hep'));
}

function isMeasured({ types, metric }: LogAggregation, record: StoredRecord): boolean {
  if (metric === 'denies') return record.action === 'deny';
  const isAudit = types[0]?.group === 'audit';
  return !isAudit || metric !== 'requests' || ['ResponseComplete', 'Panic'].includes(String(record.stage));
}

function measured({ types, metric }: LogAggregation, record: StoredRecord): number {
  const sum = (...names: string[]) => names.reduce((total, name) => total + Number(record[name] ?? 0), 0);
  if (metric === 'bytes') return sum('bytes_in', 'bytes_out');
  if (metric === 'packets') return sum('packets_in', 'packets_out');
  if (metric === 'flows' || metric === 'denies') return sum('num_flows_started');
  return types[0]?.name === 'dns' && metric === 'requests' ? sum('count') : 1;
}

function groupsOf({ by, types }: LogAggregation, record: StoredRecord): (string | number)[][] {
  const isFlow = types[0]?.name === 'flows';
  const at = (...names: string[]) => product(names.map((name) => valuesAt(record, name)));
  const named = (keys: (string | number)[][]) => keys.filter((key) => !['-', ''].includes(String(key.at(-1))));
  switch (by) {
    case 'namespace':
      if (isFlow) return named([...at('source_namespace'), ...at('dest_namespace')]);
      return named(types[0]?.name === 'dns' ? at('client_namespace') : at('objectRef.namespace'));
    case 'pod':
      if (!isFlow) return named(at('client_namespace', 'client_name_aggr'));
      return named([...at('source_namespace', 'source_name_aggr'), ...at('dest_namespace', 'dest_name_aggr')]);
    case 'service':
      return named(at('dest_service_namespace', 'dest_service_name'));
    case 'port':
      return at('proto', 'dest_port').flatMap(([proto = '', port]) => (port === '-' ? [] : [[proto, Number(port)]]));
    case 'policy':
      return valuesAt(record, 'policies.enforced_policies')
        .map((hit) => hit.split('|'))
        .filter(([, , name = '', action = '', , ...more]) => {
          return !name.includes('staged:') && ['allow', 'deny'].includes(action) && more.length === 0;
        })
        .map(([, tier = '', name = '', action = '']) => [tier, name, action]);
    case 'qname':
      return named(at('qname'));
    case 'user':
      return named(at('user.username'));
  }
}

function product(lists: readonly string[][]): (string | number)[][] {
  return lists.reduce<string[][]>((keys, list) => keys.flatMap((key) => list.map((value) => [...key, value])), [[]]);
}

function valuesAt(record: StoredRecord, path: string): string[] {
  const value = path.split('.').reduce<unknown>((inner, name) => (inner as StoredRecord | undefined)?.[name], record);
  return texts(value);
}

function texts(value: unknown): string[] {
  return [value]
    .flat()
    .filter((one) => one !== null && one !== undefined)
    .map(String);
}
