import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { createKeyPair, daysFromNow } from '../src/clusters/key-pair.ts';
import { freePorts, run } from '../testbed/processes.ts';
import { passOn } from './elasticsearch-front.ts';
import { addSender, eventually, mcm, newFolder, post, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const SECRET = 'hunter2:hunter3';

function pass(incoming: IncomingMessage, response: ServerResponse): void {
  incoming.pipe(passOn(incoming, response, workbench.facts.elasticsearchUrl));
}

/** The way to Elasticsearch for those who say who they are, as its own security has it. */
async function guardedElasticsearch(t: TestContext, authorization: string): Promise<string> {
  const server = createServer((incoming, response) => {
    if (incoming.headers.authorization !== authorization) {
      const error = { type: 'security_exception', reason: 'unable to authenticate' };
      response.writeHead(401, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' });
      response.end(JSON.stringify({ error, status: 401 }));
      return;
    }
    pass(incoming, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type Ask = () => Promise<string>;

/** A manager with such credentials for such an Elasticsearch, started as far as it goes. */
async function startManager(
  t: TestContext,
  elasticsearchUrl: string,
  credentials?: object,
  more: readonly string[] = [],
) {
  const file = join(newFolder(workbench, 'credentials'), 'elasticsearch.yaml');
  writeFileSync(file, JSON.stringify(credentials ?? {}), { mode: 0o600 });
  const [clusters = 0, api = 0, health = 0] = await freePorts(3);
  const manager = await workbench.startManager({
    ports: { clusters, api, health },
    elasticsearchUrl,
    flags: [...(credentials === undefined ? [] : [`--elasticsearch-credentials=${file}`]), ...more],
    readyPath: '/livez',
  });
  t.after(() => manager.stop());
  const ask = async (path: string) => await (await fetch(`http://127.0.0.1:${health}${path}`)).text();
  const [ready, metrics] = ['/readyz', '/metrics'].map((path) => () => ask(path)) as [Ask, Ask];
  return { manager, address: `127.0.0.1:${clusters}`, ready, metrics };
}

describe('an Elasticsearch that asks who comes', () => {
  for (const [what, credentials, authorization] of [
    [
      'a user name and password',
      { username: 'manager', password: SECRET },
      `Basic ${Buffer.from(`manager:${SECRET}`).toString('base64')}`,
    ],
    ['an API key', { apiKey: SECRET }, `ApiKey ${SECRET}`],
  ] as const) {
    it(`is told by ${what} from a file, and nobody else is`, async (t) => {
      const url = await guardedElasticsearch(t, authorization);
      const { manager, address, ready } = await startManager(t, url, credentials);
      await eventually(async () => (await ready()).endsWith('readyz check passed\n'));
      const sender = await addSender(workbench, `guarded-${Object.keys(credentials).length}`);
      const now = Date.now();
      const flow = `${[...generateFlows({ seed: 13, count: 1, from: now - 60_000, to: now })].join('')}\n`;
      const path = '/api/v1/flows/logs/bulk';
      await eventually(async () => (await post({ ...sender.credentials, address }, path, flow)).code === 200);
      assert.equal(await workbench.elasticsearch.count(`tigera_secure_ee_flows.${sender.cluster}.*`), 1);
      const { stdout } = await run('ps', ['-o', 'args=', '-p', String(manager.pid)]);
      assert.match(stdout, /--elasticsearch-credentials=/);
      assert.doesNotMatch(stdout, /hunter/);
    });
  }

  it('refuses the wrong ones, which are shown nowhere', async (t) => {
    const url = await guardedElasticsearch(t, 'Basic other');
    const { manager, address, ready } = await startManager(t, url, { username: 'manager', password: SECRET });
    await eventually(async () => /log-store failed: .* 401 security_exception/.test(await ready()));
    const sender = await addSender(workbench, 'unguarded');
    const body = '{"end_time":1}\n';
    await eventually(async () => {
      const { code, text } = await post({ ...sender.credentials, address }, '/api/v1/flows/logs/bulk', body);
      assert.doesNotMatch(text, /hunter/);
      return code === 503;
    });
    await manager.stop();
    const log = readFileSync(manager.logFile, 'utf8');
    assert.match(log, /401 security_exception/);
    for (const secret of ['hunter', Buffer.from(`manager:${SECRET}`).toString('base64')]) {
      assert.equal(log.includes(secret), false);
    }
  });

  it('is told by a certificate, over TLS that a CA of its own has signed; a node that is away is passed over', async (t) => {
    const ca = await createKeyPair({ commonName: 'ca', usages: [], ca: true, notAfter: daysFromNow(1) });
    const keyPair = (commonName: string, usages: readonly ('client' | 'server')[]) =>
      createKeyPair({ commonName, dnsNames: ['localhost'], usages: [...usages], notAfter: daysFromNow(1) }, ca);
    const [server, client] = [await keyPair('es', ['server']), await keyPair('manager', ['client'])];
    const tls = { cert: server.certificate, key: server.key, ca: ca.certificate, requestCert: true };
    const guarded = createTlsServer({ ...tls, rejectUnauthorized: true }, pass);
    await new Promise<void>((resolve) => guarded.listen(0, '127.0.0.1', resolve));
    t.after(() => guarded.close().closeAllConnections());
    const folder = newFolder(workbench, 'mtls');
    const files = { ca: ca.certificate, certificate: client.certificate, key: client.key };
    const flags = Object.entries(files).map(([name, text]) => {
      writeFileSync(join(folder, name), text, { mode: 0o600 });
      return `--elasticsearch-${name}=${join(folder, name)}`;
    });
    const [nobody] = await freePorts(1);
    const there = `https://localhost:${(guarded.address() as AddressInfo).port}`;
    const urls = `https://localhost:${nobody},${there}`;
    const { address, ready } = await startManager(t, urls, undefined, flags);
    await eventually(async () => (await ready()).endsWith('readyz check passed\n'));
    const sender = await addSender(workbench, 'mutual');
    const now = Date.now();
    const flow = [...generateFlows({ seed: 14, count: 1, from: now - 60_000, to: now })].join('');
    const credentials = { ...sender.credentials, address };
    await eventually(async () => (await post(credentials, '/api/v1/flows/logs/bulk', `${flow}\n`)).code === 200);
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_flows.mutual.*'), 1);

    const file = join(folder, 'flows.log');
    writeFileSync(file, `${flow}\n`);
    const forward = (...more: string[]) =>
      mcm(workbench, [
        ...['forward', '--once', '--elasticsearch', urls, '--cluster', 'mutual', '--flow', file],
        ...['--host', 'n', '--state', join(folder, 'state'), '--retry-for', '5s', ...more],
      ]);
    const shipped = await forward(...flags);
    assert.equal(shipped.code, 0, shipped.stderr);
    const stranger = await forward(`--elasticsearch-ca=${join(folder, 'ca')}`, '--state', join(folder, 'other'));
    assert.equal(stranger.code, 3, 'without the certificate it does not get there');
  });

  it('has an ILM policy, or is not told to use one', async () => {
    const { facts } = workbench;
    const args = ['manager', '--elasticsearch', facts.elasticsearchUrl, '--ilm-policy', 'keep-8-days'];
    const { code, stderr } = await mcm(workbench, args);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: --ilm-policy keep-8-days: this Elasticsearch has no index lifecycle management\n.*leave the flag out/s,
    );
  });

  it('is warned of where it asks nobody', async (t) => {
    const open = await startManager(t, workbench.facts.elasticsearchUrl);
    await eventually(async () => /answers without authentication/.test(readFileSync(open.manager.logFile, 'utf8')));
    assert.match(await open.metrics(), /^kubectl_mcm_store_open 1$/m);
    const authorization = `Basic ${Buffer.from(`manager:${SECRET}`).toString('base64')}`;
    const url = await guardedElasticsearch(t, authorization);
    const guarded = await startManager(t, url, { username: 'manager', password: SECRET });
    await eventually(async () => /^kubectl_mcm_store_open 0$/m.test(await guarded.metrics()));
    assert.doesNotMatch(readFileSync(guarded.manager.logFile, 'utf8'), /without authentication/);
  });

  it('is never given credentials in the URL', async () => {
    const { code, stderr } = await mcm(workbench, [
      'manager',
      '--elasticsearch',
      'http://manager:hunter2@127.0.0.1:9200',
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /the URL holds a user name or password\n.*--elasticsearch-credentials FILE\n$/);
    assert.doesNotMatch(stderr, /hunter/);
  });
});
