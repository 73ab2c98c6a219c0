import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from './client.ts';
import type { KubeList, KubeObject } from './objects.ts';
import { isStatus, type Status, StatusError } from './status.ts';

/** What a watcher learns: everything at once (first, and again after a gap), then one object at a time. */
export type WatchEvent<T> =
  | { readonly type: 'list'; readonly objects: readonly T[] }
  | { readonly type: 'set'; readonly object: T }
  | { readonly type: 'delete'; readonly object: T };

export interface WatchOptions {
  readonly signal: AbortSignal;
  readonly fieldSelector?: string;
  /** Told of every broken connection before the next attempt. */
  readonly onError: (error: unknown) => void;
}

/** The server sends a bookmark about once a minute: longer silence means that the connection is dead. */
const IDLE_TIMEOUT = 150_000;
const FIRST_RETRY = 250;
const LAST_RETRY = 30_000;

/**
 * Lists a collection and follows it until `signal` aborts: over broken connections, restarts of the API server and
 * expired resource versions (each a new `list`). Ends without an error.
 */
export async function* watchCollection<T extends KubeObject>(
  client: KubeClient,
  path: string,
  options: WatchOptions,
): AsyncGenerator<WatchEvent<T>, void, void> {
  const { signal, fieldSelector } = options;
  let retry = FIRST_RETRY;
  let version: string | undefined;
  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const list = await client.get<KubeList<T>>(path, { query: { fieldSelector }, signal });
        version = list.metadata.resourceVersion ?? '';
        yield { type: 'list', objects: list.items };
      }
      for await (const event of follow<T>(client, path, version, options)) {
        retry = FIRST_RETRY;
        version = event.version;
        if (event.change !== undefined) yield event.change;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (isStatus(error, 410)) version = undefined;
      options.onError(error);
      // Full jitter, so that many watchers do not come back to a restarted API server in step.
      await sleep(retry * Math.random(), undefined, { signal }).catch(() => undefined);
      retry = Math.min(retry * 2, LAST_RETRY);
    }
  }
}

interface Followed<T> {
  readonly version: string;
  readonly change?: WatchEvent<T>;
}

/** One watch request: ends when the server ends it, throws when it breaks. */
async function* follow<T extends KubeObject>(
  client: KubeClient,
  path: string,
  resourceVersion: string,
  { signal, fieldSelector }: WatchOptions,
): AsyncGenerator<Followed<T>, void, void> {
  const query = { watch: true, allowWatchBookmarks: true, resourceVersion, fieldSelector };
  const body = await client.stream(path, { query, signal, idleTimeout: IDLE_TIMEOUT });
  const lines = createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY });
  let broken: unknown;
  // readline does not pass its input's errors on: without this a cut connection would look like a clean end.
  body.once('error', (error) => {
    broken = error;
    lines.close();
  });
  try {
    for await (const line of lines) {
      const event = JSON.parse(line) as { readonly type: string; readonly object: T };
      if (event.type === 'ERROR') throw new StatusError(event.object as unknown as Status);
      const version = event.object.metadata.resourceVersion ?? resourceVersion;
      if (event.type === 'BOOKMARK') yield { version };
      else yield { version, change: { type: event.type === 'DELETED' ? 'delete' : 'set', object: event.object } };
    }
    if (broken !== undefined) throw broken;
  } finally {
    lines.close();
    body.destroy();
  }
}
