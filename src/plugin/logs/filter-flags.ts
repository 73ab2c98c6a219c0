import { UserError } from '../../errors.ts';
import { equalValue, setValue, ValueError } from '../../logs/query/field-value.ts';
import { allOf, anyOf, type Filter, match, not } from '../../logs/query/filter.ts';
import { policyPatterns, STAGED_POLICIES } from '../../logs/query/policy-patterns.ts';
import { Fields } from '../../logs/types/field.ts';
import { LOG_TYPES } from '../../logs/types/index.ts';
import type { Aspect, EndFields, LogType } from '../../logs/types/log-type.ts';
import type { Completes, FlagSpec, FlagSpecs } from '../command.ts';
import { negation } from '../parse.ts';

/** What a flag's value asks of the records of a type; undefined where these have no such thing. */
type Ask = (type: LogType, value: string) => Filter | undefined;

interface FilterFlag {
  readonly spec: FlagSpec;
  readonly ask: Ask;
}

/** As Calico writes them, whose case is of its own. */
const RCODES = [
  ...['NoError', 'FormErr', 'ServFail', 'NXDomain', 'NotImp', 'Refused', 'YXDomain', 'YXRRSet', 'NXRRSet', 'NotAuth'],
  ...['NotZone', 'BADSIG', 'BADKEY', 'BADTIME', 'BADMODE', 'BADNAME', 'BADALG', 'BADTRUNC', 'BADCOOKIE'],
];

/** What shells offer for these values: what is in the logs. */
const LOGGED: Readonly<Record<string, Completes>> = {
  NAMESPACE: 'logged-namespace',
  '[NAMESPACE/]POD': 'logged-pod',
  '[NAMESPACE/]SERVICE': 'logged-service',
  '[NAMESPACE/|TIER.]POLICY': 'logged-policy',
  PORT: 'logged-port',
  USER: 'logged-user',
};

const NAME_WORDS = '* and ? stand for any text and any character';

