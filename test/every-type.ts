import assert from 'node:assert/strict';
import { LOG_TYPES } from '../src/logs/types/index.ts';
import type { LogTypeName } from '../src/logs/types/log-type.ts';
import { post, type Sender } from './harness.ts';

/** What a record of a cluster and type holds that no other does: where it is seen, it was read. */
export function markerOf(cluster: string, type: LogTypeName): string {
  return `marker:${cluster}:${type}`;
}

/** The markers in a text. */
export function markersIn(text: string): string[] {
  return [...new Set(text.match(/marker:[-a-z0-9]+:[a-z0-9_]+/g))].sort();
}

/** What is counted of a record, in groups of which each has its name. */
function countedAs(marker: string): object {
  const ends = { source_type: 'wep', dest_type: 'wep', source_namespace: marker, dest_namespace: marker };
  return {
    ...ends,
    reporter: 'src',
    action: 'allow',
    bytes_in: 7,
    num_flows_started: 7,
    qname: marker,
    count: 7,
    user: { username: marker },
  };
}

/** Stores one record of every log type for a cluster, each with its marker. */
export async function sendEveryType({ cluster, credentials }: Sender): Promise<void> {
  for (const { name, ingestPaths, timeFields } of LOG_TYPES) {
    const time = Object.fromEntries(timeFields.map((field) => [field, new Date().toISOString()]));
    const marker = markerOf(cluster, name);
    const record = { ...time, ...countedAs(marker), marker };
    const { code, text } = await post(credentials, ingestPaths[0] ?? '', `${JSON.stringify(record)}\n`);
    assert.deepEqual([code, (JSON.parse(text) as { accepted: number }).accepted], [200, 1], text);
  }
}
