import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { MANAGED_CLUSTERS_PATH, type ManagedCluster, managedCluster } from '../src/clusters/managed-cluster.ts';
import { codeOf } from '../src/errors.ts';
import type { KubeClient } from '../src/kube/client.ts';
import type { KubeObject } from '../src/kube/objects.ts';
import { type WatchEvent, type WatchOptions, watchCollection } from '../src/kube/watch.ts';
import { freePorts } from '../testbed/processes.ts';
import { addSender, eventually, getObject, post, sharedWorkbench } from './harness.ts';
import { startOwnManagement } from './own-management.ts';
import { ApiProxy, adminClient, TcpProxy } from './proxies.ts';

const workbench = sharedWorkbench();
const PATH = '/api/v1/flows/logs/bulk';
const LIST = /^GET \/apis\/kubectl-mcm\.io\/v1\/managedclusters(?!.*watch=true)/;

function flow(): string {
  const now = Date.now();
  return `${[...generateFlows({ seed: 12, count: 1, from: now - 60_000, to: now })].join('')}\n`;
}

async function newPorts() {
  const [clusters = 0, api = 0, health = 0] = await freePorts(3);
  return { clusters, api, health };
}

async function apiProxy(t: TestContext): Promise<ApiProxy> {
  const proxy = await ApiProxy.start(workbench.facts.management);
  t.after(() => proxy.stop());
  return proxy;
}

async function tcpProxy(t: TestContext): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(Number(new URL(workbench.facts.management.url).port));
  t.after(() => proxy.stop());
  return proxy;
}

/** Watches ManagedClusters until the test ends: what it learned, and what went wrong. */
function watching(t: TestContext, client: KubeClient, options: Partial<WatchOptions> = {}) {
  const stop = new AbortController();
  const events: WatchEvent<ManagedCluster>[] = [];
  const errors: unknown[] = [];
  const watch = (async () => {
    const all = { signal: stop.signal, onError: (error: unknown) => errors.push(error), ...options };
    for await (const event of watchCollection<ManagedCluster>(client, MANAGED_CLUSTERS_PATH, all)) events.push(event);
  })();
  t.after(async () => {
    stop.abort();
    await watch;
  });
  const knows = (name: string) => events.some((event) => event.type === 'set' && event.object.metadata.name === name);
  return { events, errors, knows };
}

async function refused(port: number): Promise<boolean> {
  return await new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error) => (codeOf(error) === 'ECONNREFUSED' ? resolve(true) : reject(error)));
  });
}

describe('a request', () => {
  it('on a connection that died in silence fails in time, and the next one is answered', async (t) => {
    const proxy = await tcpProxy(t);
    const client = adminClient(workbench, { url: `https://127.0.0.1:${proxy.port}`, timeout: 3_000 });
    await client.get(MANAGED_CLUSTERS_PATH);
    proxy.freeze();
    const started = performance.now();
    await assert.rejects(
      client.get(MANAGED_CLUSTERS_PATH),
      /Unable to connect to the server: context deadline exceeded/,
    );
    const took = performance.now() - started;
    assert.ok(took > 2_900 && took < 20_000, `${took} ms`);
    await eventually(async () =>
      client.get(MANAGED_CLUSTERS_PATH).then(
        () => true,
        () => false,
      ),
    );
  });
});

describe('a request to a server that is too busy', () => {
  it('is sent again when the server says, and given up with whoever asked', async (t) => {
    const proxy = await apiProxy(t);
    const client = adminClient(workbench, { url: proxy.url });
    const path = '/api/v1/namespaces/default';
    const mend = proxy.refuse(/default$/, 429);
    const answer = client.get<KubeObject>(path);
    const stop = new AbortController();
    const givenUp = assert.rejects(client.get(path, { signal: stop.signal }), { name: 'AbortError' });
    await eventually(async () => proxy.requests.length >= 4);
    stop.abort();
    await givenUp;
    mend();
    assert.equal((await answer).metadata.name, 'default');
  });
});