/** The flags that say which records to show. */
const FLAGS: Readonly<Record<string, FilterFlag>> = {
  namespace: {
    spec: { ...strings('NAMESPACE', 'Only what is from or to this namespace, or about an object in it.'), short: 'n' },
    ask: (type, value) => either(type, value, inNamespace) ?? aspect(type, 'namespace', () => value),
  },
  'from-namespace': {
    spec: strings('NAMESPACE', 'Only what is from this namespace.'),
    ask: (type, value) => one(type.ends?.from, (end) => inNamespace(type, end, value)),
  },
  'to-namespace': {
    spec: strings('NAMESPACE', 'Only what is to this namespace; of DNS logs, of the server.'),
    ask: (type, value) => one(type.ends?.to, (end) => inNamespace(type, end, value)),
  },
  pod: {
    spec: strings('[NAMESPACE/]POD', `Only what is from or to pods whose names begin so; ${NAME_WORDS}.`),
    ask: (type, value) => either(type, value, isPod),
  },
  'from-pod': {
    spec: strings('[NAMESPACE/]POD', 'Only what is from pods whose names begin so.'),
    ask: (type, value) => one(type.ends?.from, (end) => isPod(type, end, value)),
  },
  'to-pod': {
    spec: strings('[NAMESPACE/]POD', 'Only what is to pods whose names begin so.'),
    ask: (type, value) => one(type.ends?.to, (end) => isPod(type, end, value)),
  },
  label: {
    spec: strings('KEY[=VALUE]', 'Only what is from or to pods with this label; aggregated records have none.'),
    ask: (type, value) => either(type, value, hasLabel),
  },
  'from-label': {
    spec: strings('KEY[=VALUE]', 'Only what is from pods with this label.'),
    ask: (type, value) => one(type.ends?.from, (end) => hasLabel(type, end, value)),
  },
  'to-label': {
    spec: strings('KEY[=VALUE]', 'Only what is to pods with this label.'),
    ask: (type, value) => one(type.ends?.to, (end) => hasLabel(type, end, value)),
  },
  ip: {
    spec: strings('IP|CIDR', 'Only what is from or to this address, or one of this network.'),
    ask: (type, value) => either(type, value, hasAddress),
  },
  'from-ip': {
    spec: strings('IP|CIDR', 'Only what is from this address, or one of this network.'),
    ask: (type, value) => one(type.ends?.from, (end) => hasAddress(type, end, value)),
  },
  'to-ip': {
    spec: strings('IP|CIDR', 'Only what is to this address, or one of this network.'),
    ask: (type, value) => one(type.ends?.to, (end) => hasAddress(type, end, value)),
  },
  port: ofAspect('port', 'PORT', 'Only what is to this port.', (value) => value),
  protocol: completing(
    ['tcp', 'udp', 'icmp', 'icmp6', 'sctp', 'http', 'tls'],
    ofAspect('protocol', 'PROTOCOL', 'Only this protocol (tcp, udp, icmp).', lowerCase),
  ),
  service: {
    spec: strings('[NAMESPACE/]SERVICE', 'Only what is to this service.'),
    ask: isService,
  },
  policy: {
    spec: strings(
      '[NAMESPACE/|TIER.]POLICY',
      `Only flows that this policy was looked at for, enforced or staged; ${NAME_WORDS}.`,
    ),
    ask: (type, value) => inPolicies(type, policyPatterns(value)),
  },
  reporter: ofAspect(
    'reporter',
    'src|dst',
    'Only what this end reported: most flows are reported by both.',
    oneOf('src', 'dst', 'fwd'),
  ),
  action: withAlias(
    'verdict',
    ofAspect('action', 'allow|deny|pass', 'Only what policy decided so.', oneOf('allow', 'deny', 'pass')),
  ),
  staged: {
    spec: { type: 'boolean', description: 'Only flows that a staged policy was looked at for.', negatable: true },
    ask: (type) => inPolicies(type, [STAGED_POLICIES]),
  },
  qname: completing(
    'logged-qname',
    ofAspect('qname', 'NAME', `Only queries for this name; ${NAME_WORDS}.`, (value) => value),
  ),
  qtype: completing(
    ['A', 'AAAA', 'SRV', 'PTR', 'CNAME', 'TXT', 'MX', 'NS', 'SOA'],
    ofAspect('qtype', 'TYPE', 'Only queries of this type (A, AAAA, SRV).', (value) => value.toUpperCase()),
  ),
  rcode: completing(
    RCODES,
    ofAspect('rcode', 'CODE', 'Only these answers (NoError, NXDomain, ServFail), in either case.', rcode),
  ),
  user: ofAspect(
    'user',
    'USER',
    `Only what this user did; ${NAME_WORDS}. (The kubeconfig's user is --kube-user here.)`,
    (value) => value,
  ),
  verb: completing(
    ['create', 'update', 'patch', 'delete', 'deletecollection', 'get', 'list', 'watch'],
    ofAspect('verb', 'VERB', 'Only these requests (create, update, patch, delete).', lowerCase),
  ),
  resource: ofAspect('resource', 'RESOURCE', 'Only what was done to these (networkpolicies).', (value) => value),
  name: ofAspect('name', 'NAME', `Only what was done to objects of this name; ${NAME_WORDS}.`, (value) => value),
};

/** As the command declares them. */
export const FILTER_FLAGS: FlagSpecs = Object.fromEntries(
  Object.entries(FLAGS).map(([name, { spec }]) => [name, spec]),
);

/**
 * What the flags ask of records of a type: any of the values of one flag, and all of the flags.
 * @throws UserError for a flag that these records have nothing for, or a value that is none.
 */
export function filterOfFlags(flags: Readonly<Record<string, unknown>>, type: LogType): Filter | undefined {
  return allOf(
    Object.entries(FLAGS).flatMap(([name, { ask }]) => {
      const asked = askedFor(flags[name], (value) => applied(name, ask, type, value));
      const excluded = askedFor(flags[negation(name)], (value) => applied(name, ask, type, value));
      return [asked, excluded === undefined ? undefined : not(excluded)];
    }),
  );
}

function askedFor(given: unknown, ask: (value: string) => Filter): Filter | undefined {
  if (given === true) return ask('');
  const values = Array.isArray(given) ? (given as readonly string[]) : [];
  return values.length === 0 ? undefined : merged(values.map(ask));
}

/** Any of these; several values of one field are one set. */
function merged(filters: readonly Filter[]): Filter {
  const [first] = filters;
  const isOneField = filters.every(
    (filter) => filter.kind === 'match' && first?.kind === 'match' && filter.field.name === first.field.name,
  );
  if (!isOneField || first?.kind !== 'match') return anyOf(filters);
  return match(
    first.field,
    filters.flatMap((filter) => (filter.kind === 'match' ? filter.values : [])),
  );
}

