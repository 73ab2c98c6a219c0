import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import type { Outcome } from '../testbed/processes.ts';
import { addSender, credentialsFolder, mcm, type Sender, sharedWorkbench } from './harness.ts';
import { ConnectProxy, type ConnectProxyOptions } from './proxies.ts';

const workbench = sharedWorkbench();
/** Only the proxy knows where that is. */
const TARGET = 'manager.example:9449';
const PASSWORD = 'p@ss:w/rd';
const USER = `forwarder:${encodeURIComponent(PASSWORD)}`;

async function startProxy(t: TestContext, options?: ConnectProxyOptions): Promise<ConnectProxy> {
  const proxy = await ConnectProxy.start(workbench.facts.managerPorts.clusters, options);
  t.after(() => proxy.stop());
  return proxy;
}

describe('forward behind a proxy', { concurrency: false }, () => {
  let sender: Sender;
  let credentials: string;
  let file: string;

  before(async () => {
    sender = await addSender(workbench, 'forward-proxy');
    credentials = credentialsFolder(sender.folder, sender.credentials, { address: TARGET });
    file = join(sender.folder, 'flows.log');
    const now = Date.now();
    writeFileSync(file, `${[...generateFlows({ seed: 1, count: 100, from: now - 60_000, to: now })].join('\n')}\n`);
  });

  async function ship(env: NodeJS.ProcessEnv): Promise<Outcome> {
    const always = ['--once', '--credentials', credentials, '--state', join(sender.folder, 'state'), '--flow', file];
    const outcome = await mcm(workbench, ['forward', ...always, '--retry-for', '500ms'], { env });
    const forms = [PASSWORD, encodeURIComponent(PASSWORD), Buffer.from(`forwarder:${PASSWORD}`).toString('base64')];
    for (const form of forms) assert.ok(!`${outcome.stdout}${outcome.stderr}`.includes(form));
    return outcome;
  }

  it('that refuses says so, and leaves everything for the next run', async (t) => {
    const proxy = await startProxy(t, { credentials: 'other:one' });
    const { code, stderr } = await ship({ HTTPS_PROXY: `http://${USER}@${proxy.address}` });
    assert.equal(code, 3);
    const words = `the proxy ${proxy.address} answered 407 Proxy Authentication Required to CONNECT ${TARGET}`;
    assert.ok(stderr.includes(words), stderr);
  });

  it('does not use it for what NO_PROXY names', async (t) => {
    const proxy = await startProxy(t);
    const { code } = await ship({ HTTPS_PROXY: `http://${proxy.address}`, NO_PROXY: '.example' });
    assert.deepEqual([code, proxy.targets], [3, []]);
  });

  it('ships through it, with its credentials', async (t) => {
    const proxy = await startProxy(t, { credentials: `forwarder:${PASSWORD}` });
    const { code, stdout, stderr } = await ship({ HTTPS_PROXY: `http://${USER}@${proxy.address}` });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /: 100 records shipped/);
    assert.deepEqual(proxy.targets, [TARGET]);
  });
});
