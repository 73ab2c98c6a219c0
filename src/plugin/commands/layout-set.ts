import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { LAYOUT_NAMES, type Layout } from '../../logs/store/elasticsearch/layout.ts';
import { dayAfter } from '../../logs/store/retention.ts';
import { fingerprintOf, parseStatus } from '../../logs/store/store-config.ts';
import { DEFAULT_SETTINGS, formatLayout, parseHistory, parseLayout } from '../../logs/store/store-settings.ts';
import { defineCommand, type Io } from '../command.ts';
import { connect } from '../connect.ts';
import { printable } from '../print.ts';
import { CHANGE_FLAGS, readStoreConfig, writeStoreConfig } from '../store-config.ts';

/** Milliseconds for a manager to say what it makes of it. */
const PATIENCE = 30_000;
const POLL = 250;

/** `layout set`: which indices logs are to be stored in. */
export const command = defineCommand({
  args: ['LAYOUT'],
  completes: [LAYOUT_NAMES],
  description: `
Store logs in another layout (${LAYOUT_NAMES.join(' or ')}), or under another prefix, from the records of the day after
tomorrow (UTC) on: by then everyone who writes knows of it. What is stored stays where it is and is read as before.

The manager refuses what would need more shards than Elasticsearch takes (cluster.max_shards_per_node), and says what to
choose instead; then nothing is changed.`,
  examples: `
# One index a day for all clusters, in 6 primary shards
kubectl mcm layout set shared --shards 6

# Back, before it has begun or later
kubectl mcm layout set per-cluster`,
  flags: {
    prefix: {
      type: 'string',
      value: 'PREFIX',
      description:
        'What the names of indices begin with: lower-case letters, digits and _, with _ at the end. As it is today if not set.',
    },
    shards: {
      type: 'string',
      value: 'COUNT',
      description: 'Primary shards of each index that clusters share. As it is today if not set.',
    },
    ...CHANGE_FLAGS,
  },
  run: async ({ args: [layout = ''], flags, global, io }) => {
    const client = connect(global, io);
    const config = await readStoreConfig(client, io.signal);
    const today = layoutOfToday(config.data?.history, io.now());
    const text = layoutText(layout, flags.prefix ?? today.prefix, flags.shards ?? String(today.shards));
    await writeStoreConfig(client, config, 'layout', text, flags, io);
    if (flags['dry-run'] !== 'none') return 0;
    const answer = await answerOf(client, io);
    if (answer === undefined) {
      io.err.write('warning: no manager has answered yet; see later what it makes of it: kubectl mcm layout\n');
      return 0;
    }
    if (answer.refused.length > 0) {
      const now = await readStoreConfig(client, io.signal);
      await writeStoreConfig(client, now, 'layout', config.data?.layout, { ...flags, output: undefined }, io);
      throw new UserError(`error: the manager refuses it: ${answer.refused.map(printable).join('; ')}`);
    }
    if (answer.from !== undefined) io.err.write(`From ${answer.from} on (UTC), records are stored so.\n`);
    return 0;
  },
});

/** Today's, and not one that is to come: with what is not said otherwise, that is taken back. */
function layoutOfToday(history: string | undefined, now: number): Layout {
  const layouts = history === undefined ? DEFAULT_SETTINGS.layouts : parseHistory(history);
  return layouts.of(dayAfter(now, 0));
}

function layoutText(layout: string, prefix: string, shards: string): string {
  const text = formatLayout({
    layout: layout as 'shared',
    prefix,
    shards: /^\d{1,4}$/.test(shards) ? Number(shards) : 0,
  });
  try {
    parseLayout(text);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`error: ${error.message}`);
  }
  return text;
}

interface ManagerAnswer {
  readonly refused: readonly string[];
  /** The day from which the newest layout is in force, where there was another one before. */
  readonly from: string | undefined;
}

/** What the manager says of the ConfigMap as it is; undefined where it says nothing. */
async function answerOf(client: KubeClient, io: Io): Promise<ManagerAnswer | undefined> {
  const deadline = io.now() + PATIENCE;
  while (io.now() < deadline) {
    const { data = {} } = await readStoreConfig(client, io.signal);
    const status = parseStatus(data.status);
    if (status?.answers === fingerprintOf(data)) {
      const from = data.history === undefined ? '' : (parseHistory(data.history).periods.at(-1)?.from ?? '');
      return { refused: status.refused, from: from === '' ? undefined : from };
    }
    await sleep(POLL, undefined, { signal: io.signal });
  }
  return undefined;
}
