import { isIP, SocketAddress } from 'node:net';
import { parseTime } from '../record/time.ts';
import { ABILITIES, type Field, type FieldKind } from '../types/field.ts';
import type { MatchValue, Scalar } from './filter.ts';
import { MOST_WILDCARDS, Pattern } from './pattern.ts';

/** Why a text is no value of a field. */
export class ValueError extends Error {
  override readonly name = 'ValueError';
}

/** What `=` compares the field with. @throws ValueError */
export function equalValue(field: Field, text: string): MatchValue {
  checkLabel(field, text);
  if (field.kind === 'ip' && text.includes('/')) return { kind: 'network', network: networkOf(text) };
  return { kind: 'exact', value: scalarOf(field.kind, text) };
}

/** An item of a set, in which keywords may have wildcards. `*` by itself is any value, of any kind. @throws ValueError */
export function setValue(field: Field, text: string): MatchValue {
  checkLabel(field, text);
  const pattern = new Pattern(text);
  if (pattern.matchesAll) return { kind: 'wildcard', pattern };
  if (pattern.literal !== undefined) return equalValue(field, pattern.literal);
  if (!ABILITIES[field.kind].wildcards) {
    throw new ValueError(
      `wildcards do not work on ${field.name}, which is ${WORDS[field.kind]}${INSTEAD[field.kind] ?? ''}`,
    );
  }
  if (pattern.wildcards > MOST_WILDCARDS) {
    throw new ValueError(`${pattern.wildcards} wildcards in one pattern are too many: ${MOST_WILDCARDS} are the most`);
  }
  return { kind: 'wildcard', pattern };
}

/** What `<` and its like compare the field with. @throws ValueError */
export function rangeValue(field: Field, text: string): Scalar {
  if (!ABILITIES[field.kind].ordered) {
    throw new ValueError(`${field.name} is ${WORDS[field.kind]}, of which none is smaller or greater: use = or !=`);
  }
  return scalarOf(field.kind, text);
}

/** A value as text that is read as the same value. */
export function valueText(field: Field, value: Scalar): string {
  return field.kind === 'date' ? new Date(Number(value)).toISOString() : String(value);
}

/** As Kubernetes has it, up to the value. */
const LABEL_KEY = /^(?!.*\.\.[^=]*=)(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-\w.]*[A-Za-z0-9])?=/;

function checkLabel({ name, kind, stored }: Field, text: string): void {
  if (kind !== 'labels' || !stored || LABEL_KEY.test(text)) return;
  throw new ValueError(`${name} is searched by the whole key of a label, app=web or app=*: "${text}" has none`);
}

const WORDS: Readonly<Record<FieldKind, string>> = {
  keyword: 'a word',
  labels: 'a list of labels',
  attributes: 'a word',
  text: 'a text',
  ip: 'an IP address',
  date: 'a time',
  number: 'a number',
  boolean: 'true or false',
};

/** What to do where there are no wildcards. */
const INSTEAD: Readonly<Partial<Record<FieldKind, string>>> = {
  ip: ': a network is written as 10.0.0.0/8',
  date: ': compare it by < or >',
  number: ': compare it by < or >',
};

function scalarOf(kind: FieldKind, text: string): Scalar {
  switch (kind) {
    case 'number':
      return numberOf(text);
    case 'date':
      return timeOf(text);
    case 'ip':
      return addressOf(text);
    case 'boolean':
      if (text !== 'true' && text !== 'false') throw new ValueError(`"${text}" is neither true nor false`);
      return text === 'true';
    default:
      return text;
  }
}

function numberOf(text: string): number {
  const value = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) throw new ValueError(`"${text}" is not a number`);
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    throw new ValueError(`${text} is too far from zero: ${Number.MAX_SAFE_INTEGER} is the most`);
  }
  // There is no -0.
  return value + 0;
}

function timeOf(text: string): number {
  const time = parseTime(/^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text);
  if (time !== undefined) return time;
  throw new ValueError(`"${text}" is not a time: an RFC 3339 time, a date (UTC) or a number of seconds since 1970`);
}

/** In its one form, IPv4 in IPv6 as IPv4: Elasticsearch takes the two for the same. */
function addressOf(text: string): string {
  const family = isIP(text);
  if (family === 0 || text.includes('%')) throw new ValueError(`"${text}" is not an IP address`);
  const { address } = new SocketAddress({ address: text, family: family === 4 ? 'ipv4' : 'ipv6' });
  return address.replace(/^::ffff:(?=.*\.)/, '');
}

function networkOf(text: string): string {
  const [, given = '', bits = ''] = /^([^/]*)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(given);
  const address = family === 0 ? '' : addressOf(given);
  const isWhole = address !== '' && isIP(address) === family && Number(bits) <= (family === 4 ? 32 : 128);
  if (!isWhole) throw new ValueError(`"${text}" is not a network: 10.0.0.0/8 and 2001:db8::/32 are`);
  return `${address}/${Number(bits)}`;
}
