import type { Client } from '@elastic/elasticsearch';
import { STORED_TYPES } from '../../types/index.ts';
import { type KeptName, type Retention, startOf } from '../retention.ts';
import type { CurrentSettings } from '../store-settings.ts';
import { unavailable } from './bulk.ts';
import { IndexNames, type ParsedIndex } from './index-names.ts';
import { OWNER } from './templates.ts';

/** Milliseconds for Elasticsearch to list everything it has. */
const PATIENCE = 60_000;

/** What we note in an index's mapping. */
export interface IndexMeta {
  readonly owner?: string;
  /** Milliseconds since 1970; since when no more records are written to it, because it is about to be deleted. */
  readonly closed?: number;
}

/** One day's index that our templates have made. */
export interface StoredDay extends ParsedIndex {
  readonly index: string;
  readonly closed: number | undefined;
}

/** One day's index with what it takes. */
export interface MeasuredDay extends StoredDay {
  readonly bytes: number;
  readonly records: number;
  /** With its replicas. */
  readonly shards: number;
}

/** For how many days an index is kept: one that clusters share for as long as any of them wants it. */
export function daysKept(
  retention: Retention,
  { kept, cluster }: { kept: KeptName; cluster: string | undefined },
): number {
  return cluster === undefined ? retention.longestOf(kept) : retention.daysOf(kept, cluster);
}

/**
 * The indices that are ours: by their exact names, and by what our templates noted in them, so that those of another
 * owner under the same prefix are never touched. @throws StoreUnavailable
 */
export async function listDays(
  client: Client,
  settings: CurrentSettings,
  signal: AbortSignal,
): Promise<readonly StoredDay[]> {
  const names = new IndexNames(settings);
  try {
    const answer = await client.indices.getMapping(
      { index: patternsOf(names), ignore_unavailable: true, filter_path: '*.mappings._meta' },
      { signal, requestTimeout: PATIENCE },
    );
    return Object.entries(answer).flatMap(([index, { mappings }]): StoredDay[] => {
      const meta = mappings?._meta as IndexMeta | undefined;
      const parsed = names.parse(index);
      if (parsed === undefined || meta?.owner !== OWNER || Number.isNaN(startOf(parsed.day))) return [];
      return [{ ...parsed, index, closed: meta.closed }];
    });
  } catch (error) {
    throw signal.aborted ? error : unavailable(error);
  }
}

/** The same, with their sizes. @throws StoreUnavailable */
export async function measureDays(
  client: Client,
  settings: CurrentSettings,
  signal: AbortSignal,
): Promise<readonly MeasuredDay[]> {
  const days = await listDays(client, settings, signal);
  try {
    const rows = await client.cat.indices(
      {
        index: patternsOf(new IndexNames(settings)),
        h: 'index,store.size,docs.count,pri,rep',
        bytes: 'b',
        format: 'json',
        expand_wildcards: 'open',
      },
      { signal, requestTimeout: PATIENCE },
    );
    const measured = new Map(rows.map((row) => [row.index, row]));
    return days.map((day): MeasuredDay => {
      const row = measured.get(day.index);
      return {
        ...day,
        bytes: Number(row?.['store.size'] ?? 0),
        records: Number(row?.['docs.count'] ?? 0),
        shards: Number(row?.pri ?? 0) * (1 + Number(row?.rep ?? 0)),
      };
    });
  } catch (error) {
    throw signal.aborted ? error : unavailable(error);
  }
}

function patternsOf(names: IndexNames): string[] {
  return [...STORED_TYPES.flatMap((type) => names.all(type)), names.allDeadLetters];
}
