import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { before, describe, it, type TestContext } from 'node:test';
import { connect } from 'node:tls';
import { createKeyPair, daysFromNow, type KeyPair } from '../src/clusters/key-pair.ts';
import { MANAGEMENT_CONFIG } from '../src/install/management.ts';
import type { ConfigMap } from '../src/kube/objects.ts';
import { eventually, frontProxyKeys, getObject, managerPort, sharedWorkbench } from './harness.ts';
import { startOwnManagement } from './own-management.ts';

const workbench = sharedWorkbench();
const CONFIG = ['configmap', 'extension-apiserver-authentication', 'kube-system'] as const;
const PATCH = ['patch', 'configmap', 'extension-apiserver-authentication', '-n', 'kube-system', '--type=merge', '-p'];
const CA = 'requestheader-client-ca-file';
const ALLOWED = 'requestheader-allowed-names';
const USERS = 'requestheader-username-headers';
/** What says who asks where nothing else is said. */
const JANE = { 'X-Remote-User': 'jane' };

let newCa: KeyPair;

before(async () => {
  newCa = await createKeyPair({ commonName: 'new-front-proxy-ca', usages: [], ca: true, notAfter: daysFromNow(1) });
});

async function keysOf(commonName: string): Promise<KeyPair> {
  return await createKeyPair({ commonName, usages: ['client'], notAfter: daysFromNow(1) }, newCa);
}

/** What the manager answers to a kube-apiserver that has this name and a certificate of the new CA. */
async function codeFor(commonName: string, headers: Readonly<Record<string, string>> = JANE): Promise<number> {
  const ask = await managerPort(workbench, await keysOf(commonName));
  const { code, text } = await ask('/apis/lma.tigera.io', { headers });
  if (code !== 200) assert.match(text, /"reason":"Unauthorized"/);
  return code;
}

/** What is published, to be there again after the test. kube-apiserver keeps what of it is its own. */
async function published(t: TestContext): Promise<Readonly<Record<string, string>>> {
  const { data = {} } = await getObject<ConfigMap>(workbench, ...CONFIG);
  t.after(() => publish(data));
  return data;
}

async function publish(data: Readonly<Record<string, string>>): Promise<void> {
  await workbench.mustKubectl([...PATCH, JSON.stringify({ data })]);
}

/** kube-apiserver's own way in is open all the time. */
async function assertOpen(): Promise<void> {
  await workbench.mustKubectl(['get', '--raw', '/apis/lma.tigera.io/v1']);
}

