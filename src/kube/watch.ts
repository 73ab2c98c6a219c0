import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
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
  /** Seconds after which the server ends each request, and the next one goes on where it was; 60. */
  readonly seconds?: number;
  /** Told of every broken connection before the next attempt. */
  readonly onError: (error: unknown) => void;
}

/** Short, since a connection that died in silence is known by nothing but the end that does not come. */
const WATCH_SECONDS = 60;
/** How much longer than it was asked for a watch may be silent. */
const PATIENCE = 1.25;

/** Milliseconds: a watch that stood so long was a good answer, whatever ended it. */
const SETTLED = 1_000;
/** Milliseconds between attempts that brought nothing, doubled each time. */
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
  const { signal, onError } = options;
  const progress: Progress = { version: undefined, good: false };
  let retry = FIRST_RETRY;
  while (!signal.aborted) {
    const resumed = progress.version !== undefined;
    progress.good = false;
    // At once only where that cannot become a loop: after a good watch, and to list anew what has expired meanwhile.
    let atOnce: boolean;
    try {
      yield* listAndFollow<T>(client, path, progress, options);
      atOnce = progress.good;
    } catch (error) {
      if (signal.aborted) return;
      onError(error);
      const expired = isStatus(error, 410);
      if (expired) progress.version = undefined;
      atOnce = expired && resumed;
    }
    if (progress.good) retry = FIRST_RETRY;
    if (atOnce) continue;
    // Jitter, so that many watchers do not come back to a restarted API server in step.
    await sleep(retry * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    retry = Math.min(retry * 2, LAST_RETRY);
  }
}

/** How far a watcher has come. */
interface Progress {
  /** The resource version to go on from; undefined before the first list. */
  version: string | undefined;
  /** Whether the last attempt brought a change, or stood for a while. */
  good: boolean;
}

/** One attempt: a list where there is no version to go on from, then one watch. Throws when either breaks. */
async function* listAndFollow<T extends KubeObject>(
  client: KubeClient,
  path: string,
  progress: Progress,
  { signal, fieldSelector, seconds = WATCH_SECONDS }: WatchOptions,
): AsyncGenerator<WatchEvent<T>, void, void> {
  if (progress.version === undefined) {
    const list = await client.get<KubeList<T>>(path, { query: { fieldSelector }, signal });
    progress.version = list.metadata.resourceVersion ?? '';
    yield { type: 'list', objects: list.items };
  }
  const query = {
    watch: true,
    allowWatchBookmarks: true,
    resourceVersion: progress.version,
    fieldSelector,
    timeoutSeconds: seconds,
  };
  const body = await client.stream(path, { query, signal, idleTimeout: seconds * 1000 * PATIENCE });
  const openedAt = performance.now();
  try {
    for await (const line of linesOf(body)) {
      const event = JSON.parse(line) as { readonly type: string; readonly object: T };
      if (event.type === 'ERROR') throw new StatusError(event.object as unknown as Status);
      progress.version = event.object.metadata.resourceVersion ?? progress.version;
      if (event.type === 'BOOKMARK') continue;
      progress.good = true;
      yield { type: event.type === 'DELETED' ? 'delete' : 'set', object: event.object };
    }
  } finally {
    if (performance.now() - openedAt >= SETTLED) progress.good = true;
  }
}

/** Ends where the stream ends, throws where it breaks: readline alone takes a cut connection for an end. */
async function* linesOf(body: Readable): AsyncGenerator<string, void, void> {
  const lines = createInterface({ input: body, crlfDelay: Number.POSITIVE_INFINITY });
  let broken: unknown;
  body.once('error', (error) => {
    broken = error;
    lines.close();
  });
  try {
    yield* lines;
    if (broken !== undefined) throw broken;
  } finally {
    lines.close();
    body.destroy();
  }
}
