import { BlockList, isIP } from 'node:net';
import type { Filter, Match, Range, Scalar } from '../../src/logs/query/filter.ts';
import { parseTime } from '../../src/logs/record/time.ts';
import type { Field } from '../../src/logs/types/field.ts';
import type { StoredRecord } from '../../src/logs/types/log-type.ts';

/** Whether a record is found by a filter, as the filter's own words have it: what a store's answer is held against. */
export function holds(filter: Filter, record: StoredRecord): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.filters.every((inner) => holds(inner, record));
    case 'or':
      return filter.filters.some((inner) => holds(inner, record));
    case 'not':
      return !holds(filter.filter, record);
    case 'exists':
      return valuesOf(filter.field, record).length > 0;
    case 'match':
      return valuesOf(filter.field, record).some((value) => matches(filter, value));
    case 'range':
      return valuesOf(filter.field, record).some((value) => isWithin(filter, value));
  }
}

/** What a record has in a field, as the field's kind takes it; what the kind takes for nothing is left out. */
function valuesOf({ kind, path, stored }: Field, record: StoredRecord): Scalar[] {
  if (stored) return at(record, path).flatMap((value) => labelsIn(value));
  return at(record, path).flatMap((value): Scalar[] => {
    if (value === null || value === undefined) return [];
    switch (kind) {
      case 'ip':
        return isIP(String(value)) === 0 ? [] : [String(value)];
      case 'number':
        return Number.isFinite(Number(value)) && value !== '' ? [Math.trunc(Number(value))] : [];
      case 'date':
        return [parseTime(value) ?? []].flat();
      case 'boolean':
        return typeof value === 'boolean' ? [value] : [];
      default:
        return [String(value)];
    }
  });
}

/** Labels of a list or an object, whatever is in it. */
function labelsIn(value: unknown, key = ''): string[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap((item) => labelsIn(item, key));
  if (typeof value !== 'object') return [key === '' ? String(value) : `${key}=${value}`];
  return Object.entries(value).flatMap(([name, inner]) => labelsIn(inner, key === '' ? name : `${key}.${name}`));
}

function at(value: unknown, path: string): unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => at(item, path));
  if (path === '') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (path === key) return at(inner, '');
    return path.startsWith(`${key}.`) ? at(inner, path.slice(key.length + 1)) : [];
  });
}

function matches({ field, values }: Match, value: Scalar): boolean {
  return values.some((wanted) => {
    if (wanted.kind === 'wildcard') return regexOf(wanted.pattern.source).test(String(value));
    if (wanted.kind === 'network') return isInNetwork(String(value), wanted.network);
    if (field.kind === 'ip') return bytesOf(String(value)).equals(bytesOf(String(wanted.value)));
    if (field.kind !== 'text') return value === wanted.value;
    const there = wordsOf(value);
    const words = wordsOf(wanted.value);
    return words.length > 0 && words.every((word) => there.includes(word));
  });
}

function isWithin({ field, operator, value: bound }: Range, value: Scalar): boolean {
  const difference = compare(field, value, bound);
  switch (operator) {
    case '<':
      return difference < 0;
    case '<=':
      return difference <= 0;
    case '>':
      return difference > 0;
    case '>=':
      return difference >= 0;
  }
}

function compare({ kind }: Field, a: Scalar, b: Scalar): number {
  if (kind === 'number' || kind === 'date') return Number(a) - Number(b);
  const bytes = kind === 'ip' ? bytesOf : (text: string) => Buffer.from(text);
  return Buffer.compare(bytes(String(a)), bytes(String(b)));
}

function regexOf(pattern: string): RegExp {
  const source = pattern.replace(/\\(.)|[*?]|[.+^${}()|[\]\\/]/gsu, (part, escaped: string | undefined) => {
    if (part === '*') return '.*';
    if (part === '?') return '.';
    return (escaped ?? part).replace(/[.*+?^${}()|[\]\\/]/, '\\$&');
  });
  return new RegExp(`^${source}$`, 'su');
}

function wordsOf(value: Scalar): string[] {
  return String(value)
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}

/** IPv4 is in no network of IPv6 but those around `::ffff:0:0/96`, where Elasticsearch keeps it. */
function isInNetwork(address: string, network: string): boolean {
  const [base = '', bits = ''] = network.split('/');
  const list = new BlockList();
  const isMapped = isIP(address) === 4 && isIP(base) === 6;
  list.addSubnet(base, Number(bits), isIP(base) === 4 ? 'ipv4' : 'ipv6');
  return list.check(isMapped ? `::ffff:${address}` : address, isMapped || isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** Sixteen bytes, IPv4 as it stands in IPv6. */
function bytesOf(address: string): Buffer {
  const dotted = /\d+\.\d+\.\d+\.\d+$/.exec(address)?.[0];
  const tail = dotted?.split('.').map(Number) ?? [];
  if (dotted === address) return Buffer.from([...Array<number>(10).fill(0), 255, 255, ...tail]);
  const hex = address.slice(0, address.length - (dotted?.length ?? 0));
  const [left = [], right = []] = hex.split('::').map((half) =>
    half
      .split(':')
      .filter((group) => group !== '')
      .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]),
  );
  const end = [...right, ...tail];
  return Buffer.from([...left, ...Array<number>(16 - left.length - end.length).fill(0), ...end]);
}
