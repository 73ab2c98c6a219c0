import type { Client } from '@elastic/elasticsearch';
import { LOG_TYPES } from '../../types/index.ts';
import type { LogTypeName } from '../../types/log-type.ts';
import type { Retention } from '../retention.ts';
import type { CurrentSettings } from '../store-settings.ts';
import { unavailable } from './bulk.ts';
import type { Layout } from './layout.ts';
import { measureDays } from './stored-days.ts';

/** Today, and tomorrow that is created in the evening. */
const MORE_DAYS = 2;

/** What a fleet's logs need of Elasticsearch. */
export interface Fleet {
  readonly clusters: number;
  readonly types: readonly LogTypeName[];
  /** Of each shard: 2 where a second node has a replica. */
  readonly copies: number;
}

/** How many shards there are once every day that is kept has been filled under a layout. */
export function shardsNeeded({ layout, shards }: Layout, retention: Retention, fleet: Fleet): number {
  const perDay = layout === 'shared' ? shards : fleet.clusters;
  const days = fleet.types.reduce((sum, type) => sum + retention.longestOf(type) + MORE_DAYS, 0);
  return days * perDay * fleet.copies;
}

/**
 * Why a layout cannot be chosen for so many clusters, in words; undefined where it can. Elasticsearch creates no index
 * beyond `cluster.max_shards_per_node`: every log would stop. @throws StoreUnavailable
 */
export async function refuseLayout(
  client: Client,
  settings: CurrentSettings,
  layout: Layout,
  clusters: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const days = await measureDays(client, settings, signal);
  const {
    dataNodes: nodes,
    shardsPerNode: perNode,
    shards,
  } = await readCapacity(client, signal).catch((error: unknown) => {
    throw signal.aborted ? error : unavailable(error);
  });
  const stored = new Set(days.map(({ kept }) => kept));
  const inUse = LOG_TYPES.map(({ name }) => name).filter((name) => stored.has(name));
  const types = inUse.length === 0 ? LOG_TYPES.map(({ name }) => name) : inUse;
  const fleet = { clusters, types, copies: nodes > 1 ? 2 : 1 };
  const others = shards - days.reduce((sum, day) => sum + day.shards, 0);
  const needed = shardsNeeded(layout, settings.value.retention, fleet);
  const room = nodes * perNode - others;
  if (needed <= room) return undefined;
  const count = new Intl.NumberFormat('en-US');
  const [need, most] = [needed, nodes * perNode].map((number) => count.format(number));
  const choices = [
    layout.layout === 'per-cluster' ? 'the layout "shared"' : 'fewer shards',
    'fewer days',
    'more data nodes, or a higher cluster.max_shards_per_node',
  ];
  return `the layout ${layout.layout} would need ${need} shards for ${clusters} clusters (${types.join(', ')}), and Elasticsearch takes ${most} on ${nodes} data nodes, of which others have ${count.format(others)}: choose ${choices.join(', or ')}`;
}

/** How many shards there may be, and are. */
export interface Capacity {
  readonly dataNodes: number;
  readonly shardsPerNode: number;
  readonly shards: number;
  readonly health: 'green' | 'yellow' | 'red';
}

/** Rejects with what the client does. */
export async function readCapacity(client: Client, signal: AbortSignal): Promise<Capacity> {
  const { persistent, transient, defaults } = await client.cluster.getSettings(
    { include_defaults: true, filter_path: '*.cluster.max_shards_per_node' },
    { signal },
  );
  // As it stands in elasticsearch.yml it is among the defaults.
  const [set] = [transient, persistent, defaults].flatMap((source) => source?.cluster?.max_shards_per_node ?? []);
  const health = await client.cluster.health({}, { signal });
  const { active_shards: active, initializing_shards: initializing, unassigned_shards: unassigned } = health;
  return {
    dataNodes: health.number_of_data_nodes,
    shardsPerNode: Number(set ?? 1000),
    shards: active + initializing + unassigned,
    health: health.status.toLowerCase() as Capacity['health'],
  };
}
