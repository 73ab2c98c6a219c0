import { MANAGEMENT_CLUSTER } from '../../clusters/managed-cluster.ts';
import { kubeconfigFiles, mergeFiles } from '../../kube/kubeconfig.ts';
import { GROUP_WORDS, type GroupWord } from '../../logs/types/grouping.ts';
import { LOG_TYPES, SELECTOR_WORDS } from '../../logs/types/index.ts';
import type { Completes, GlobalOptions, Io, Thing } from '../command.ts';
import { type Candidate, type Completion, DIRECTIVES, NOTHING, words } from './candidate.ts';

/** What is known of the line in which a value is being typed. */
export interface ValueOptions {
  /** The value so far. */
  readonly typed: string;
  /** Only asked for where it is needed. @throws UserError */
  readonly global: () => GlobalOptions;
  readonly given: Readonly<Record<string, readonly string[]>>;
}

type Offer = (options: ValueOptions, io: Omit<Io, 'signal'>) => Completion | Promise<Completion>;

/** What logs name. */
const LOGGED = Object.fromEntries(
  GROUP_WORDS.map((by): [string, Offer] => [
    `logged-${by}`,
    async (options, io) =>
      words(await (await import('./logged-values.ts')).loggedValues(by, options, io), options.typed),
  ]),
) as Record<`logged-${GroupWord}`, Offer>;

const OFFERS: Readonly<Record<Thing, Offer>> = {
  clusters: async ({ typed, global }, io) =>
    listed(await (await import('./known-clusters.ts')).knownClusters(global(), io), typed),
  contexts: (options, io) => fromKubeconfig('contexts', options, io),
  directories: () => ({ candidates: [], directive: DIRECTIVES.directories }),
  durations: ({ typed }) => inOrder(DURATIONS, typed),
  files: () => ({ candidates: [], directive: DIRECTIVES.files }),
  'kube-clusters': (options, io) => fromKubeconfig('clusters', options, io),
  'kube-users': (options, io) => fromKubeconfig('users', options, io),
  ...LOGGED,
  'log-types': ({ typed }) => listed(TYPES, typed),
  'managed-clusters': async ({ typed, global }, io) => {
    const known = await (await import('./known-clusters.ts')).knownClusters(global(), io);
    const managed = known.filter(({ value }) => value !== MANAGEMENT_CLUSTER);
    return words(managed, typed);
  },
  queries: async (options, io) => {
    const { typed, given } = options;
    const { queryWords } = await import('./query-words.ts');
    const logged = async (field: string) =>
      await (await import('./logged-values.ts')).loggedInField(field, options, io);
    return inOrder(await queryWords(typed, given.type?.at(-1), logged), typed);
  },
  times: ({ typed }, io) => inOrder([...DURATIONS_BACK, ...daysBack(io.now())], typed),
};

/** Words for a value that is being typed. */
export async function valuesFor(
  completes: Completes | undefined,
  options: ValueOptions,
  io: Omit<Io, 'signal'>,
): Promise<Completion> {
  if (completes === undefined) return NOTHING;
  if (typeof completes === 'string') return await OFFERS[completes](options, io);
  return words(completes.map(withoutPlaceholder), options.typed);
}

/** `jsonpath=TEMPLATE` is offered as `jsonpath=`. */
function withoutPlaceholder(value: string): Candidate {
  const [, beginning = value] = /^(.*=)[A-Z]+$/.exec(value) ?? [];
  return { value: beginning };
}

const TYPES: readonly Candidate[] = SELECTOR_WORDS.map((value) => ({
  value,
  description: LOG_TYPES.find(({ label }) => label === value)?.description ?? 'all of these',
}));

const DURATIONS: readonly Candidate[] = [
  { value: '5m', description: 'five minutes' },
  { value: '15m', description: 'a quarter of an hour' },
  { value: '1h', description: 'an hour' },
  { value: '24h', description: 'a day' },
  { value: '7d', description: 'a week' },
];

const DURATIONS_BACK = DURATIONS.map(({ value, description }) => ({ value, description: `${description} ago` }));

function daysBack(now: number): Candidate[] {
  const dateOf = (days: number) => new Date(now - days * 86_400_000).toISOString().slice(0, 10);
  return [
    { value: dateOf(0), description: 'the beginning of today (UTC)' },
    { value: dateOf(1), description: 'the beginning of yesterday (UTC)' },
  ];
}

/** Several values may stand in one word, separated by commas; each is offered once. */
function listed(candidates: readonly Candidate[], typed: string): Completion {
  const before = typed.slice(0, typed.lastIndexOf(',') + 1);
  const chosen = before.split(',');
  const others = candidates.filter(({ value }) => !chosen.includes(value));
  return words(
    others.map(({ value, description }) => ({ value: `${before}${value}`, description })),
    typed,
  );
}

function inOrder(candidates: readonly Candidate[], typed: string): Completion {
  return { ...words(candidates, typed), directive: DIRECTIVES.wordsInOrder };
}

function fromKubeconfig(
  section: 'clusters' | 'contexts' | 'users',
  { typed, global }: ValueOptions,
  { env }: Omit<Io, 'signal'>,
): Completion {
  const names = mergeFiles(kubeconfigFiles(global().kube, env))[section].map(({ name }) => name);
  return words(
    names.map((value) => ({ value })),
    typed,
  );
}
