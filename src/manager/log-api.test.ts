import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { failure, type Status, StatusError } from '../kube/status.ts';
import type { LogAggregation } from '../logs/query/aggregation.ts';
import type { LogQuery } from '../logs/query/log-query.ts';
import type { LogStore } from '../logs/store/log-store.ts';
import { FleetApi } from './fleet-api.ts';
import { LogApi } from './log-api.ts';
import { LogReader } from './log-reader.ts';

const REQUESTER = { user: 'jane', uid: undefined, groups: [], extra: {} };

/** A store that goes on looking until it is told to stop: no real one does so when asked to. */
class EndlessStore implements Pick<LogStore, 'search' | 'aggregate' | 'together'> {
  readonly asked: (LogQuery | LogAggregation)[] = [];
  stopped = 0;

  async search(query: LogQuery, signal: AbortSignal): Promise<never> {
    return await this.#endless(query, signal);
  }

  async aggregate(query: LogAggregation, signal: AbortSignal): Promise<never> {
    return await this.#endless(query, signal);
  }

  together(): this {
    return this;
  }

  async #endless(query: LogQuery | LogAggregation, signal: AbortSignal): Promise<never> {
    this.asked.push(query);
    await once(signal, 'abort');
    this.stopped++;
    throw signal.reason;
  }
}

function apiOf(store: EndlessStore): LogApi {
  return new LogApi({
    reader: new LogReader({ store: store as unknown as LogStore, silentSince: () => undefined, readTime: 50 }),
    access: { mayRead: async () => true },
    isRegistered: () => true,
  });
}

describe('a read that takes too long', () => {
  for (const parameters of ['query=action+%3D+deny', 'by=namespace']) {
    it(`is given up, and the store with it: ${parameters}`, async (t) => {
      const store = new EndlessStore();
      const target = `/apis/lma.tigera.io/v1/prod-eu/flows?${parameters}`;
      const { code, body } = await apiOf(store).answer('GET', target, REQUESTER, t.signal);
      assert.deepEqual([code, (body as Status).reason], [504, 'Timeout']);
      assert.match((body as Status).message ?? '', /^the log store was still looking after 0.05 s: ask for less time/);
      assert.ok(store.asked.length > 0);
      assert.equal(store.stopped, store.asked.length, 'what is looked for beside it as well');
    });
  }

  it('is no failure of the store where whoever asked has gone', async () => {
    const gone = new AbortController();
    const answer = apiOf(new EndlessStore()).answer(
      'GET',
      '/apis/lma.tigera.io/v1/prod-eu/flows',
      REQUESTER,
      gone.signal,
    );
    gone.abort();
    await assert.rejects(answer, { name: 'AbortError' });
  });
});

describe('a query that is none', () => {
  it('reaches no store', async (t) => {
    const store = new EndlessStore();
    for (const query of ['query=%22', 'query=x%3D1', 'order=up', 'limit=-1', 'continue=W10', 'until=now']) {
      const target = `/apis/lma.tigera.io/v1/prod-eu/flows?${query}`;
      assert.equal((await apiOf(store).answer('GET', target, REQUESTER, t.signal)).code, 400, query);
    }
    assert.deepEqual(store.asked, []);
  });
});

describe('a read of which nobody knows whether it is allowed', () => {
  it('is to be tried again', async (t) => {
    const busy = new StatusError(failure(429, 'TooManyRequests', 'please try again later'));
    const reader = new LogReader({ store: new EndlessStore() as unknown as LogStore, silentSince: () => undefined });
    const options = { reader, access: { mayRead: () => Promise.reject(busy) }, isRegistered: () => true };
    for (const [api, path] of [
      [new LogApi(options), '/apis/lma.tigera.io/v1/prod-eu/flows'],
      [new FleetApi(options), '/apis/query.kubectl-mcm.io/v1/logs/flows?clusters=prod-eu,prod-us'],
    ] as const) {
      const { code, body } = await api.answer('GET', path, REQUESTER, t.signal);
      assert.deepEqual([code, (body as Status).reason], [503, 'ServiceUnavailable']);
      assert.match((body as Status).message ?? '', /^cannot ask who may read this: .*please try again later$/);
    }
  });
});
