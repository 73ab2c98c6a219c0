// Our agent as a process of its own: through proxies, and to its end.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createKeyPair, daysFromNow } from '../src/clusters/key-pair.ts';
import type { ManagedCluster } from '../src/clusters/managed-cluster.ts';
import { freePorts, type ServerProcess } from '../testbed/processes.ts';
import { addSender, eventually, getObject, newFolder, type Sender, sharedWorkbench } from './harness.ts';
import { ConnectProxy, type ConnectProxyOptions } from './proxies.ts';

const workbench = sharedWorkbench();
const [managed] = workbench.facts.managed;
assert.ok(managed);
/** Known to the proxies alone. */
const TARGET = 'manager.example.com:9449';
const PASSWORD = 's3cr@t/1';

async function connectionOf({ cluster }: Sender) {
  const { conditions = [], connection } =
    (await getObject<ManagedCluster>(workbench, 'managedcluster', cluster)).status ?? {};
  return { connected: conditions.find(({ type }) => type === 'ManagedClusterConnected')?.status, ...connection };
}

async function startProxy(t: TestContext, options?: ConnectProxyOptions): Promise<ConnectProxy> {
  const proxy = await ConnectProxy.start(workbench.facts.managerPorts.clusters, options);
  t.after(() => proxy.stop());
  return proxy;
}

function startAgent(t: TestContext, sender: Sender, env: NodeJS.ProcessEnv, ...flags: string[]): ServerProcess {
  const { cluster, manifest } = sender;
  const agent = workbench.startAgent({ context: managed?.name ?? '', manifest, logName: cluster, flags, env });
  t.after(() => agent.stop());
  return agent;
}

function logOf({ logFile }: ServerProcess): string {
  return readFileSync(logFile, 'utf8');
}

function assertDiscreet(agent: ServerProcess): void {
  const forms = [PASSWORD, encodeURIComponent(PASSWORD), Buffer.from(`guardian:${PASSWORD}`).toString('base64')];
  for (const form of forms) assert.ok(!logOf(agent).includes(form));
}

describe('an agent behind a proxy', { concurrency: 2 }, () => {
  for (const [kind, credentials] of [
    ['http', undefined],
    ['http', `guardian:${PASSWORD}`],
    ['https', `guardian:${PASSWORD}`],
  ] as const) {
    it(`of ${kind}${credentials === undefined ? '' : ', with credentials'}, connects, and again when it resets`, async (t) => {
      const sender = await addSender(workbench, `proxied-${kind}${credentials === undefined ? '' : '-known'}`);
      const request = { commonName: 'proxy', ipAddresses: ['127.0.0.1'], usages: ['server'], notAfter: daysFromNow(1) };
      const keys = kind === 'http' ? undefined : await createKeyPair({ ...request, usages: ['server'] });
      const trusted = join(newFolder(workbench, 'trusted'), 'ca.crt');
      writeFileSync(trusted, keys?.certificate ?? '');
      const proxy = await startProxy(t, {
        ...(credentials === undefined ? {} : { credentials }),
        ...(keys === undefined ? {} : { keys }),
      });
      const user = credentials === undefined ? '' : `guardian:${encodeURIComponent(PASSWORD)}@`;
      const env = { HTTPS_PROXY: `${kind}://${user}${proxy.address}`, NODE_EXTRA_CA_CERTS: trusted };
      const agent = startAgent(t, sender, env, '--address', TARGET);
      await eventually(async () => (await connectionOf(sender)).connected === 'True', 15_000);
      assert.deepEqual(proxy.targets, [TARGET]);
      proxy.reset();
      await eventually(async () => (await connectionOf(sender)).reconnects === 1, 15_000);
      assert.equal(agent.running, true);
      assertDiscreet(agent);
    });
  }

  it('that refuses says why in its log', async (t) => {
    const sender = await addSender(workbench, 'refused');
    for (const [options, words] of [
      [{ credentials: 'other:one' }, 'answered 407 Proxy Authentication Required'],
      [{ credentials: `guardian:${PASSWORD}`, refusal: 502 }, 'answered 502 Bad Gateway'],
    ] as const) {
      const proxy = await startProxy(t, options);
      const HTTPS_PROXY = `http://guardian:${encodeURIComponent(PASSWORD)}@${proxy.address}`;
      const agent = startAgent(t, sender, { HTTPS_PROXY }, '--address', TARGET);
      const said = `"reason":"the proxy ${proxy.address} ${words} to CONNECT ${TARGET}"`;
      await eventually(async () => logOf(agent).includes(said));
      assertDiscreet(agent);
      await agent.stop();
    }
    await eventually(async () => (await connectionOf(sender)).connected === 'Unknown');
  });

  it('that is not there, or whose address is none, says so', async (t) => {
    const sender = await addSender(workbench, 'no-proxy');
    const [nobody] = await freePorts(1);
    for (const [HTTPS_PROXY, words] of [
      [`http://guardian:${encodeURIComponent(PASSWORD)}@127.0.0.1:${nobody}`, 'ECONNREFUSED'],
      [
        `socks5://guardian:${encodeURIComponent(PASSWORD)}@127.0.0.1:1`,
        'HTTPS_PROXY is not the URL of an http or https proxy',
      ],
    ] as const) {
      const agent = startAgent(t, sender, { HTTPS_PROXY }, '--address', TARGET);
      await eventually(async () => logOf(agent).includes(words));
      assertDiscreet(agent);
      await agent.stop();
    }
  });
});

describe('an agent that is told to stop', () => {
  it('ends at once, connected and with work under way, or dialling', async (t) => {
    const sender = await addSender(workbench, 'stopping');
    const [listen] = await freePorts(1);
    const agent = startAgent(t, sender, {}, '--listen', `127.0.0.1:${listen}`);
    await eventually(async () => (await connectionOf(sender)).connected === 'True');
    const workload = connect(Number(listen), '127.0.0.1');
    workload.on('error', () => undefined).write('hello');
    const stopped = performance.now();
    await agent.stop();
    assert.ok(performance.now() - stopped < 5_000, `${performance.now() - stopped} ms`);
    await eventually(async () => (await connectionOf(sender)).connected === 'False');

    const [nobody] = await freePorts(1);
    const dialling = startAgent(t, sender, {}, '--address', `127.0.0.1:${nobody}`);
    await eventually(async () => logOf(dialling).includes('ECONNREFUSED'));
    const began = performance.now();
    await dialling.stop();
    assert.ok(performance.now() - began < 5_000, `${performance.now() - began} ms`);
  });
});