describe('a watch', () => {
  it('on a connection that died in silence goes on soon after its time', async (t) => {
    const proxy = await tcpProxy(t);
    const client = adminClient(workbench, { url: `https://127.0.0.1:${proxy.port}`, timeout: 3_000 });
    const { events, knows, errors } = watching(t, client, { seconds: 2 });
    await eventually(async () => events.length > 0);
    proxy.freeze();
    await adminClient(workbench).create(managedCluster('while-frozen', {}));
    await eventually(async () => knows('while-frozen'));
    assert.equal(events.filter(({ type }) => type === 'list').length, 1, 'it went on where it was');
    assert.ok(errors.length > 0);
  });

  it('lists anew when its version is too old for the API server', async (t) => {
    const proxy = await apiProxy(t);
    proxy.rewrite = (url) => {
      if (!url.includes('watch=true')) return url;
      proxy.rewrite = (same) => same;
      return url.replace(/resourceVersion=\d+/, 'resourceVersion=1');
    };
    const { events, errors, knows } = watching(t, adminClient(workbench, { url: proxy.url }));
    // What other tests do to their clusters follows.
    await eventually(async () => events.length >= 2);
    assert.deepEqual(
      events.slice(0, 2).map(({ type }) => type),
      ['list', 'list'],
    );
    assert.match(String(errors[0]), /\(Expired\): too old resource version/);
    await adminClient(workbench).create(managedCluster('after-expiry', {}));
    await eventually(async () => knows('after-expiry'));
  });
});

describe('a manager', () => {
  it('listens only once it knows which clusters there are', async (t) => {
    const { credentials } = await addSender(workbench, 'known-before');
    const proxy = await apiProxy(t);
    const find = proxy.lose(LIST);
    const ports = await newPorts();
    const manager = await workbench.startManager({
      ports,
      apiserverUrl: proxy.url,
      readyPath: '/livez',
      flags: ['--request-timeout=5s'],
    });
    t.after(() => manager.stop());
    // It has given the first one up by then.
    await eventually(async () => proxy.requests.filter((asked) => LIST.test(asked)).length >= 2);
    assert.deepEqual([await refused(ports.clusters), await refused(ports.api)], [true, true]);
    const ready = async () => await fetch(`http://127.0.0.1:${ports.health}/readyz?verbose`);
    const notYet = await ready();
    assert.equal(notYet.status, 503);
    assert.match(
      await notYet.text(),
      /^\[-\]managed-clusters failed: they have not been listed yet\n\[\+\]front-proxy ok\n\[-\]aggregated-api failed: not listening\n\[-\]cluster-port failed: not listening\nreadyz check failed$/m,
    );
    find();
    await eventually(async () => !(await refused(ports.clusters)));
    await eventually(async () => /^\[\+\]managed-clusters ok$/m.test(await (await ready()).text()));
    assert.equal((await ready()).status, 200);
    const first = await post({ ...credentials, address: `127.0.0.1:${ports.clusters}` }, PATH, '');
    assert.equal(first.code, 200, first.text);
  });

  it('writes the status of other clusters while one write hangs, and that one when its time is over', async (t) => {
    const proxy = await apiProxy(t);
    const find = proxy.lose(/^PATCH .*\/managedclusters\/hanging\/status/);
    const ports = await newPorts();
    const flags = ['--request-timeout=25s'];
    const manager = await workbench.startManager({ ports, apiserverUrl: proxy.url, flags });
    t.after(() => manager.stop());
    const address = `127.0.0.1:${ports.clusters}`;
    const sendAs = async (name: string) => {
      const { credentials } = await addSender(workbench, name);
      await eventually(async () => (await post({ ...credentials, address }, PATH, flow())).code === 200);
    };
    const seen = async (name: string) =>
      (await getObject<ManagedCluster>(workbench, 'managedcluster', name)).status?.phase === 'Receiving';
    await sendAs('hanging');
    await eventually(async () => proxy.requests.some((asked) => asked.includes('/managedclusters/hanging/status')));
    await sendAs('not-hanging');
    // Before the time of the one that hangs is over.
    await eventually(() => seen('not-hanging'), 15_000);
    assert.equal(await seen('hanging'), false);
    find();
    await eventually(() => seen('hanging'), 60_000);
  });

  it('learns of new clusters after its API server was started again', async (t) => {
    const { workbench: own, cluster } = await startOwnManagement(workbench, 'restarted');
    t.after(() => cluster.stop());
    const manager = await own.startManager();
    t.after(() => manager.stop());
    await addSender(own, 'before-restart');
    await cluster.restartApiserver();
    const { credentials } = await addSender(own, 'after-restart');
    await own.mustKubectl(['delete', 'managedcluster', 'before-restart']);
    await eventually(async () => (await post(credentials, PATH, flow())).code === 200);
    await eventually(async () =>
      /^after-restart +Receiving/m.test(await own.mustKubectl(['get', 'managedclusters', '--no-headers'])),
    );
    assert.equal(manager.running, true);
  });
});
