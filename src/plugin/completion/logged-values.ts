import { KubeClient } from '../../kube/client.ts';
import { loadKubeContext } from '../../kube/kubeconfig.ts';
import { metricWords } from '../../logs/query/aggregation.ts';
import type { TopItem } from '../../logs/query/log-top.ts';
import { GROUP_WORDS, type GroupWord, isGiven } from '../../logs/types/grouping.ts';
import { LOG_TYPES } from '../../logs/types/index.ts';
import { type LogType, namespaced } from '../../logs/types/log-type.ts';
import { untilAborted } from '../../until-aborted.ts';
import type { Io } from '../command.ts';
import { typesOf } from '../logs/asked-logs.ts';
import { chosenClusters } from '../logs/chosen-clusters.ts';
import { groupsOf, LogReads } from '../logs/log-reads.ts';
import { newTurns } from '../logs/shown-logs.ts';
import { printable } from '../print.ts';
import type { Candidate } from './candidate.ts';
import { PATIENCE } from './known-clusters.ts';
import type { ValueOptions } from './values.ts';

/** Milliseconds back from now that are looked through. */
const LOOK_BACK = 3_600_000;

/** Names that are offered, those of which most is logged. */
const MOST = 100;

/** What logs of the last hour name, as the flag for it takes it. @throws Error where nobody has said so within a second */
export async function loggedValues(by: GroupWord, options: ValueOptions, io: Omit<Io, 'signal'>): Promise<Candidate[]> {
  return candidatesOf((await loggedItems(by, options, io)).map((item) => flagValue(by, item)));
}

/** What they have in a field. @throws Error, as loggedValues */
export async function loggedInField(
  field: string,
  options: ValueOptions,
  io: Omit<Io, 'signal'>,
): Promise<Candidate[]> {
  const found = membersOf(field, options.given.type?.at(-1));
  if (found === undefined) return [];
  const items = await loggedItems(found.by, options, io);
  return candidatesOf(items.map(({ group }) => String(group[found.member] ?? '')));
}

/** A word and the member of its groups that is what records have in the field; undefined where they are not grouped by it. */
function membersOf(field: string, words = 'flow'): { readonly by: GroupWord; readonly member: string } | undefined {
  const [type] = typesOf(words);
  for (const by of GROUP_WORDS) {
    const { keys = [], members = [] } = type?.groupings?.[by] ?? {};
    const key = keys.find((fields) => fields.includes(field));
    const member = key?.length === members.length ? members[key.indexOf(field)] : undefined;
    if (member !== undefined) return { by, member };
  }
  return undefined;
}

function candidatesOf(names: readonly string[]): Candidate[] {
  const offered = names.filter((name) => name !== '' && name === printable(name));
  return [...new Set(offered)].map((value) => ({ value }));
}

/** The largest groups of what the caller may read, of the clusters and the type that the line says. */
async function loggedItems(
  by: GroupWord,
  { global, given }: ValueOptions,
  { env, now }: Omit<Io, 'signal'>,
): Promise<readonly TopItem[]> {
  const client = new KubeClient(loadKubeContext(global().kube, env), { timeout: PATIENCE });
  const signal = AbortSignal.timeout(PATIENCE);
  const reads = new LogReads({ client, turns: newTurns(), signal });
  const read = async () => {
    const flags = {
      cluster: given.cluster ?? [],
      selector: given.selector?.at(-1),
      'all-clusters': given['all-clusters']?.at(-1) === 'true',
    };
    const groups = groupsOf(await chosenClusters(client, flags, signal));
    const range = { since: now() - LOOK_BACK, until: undefined, filter: undefined };
    const found = typesFor(by, given.type?.at(-1)).flatMap((type) => {
      const [metric = 'records'] = metricWords([type]);
      return groups.map((clusters) => reads.top({ clusters, type, parameters: { ...range, by, metric, limit: MOST } }));
    });
    return (await Promise.all(found)).flatMap(({ answer }) => answer?.items ?? []);
  };
  // Also where it is a plugin for credentials that does not answer.
  return await untilAborted(read(), signal);
}

/** Those that the line names, or without one flows; where these do not have such a thing, the types that do. */
function typesFor(by: GroupWord, words: string | undefined): readonly LogType[] {
  const isAble = ({ groupings }: LogType) => groupings?.[by] !== undefined;
  const named = typesOf(words ?? 'flow').filter(isAble);
  return named.length > 0 || words !== undefined ? named : LOG_TYPES.filter(isAble);
}

/** A group as the flag for it takes it; '' for one that it cannot take. */
function flagValue(by: GroupWord, { group }: TopItem): string {
  const { namespace, pod, service, tier } = group;
  switch (by) {
    case 'pod':
      // Flags take the beginnings of names.
      return isGiven(namespace) ? namespaced(namespace, String(pod).replace(/\*$/, '')) : '';
    case 'service':
      return namespaced(namespace, service);
    case 'policy':
      return tier === '__PROFILE__' ? '' : String(group.policy ?? '');
    default:
      return String(group[by] ?? '');
  }
}