function applied(name: string, ask: Ask, type: LogType, value: string): Filter {
  try {
    const filter = ask(type, value);
    if (filter !== undefined) return filter;
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new UserError(`error: invalid argument "${value}" for "--${name}" flag: ${error.message}`);
  }
  const others = LOG_TYPES.filter((other) => isApplicable(ask, other)).map(({ label }) => label);
  throw new UserError(`error: --${name} asks for nothing that ${type.label} logs have`, {
    hint: `It does of these: kubectl mcm logs --type ${others.join(',')}`,
  });
}

/** Whether records of a type have what a flag asks for, whatever its value. */
function isApplicable(ask: Ask, type: LogType): boolean {
  try {
    return ask(type, '0') !== undefined;
  } catch (error) {
    if (error instanceof ValueError) return true;
    throw error;
  }
}

function strings(value: string, description: string): FlagSpec {
  const completes = LOGGED[value];
  return { type: 'strings', value, description, negatable: true, ...(completes === undefined ? {} : { completes }) };
}

function ofAspect(which: Aspect, value: string, description: string, spelled: (value: string) => string): FilterFlag {
  return { spec: strings(value, description), ask: (type, given) => aspect(type, which, () => spelled(given)) };
}

function withAlias(alias: string, { spec, ask }: FilterFlag): FilterFlag {
  return { spec: { ...spec, alias }, ask };
}

function completing(completes: Completes, { spec, ask }: FilterFlag): FilterFlag {
  return { spec: { ...spec, completes }, ask };
}

function lowerCase(value: string): string {
  return value.toLowerCase();
}

/** Of words that are known: any other would find nothing, and nobody would know why. */
function oneOf(...words: readonly string[]): (value: string) => string {
  return (value) => {
    const word = lowerCase(value);
    if (words.includes(word) || /[*?]/.test(word)) return word;
    throw new ValueError(`must be one of ${words.join(', ')}`);
  };
}

function rcode(value: string): string {
  return RCODES.find((code) => code.toLowerCase() === value.toLowerCase()) ?? value;
}

function aspect(type: LogType, which: Aspect, value: () => string): Filter | undefined {
  return one(type.aspects?.[which], (name) => isLike(type, name, value()));
}

type OfEnd = (type: LogType, end: EndFields, value: string) => Filter | undefined;

/** Of either end, where both have it. */
function either(type: LogType, value: string, ofEnd: OfEnd): Filter | undefined {
  if (type.ends === undefined) return undefined;
  const [from, to] = [type.ends.from, type.ends.to].map((end) => ofEnd(type, end, value));
  return from === undefined || to === undefined ? undefined : anyOf([from, to]);
}

function inNamespace(type: LogType, { namespace }: EndFields, value: string): Filter {
  return isLike(type, namespace, value);
}

function isPod(type: LogType, { namespace, names }: EndFields, value: string): Filter | undefined {
  const slash = value.indexOf('/');
  const beginning = `${value.slice(slash + 1)}*`;
  const pod = anyOf(names.map((name) => isLike(type, name, beginning)));
  return slash === -1 ? pod : allOf([isLike(type, namespace, value.slice(0, slash)), pod]);
}

function hasLabel(type: LogType, { labels }: EndFields, value: string): Filter | undefined {
  return one(labels, (name) => isLike(type, name, value.includes('=') ? value : `${value}=*`));
}

function hasAddress(type: LogType, { ip }: EndFields, value: string): Filter | undefined {
  return one(ip, (name) => match(fieldOf(type, name), [equalValue(fieldOf(type, name), value)]));
}

function isService(type: LogType, value: string): Filter | undefined {
  const slash = value.indexOf('/');
  const service = aspect(type, 'service', () => value.slice(slash + 1));
  if (service === undefined || slash === -1) return service;
  return allOf([aspect(type, 'serviceNamespace', () => value.slice(0, slash)), service]);
}

function inPolicies(type: LogType, patterns: readonly string[]): Filter | undefined {
  return one(type.policies, (lists) =>
    anyOf(
      lists.map((name) => {
        const field = fieldOf(type, name);
        return match(
          field,
          patterns.map((pattern) => setValue(field, pattern)),
        );
      }),
    ),
  );
}

/** Equal, or like it where the value has wildcards. */
function isLike(type: LogType, name: string, value: string): Filter {
  const field = fieldOf(type, name);
  return match(field, [setValue(field, value)]);
}

function one<T>(what: T | undefined, ask: (what: T) => Filter | undefined): Filter | undefined {
  return what === undefined ? undefined : ask(what);
}

function fieldOf(type: LogType, name: string) {
  const field = Fields.of([type]).find(name);
  if (field === undefined) throw new Error(`${type.name} has no field ${name}`);
  return field;
}