describe("the front proxy's configuration", { concurrency: false }, () => {
  it('counts as it is now: a CA that comes, the names it allows, and a CA that goes', async (t) => {
    const before = await published(t);
    assert.equal(await codeFor('front-proxy-client'), 401);

    await publish({ [CA]: `${before[CA]}${newCa.certificate}` });
    await eventually(async () => (await codeFor('front-proxy-client')) === 200);
    for (const name of ['front-proxy-clients', 'front-proxy', 'jane', '']) assert.equal(await codeFor(name), 401, name);
    await assertOpen();

    await publish({ [CA]: before[CA] ?? '' });
    await eventually(async () => (await codeFor('front-proxy-client')) === 401);
    await assertOpen();
  });

  it('takes names and headers that are added, and then no longer', async (t) => {
    const before = await published(t);
    await publish({ [CA]: `${before[CA]}${newCa.certificate}` });
    await eventually(async () => (await codeFor('front-proxy-client')) === 200);
    const other = { 'X-Other-User': 'jane' };
    assert.deepEqual([await codeFor('other-proxy'), await codeFor('front-proxy-client', other)], [401, 401]);

    const added = (key: string, name: string) => JSON.stringify([...JSON.parse(before[key] ?? '[]'), name]);
    await publish({ [ALLOWED]: added(ALLOWED, 'other-proxy'), [USERS]: added(USERS, 'X-Other-User') });
    await eventually(async () => (await codeFor('other-proxy', other)) === 200);
    assert.equal(await codeFor('front-proxy-client'), 200);
    assert.equal(await codeFor('front-proxy-clients'), 401);
    assert.equal(await codeFor('other-proxy', { 'X-Another-User': 'jane' }), 401);
    await assertOpen();

    await publish(before);
    await eventually(async () => (await codeFor('front-proxy-client')) === 401);
  });

  // On servers of its own: a manager that others start meanwhile would find what is of no use.
  it('stays as it was while what is published is of no use, and /readyz says so', async (t) => {
    const { workbench: own, cluster } = await startOwnManagement(workbench, 'unpublished');
    t.after(() => cluster.stop());
    const manager = await own.startManager();
    t.after(() => manager.stop());
    const before = (await getObject<ConfigMap>(own, ...CONFIG)).data ?? {};
    const ready = async () => await fetch(`http://127.0.0.1:${own.facts.managerPorts.health}/readyz?verbose`);
    for (const [bad, words] of [
      [
        { [CA]: '' },
        /^\[\+\]front-proxy ok \(what was published last is not taken: .+ has no requestheader-client-ca/m,
      ],
      [{ [CA]: 'no PEM' }, /^\[\+\]front-proxy ok \(.+ not taken: .+ holds no certificates in PEM/m],
      [{ [CA]: before[CA] ?? '', [ALLOWED]: 'front-proxy-client' }, /^\[\+\]front-proxy ok \(.+ not taken: .+JSON/m],
    ] as const) {
      await own.mustKubectl([...PATCH, JSON.stringify({ data: bad })]);
      await eventually(async () => words.test(await (await ready()).text()));
      assert.equal((await ready()).status, 200);
      // By its own rhythm kube-apiserver finds out that a manager has come.
      await eventually(async () => (await own.kubectl(['get', '--raw', '/apis/lma.tigera.io/v1'])).code === 0);
    }
    await own.mustKubectl([...PATCH, JSON.stringify({ data: before })]);
    await eventually(async () => /^\[\+\]front-proxy ok$/m.test(await (await ready()).text()));
  });
});

describe('a connection', () => {
  it('does not outlive the CA that verified it, neither kept open nor resumed', async (t) => {
    const before = await published(t);
    await publish({ [CA]: `${before[CA]}${newCa.certificate}` });
    await eventually(async () => (await codeFor('front-proxy-client')) === 200);

    const config = await getObject<ConfigMap>(workbench, 'configmap', MANAGEMENT_CONFIG, 'kubectl-mcm');
    const keys = await keysOf('front-proxy-client');
    const { api: port } = workbench.facts.managerPorts;
    const tls = {
      ...{ host: '127.0.0.1', port, servername: 'manager.kubectl-mcm.svc', ca: config.data?.['ca.crt'] ?? '' },
      ...{ cert: keys.certificate, key: keys.key },
    };
    const open = ({ certificate, key }: KeyPair) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      t.after(() => agent.destroy());
      const options = { ...tls, cert: certificate, key, agent, path: '/apis/lma.tigera.io', headers: JANE };
      return async () =>
        await new Promise<{ readonly code: number; readonly reused: boolean }>((resolve, reject) => {
          const sent = request(options, (response) => {
            const answer = { code: response.statusCode ?? 0, reused: sent.reusedSocket };
            response.resume().once('end', () => resolve(answer));
          });
          sent.once('error', reject).end();
        });
    };
    const [ask, askAsApiserver] = [open(keys), open(frontProxyKeys(workbench))];
    const sessions: Buffer[] = [];
    // One connection that is looked at closely, for its session.
    const first = connect({ ...tls }).on('session', (session) => sessions.push(session));
    await once(first, 'secureConnect');
    await eventually(async () => sessions.length > 0);
    first.end();
    for (const asking of [ask, askAsApiserver]) {
      assert.deepEqual(
        [await asking(), await asking()],
        [
          { code: 200, reused: false },
          { code: 200, reused: true },
        ],
      );
    }

    await publish({ [CA]: before[CA] ?? '' });
    // Both are in use all the time, since the manager closes connections that are not.
    await eventually(async () => {
      // kube-apiserver's own, whose CA is still there, goes on.
      assert.deepEqual(await askAsApiserver(), { code: 200, reused: true });
      return (await ask()).code === 401;
    });
    assert.deepEqual(await ask(), { code: 401, reused: false });
    const resumed = connect({ ...tls, session: sessions.at(-1) as Buffer });
    await once(resumed, 'secureConnect');
    resumed.write('GET /apis/lma.tigera.io HTTP/1.1\r\nHost: x\r\nX-Remote-User: jane\r\nConnection: close\r\n\r\n');
    const text = String((await once(resumed, 'data'))[0]);
    assert.match(text, /^HTTP\/1\.1 401 /);
    resumed.destroy();
  });
});
