import { isClusterName, MANAGEMENT_CLUSTER } from '../../clusters/managed-cluster.ts';
import { messageOf, UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import {
  DEAD_LETTERS,
  type KeptDays,
  type KeptName,
  MOST_DAYS,
  oldestOpenDay,
  Retention,
} from '../../logs/store/retention.ts';
import { formatRetention, parseRetention } from '../../logs/store/store-settings.ts';
import { SELECTOR_WORDS, selectLogTypes } from '../../logs/types/index.ts';
import type { DayItem } from '../../manager/stored-days.ts';
import { defineCommand, type Io } from '../command.ts';
import { connect } from '../connect.ts';
import { CHANGE_FLAGS, readStoreConfig, writeStoreConfig } from '../store-config.ts';
import { humanBytes, readDays, wordOf } from '../stored-days.ts';

/** `retention set`: how long logs are to be kept. */
export const command = defineCommand({
  args: [],
  description: `
Keep logs of a type for so many days, those of all clusters or of one. A cluster's own number wins over that of all.

Where it makes days go, they are closed at once and deleted six hours later; until then it can be taken back. How much
that is, is said, also by a dry run. In the shared layout an index is kept for the longest time that any cluster has.

It changes the text "retention" of the ConfigMap kubectl-mcm/logs, and every manager takes it from there.`,
  examples: `
# Flows of all clusters for 30 days
kubectl mcm retention set --type flow --days 30

# What would go, if those of one cluster were kept for 3 days?
kubectl mcm retention set --type flow --days 3 --cluster prod-eu --dry-run=server

# As all other clusters have it
kubectl mcm retention set --type flow --days default --cluster prod-eu`,
  flags: {
    type: {
      type: 'string',
      value: 'TYPE',
      completes: 'log-types',
      required: true,
      description: `Log type: ${SELECTOR_WORDS.join(', ')}, or dead-letters for what was set aside.`,
    },
    days: {
      type: 'string',
      value: 'DAYS',
      required: true,
      description: `From 1 to ${MOST_DAYS}, or "default".`,
    },
    cluster: { type: 'string', value: 'NAME', completes: 'clusters', description: 'Only for this cluster.' },
    ...CHANGE_FLAGS,
  },
  run: async ({ flags, global, io }) => {
    const names = keptNames(flags.type);
    const days = daysOf(flags.days);
    const { cluster } = flags;
    if (cluster !== undefined && !isClusterName(cluster) && cluster !== MANAGEMENT_CLUSTER) {
      throw new UserError(`error: invalid argument "${cluster}" for "--cluster" flag: not a cluster's name`);
    }
    const client = connect(global, io);
    const config = await readStoreConfig(client, io.signal);
    const before = current(config.data?.retention);
    const next = names.reduce((retention, name) => withDays(retention, name, cluster, days), before);
    await tellWhatGoes(client, before, next, names, io);
    await writeStoreConfig(client, config, 'retention', formatRetention(next), flags, io);
    return 0;
  },
});

function keptNames(word: string): readonly KeptName[] {
  if (word === wordOf(DEAD_LETTERS)) return [DEAD_LETTERS];
  const types = selectLogTypes(word);
  if (types !== undefined) return types.map(({ name }) => name);
  const words = [...SELECTOR_WORDS, wordOf(DEAD_LETTERS)].join(', ');
  throw new UserError(`error: invalid argument "${word}" for "--type" flag: must be one of ${words}`);
}

/** undefined for the default. */
function daysOf(text: string): number | undefined {
  if (text === 'default') return undefined;
  const days = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (days >= 1 && days <= MOST_DAYS) return days;
  const form = `must be a number of days from 1 to ${MOST_DAYS}, or "default"`;
  throw new UserError(`error: invalid argument "${text}" for "--days" flag: ${form}`);
}

function current(text: string | undefined): Retention {
  try {
    return text === undefined ? new Retention() : parseRetention(text);
  } catch (error) {
    throw new UserError(`error: configmap/logs is not in order: ${messageOf(error)}`, {
      hint: 'kubectl edit configmap logs -n kubectl-mcm',
    });
  }
}

function withDays(
  { types, clusters }: Retention,
  name: KeptName,
  cluster: string | undefined,
  days: number | undefined,
): Retention {
  const changed = (of: KeptDays): KeptDays =>
    new Map([...[...of].filter(([other]) => other !== name), ...(days === undefined ? [] : [[name, days] as const])]);
  if (cluster === undefined) return new Retention(changed(types), clusters);
  return new Retention(types, new Map([...clusters, [cluster, changed(clusters.get(cluster) ?? new Map())]]));
}

/** Only a help: without the right to see the days, or without a manager, the change can be made all the same. */
async function tellWhatGoes(
  client: KubeClient,
  before: Retention,
  next: Retention,
  names: readonly KeptName[],
  io: Io,
): Promise<void> {
  const days = await readDays(client, undefined, io.signal).catch(() => undefined);
  if (days === undefined) {
    io.err.write('warning: what goes by this is not known: the manager does not say what is stored\n');
    return;
  }
  const now = io.now();
  const goes = (retention: Retention, { type, cluster, day }: DayItem) => {
    const name = names.find((kept) => kept === type);
    if (name === undefined) return false;
    const kept = cluster === undefined ? retention.longestOf(name) : retention.daysOf(name, cluster);
    return day < oldestOpenDay(kept, now);
  };
  const going = days.filter((day) => goes(next, day) && !goes(before, day));
  if (going.length === 0) return;
  const size = humanBytes(going.reduce((sum, { bytes }) => sum + bytes, 0));
  const many = going.length === 1 ? '1 index' : `${going.length} indices`;
  io.err.write(`warning: ${many} (${size}) will be closed now and deleted in six hours\n`);
}
