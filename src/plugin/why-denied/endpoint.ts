import { isIP } from 'node:net';
import { UserError } from '../../errors.ts';
import { equalValue, setValue, ValueError } from '../../logs/query/field-value.ts';
import { allOf, anyOf, type Filter, match } from '../../logs/query/filter.ts';
import type { Field, Fields } from '../../logs/types/field.ts';

/** One end of a connection, as somebody names it. */
export type Endpoint =
  /** A pod, or all whose names begin so; a host or a network set by its own name. */
  | { readonly kind: 'named'; readonly namespace: string; readonly name: string }
  /** An address, or a network of them. */
  | { readonly kind: 'network'; readonly network: string };

export interface Destination {
  readonly endpoint: Endpoint;
  readonly port: number | undefined;
}

/** What flow logs call addresses that are in no cluster, in no namespace. */
const OUTSIDE: Readonly<Record<string, string>> = { public: 'pub', private: 'pvt' };

const FORMS = 'NAMESPACE/POD (or how its name begins), an IP address, a network (10.0.0.0/8), public or private';

/** `store/frontend`, `store/frontend-754cdbf884-*`, `10.1.4.7`, `10.0.0.0/8`, `public`. @throws UserError */
export function parseEndpoint(text: string): Endpoint {
  const outside = OUTSIDE[text];
  if (outside !== undefined) return { kind: 'named', namespace: '-', name: outside };
  const [first = '', second, ...more] = text.split('/');
  if (isIP(first) !== 0 && more.length === 0) return { kind: 'network', network: text };
  if (first === '' || second === undefined || second === '' || more.length > 0 || /[\s:]/.test(text)) {
    throw new UserError(`error: "${text}" names no end of a connection`, { hint: `It can be ${FORMS}` });
  }
  return { kind: 'named', namespace: first, name: second };
}

/** The same with `:PORT` behind it or not; an IPv6 address that has one is in brackets. @throws UserError */
export function parseDestination(text: string): Destination {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|(.*?))(?::(\d+))?$/.exec(text) ?? [];
  if (bracketed === undefined && isIP(text.split('/')[0] ?? '') === 6) {
    return { endpoint: parseEndpoint(text), port: undefined };
  }
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65_535)) {
    throw new UserError(`error: "${text}" has no port: one is a number from 1 to 65535`);
  }
  return { endpoint: parseEndpoint(bracketed ?? plain ?? ''), port };
}

/** As it is written. */
export function endpointWords(endpoint: Endpoint): string {
  if (endpoint.kind === 'network') return endpoint.network;
  const outside = Object.entries(OUTSIDE).find(([, name]) => endpoint.namespace === '-' && name === endpoint.name);
  return outside?.[0] ?? `${endpoint.namespace}/${endpoint.name}`;
}

/** Flows between two ends, and to a port. @throws UserError for a network that is none */
export function flowsBetween(fields: Fields, source: Endpoint, { endpoint, port }: Destination): Filter {
  const toPort = port === undefined ? undefined : match(named(fields, 'dest_port'), [{ kind: 'exact', value: port }]);
  const filter = allOf([isAt(fields, 'source', source), isAt(fields, 'dest', endpoint), toPort]);
  if (filter === undefined) throw new Error('two ends ask for nothing');
  return filter;
}

function isAt(fields: Fields, end: 'source' | 'dest', endpoint: Endpoint): Filter {
  if (endpoint.kind === 'network') {
    const field = named(fields, `${end}_ip`);
    return match(field, [checked(() => equalValue(field, endpoint.network))]);
  }
  const namespace = named(fields, `${end}_namespace`);
  const name = named(fields, `${end}_name`);
  const together = named(fields, `${end}_name_aggr`);
  const beginning = (field: Field) => match(field, [checked(() => setValue(field, `${endpoint.name}*`))]);
  const names = [beginning(name), beginning(together)];
  const counted = countedAs(endpoint.name);
  if (counted !== undefined) {
    const isCounted = match(together, [{ kind: 'exact', value: counted }]);
    names.push(allOf([match(name, [{ kind: 'exact', value: '-' }]), isCounted]) ?? isCounted);
  }
  const place = match(namespace, [{ kind: 'exact', value: endpoint.namespace }]);
  return allOf([place, anyOf(names)]) ?? place;
}

/**
 * What a pod is counted as where records are aggregated: `frontend-754cdbf884-*` for `frontend-754cdbf884-x2v4q`, and
 * nothing for what does not end as the names of pods do (five of the letters that Kubernetes takes, or a number).
 */
function countedAs(name: string): string | undefined {
  const [, beginning] = /^(.*-)(?:[bcdfghjklmnpqrstvwxz2456789]{5}|\d+)$/.exec(name) ?? [];
  return beginning === undefined ? undefined : `${beginning}*`;
}

function checked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof ValueError ? new UserError(`error: ${error.message}`) : error;
  }
}

function named(fields: Fields, name: string): Field {
  const field = fields.find(name);
  if (field === undefined) throw new Error(`flow logs have no field ${name}`);
  return field;
}
