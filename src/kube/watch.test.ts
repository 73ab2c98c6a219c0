import assert from 'node:assert/strict';
import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { KubeClient } from './client.ts';
import { failure } from './status.ts';
import { type WatchOptions, watchCollection } from './watch.ts';

/** What no real API server can be brought to do at will: each request is answered by the next step of a script. */
type Step = (response: ServerResponse) => void;

interface Asked {
  readonly what: 'list' | 'watch';
  readonly version: string | null;
  /** Milliseconds since the request before was answered. */
  readonly after: number;
}

const EXPIRED = failure(410, 'Expired', 'too old resource version: 1 (2)');
const list: Step = (response) => response.end('{"metadata":{"resourceVersion":"10"},"items":[]}');
const gone: Step = (response) => response.writeHead(410).end(JSON.stringify(EXPIRED));
const goneInside: Step = (response) => response.end(`${JSON.stringify({ type: 'ERROR', object: EXPIRED })}\n`);
const endAtOnce: Step = (response) => response.end();
const fail: Step = (response) => response.writeHead(500).end('{}');
const silent: Step = (response) => response.flushHeaders();
/** A watch that stands for a while and is cut then. */
const cutLater: Step = (response) => {
  response.flushHeaders();
  setTimeout(() => response.destroy(), 1_200);
};

/** A client of a server that answers so. */
async function clientOf(t: TestContext, answer: RequestListener): Promise<KubeClient> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const authenticate = async () => ({ headers: {}, dispatcher: new Agent() });
  return new KubeClient({ name: 'script', server: `http://127.0.0.1:${port}`, authenticate });
}

/** Watches until `stop` aborts. */
async function watchAll(client: KubeClient, options: WatchOptions): Promise<void> {
  for await (const _ of watchCollection(client, '/apis/x/v1/things', options));
}

/** Follows the script to its end; the last step's request stays open. */
async function play(t: TestContext, steps: readonly Step[]): Promise<readonly Asked[]> {
  const asked: Asked[] = [];
  let answered = performance.now();
  const client = await clientOf(t, (request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://server');
    asked.push({
      what: searchParams.get('watch') === 'true' ? 'watch' : 'list',
      version: searchParams.get('resourceVersion'),
      after: performance.now() - answered,
    });
    response.once('close', () => {
      answered = performance.now();
    });
    (steps[asked.length - 1] ?? silent)(response);
  });
  const stop = new AbortController();
  t.after(() => stop.abort());
  const watching = watchAll(client, { signal: stop.signal, onError: () => undefined });
  while (asked.length < steps.length) await sleep(10);
  stop.abort();
  await watching;
  return asked;
}

describe('watchCollection', { concurrency: true }, () => {
  for (const [how, step] of [
    ['by its status', gone],
    ['by an event', goneInside],
  ] as const) {
    it(`lists anew at once when 410 Gone is answered ${how}`, async (t) => {
      // Failures first: what they have made it wait must not count.
      const asked = await play(t, [list, fail, fail, fail, fail, step, list, silent]);
      assert.deepEqual(
        asked.map(({ what }) => what),
        ['list', 'watch', 'watch', 'watch', 'watch', 'watch', 'list', 'watch'],
      );
      // The pause of a fifth failure would be at least two seconds.
      assert.ok((asked[6]?.after ?? 9_999) < 1_900, `listed after ${asked[6]?.after} ms`);
      assert.equal(asked[7]?.version, '10');
    });

    it(`does not list in a loop when 410 Gone is answered ${how} again and again`, async (t) => {
      const asked = await play(t, [list, step, list, step, list, step, list]);
      const pauses = asked.filter(({ what }) => what === 'list').map(({ after }) => after);
      assert.ok((pauses[1] ?? 0) > 120 && (pauses[2] ?? 0) > 240 && (pauses[3] ?? 0) > 480, pauses.join(', '));
    });
  }

  it('waits longer each time when watches end at once', async (t) => {
    const asked = await play(t, [list, endAtOnce, endAtOnce, endAtOnce, endAtOnce]);
    const [, , second = 0, third = 0, fourth = 0] = asked.map(({ after }) => after);
    assert.ok(second > 120 && third > 240 && fourth > 480, [second, third, fourth].join(', '));
    assert.ok(asked.slice(1).every(({ what }) => what === 'watch'));
  });

  it('begins its pauses anew after a watch that stood, even if nothing happened', async (t) => {
    const asked = await play(t, [list, fail, fail, fail, fail, cutLater, silent]);
    const [afterFailures = 0, afterCut = 9_999] = [asked[5]?.after, asked[6]?.after];
    assert.ok(afterFailures > 900, `waited ${afterFailures} ms after the failures`);
    // The next pause of those would be at least two seconds.
    assert.ok(afterCut < 1_900, `waited ${afterCut} ms after the cut`);
  });

  it('breaks a watch that is silent for longer than it was asked for', async (t) => {
    const client = await clientOf(t, (request, response) => {
      if (request.url?.includes('watch=true')) silent(response);
      else list(response);
    });
    const stop = new AbortController();
    const started = performance.now();
    await watchAll(client, { signal: stop.signal, seconds: 1, onError: () => stop.abort() });
    const took = performance.now() - started;
    assert.ok(took > 1_000 && took < 20_000, `${took} ms`);
  });
});
