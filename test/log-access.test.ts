import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { userKeys } from '../testbed/kubernetes/cluster.ts';
import { addSender, as, forward, grant, type HttpAnswer, mcm, rawRequest, sharedWorkbench, userOf } from './harness.ts';

const workbench = sharedWorkbench();
const API = '/apis/lma.tigera.io/v1';
const AUDIT =
  '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"3d1f0a52-0000-4000-8000-000000000001","stage":"ResponseComplete","requestURI":"/api/v1/namespaces","verb":"list","user":{"username":"jane"},"objectRef":{"resource":"namespaces","apiVersion":"v1"},"responseStatus":{"code":200},"stageTimestamp":"NOW"}';

interface Item {
  readonly log_type: string;
  readonly cluster: string;
}

function itemsOf({ code, text }: HttpAnswer): readonly Item[] {
  assert.equal(code, 200, text);
  return (JSON.parse(text) as { items: Item[] }).items;
}

before(async () => {
  for (const cluster of ['access-a', 'access-b']) {
    const sender = await addSender(workbench, cluster);
    const now = Date.now();
    const range = { count: 20, from: now - 60_000, to: now };
    const write = (name: string, records: Iterable<string>) => {
      const file = join(sender.folder, name);
      writeFileSync(file, `${[...records].join('\n')}\n`);
      return file;
    };
    const audit = AUDIT.replace('NOW', new Date(now).toISOString());
    const args = [
      ...['--flow', write('flows.log', generateFlows({ seed: 1, ...range }))],
      ...['--dns', write('dns.log', generateDns({ seed: 1, ...range }))],
      ...['--audit-kube', write('kube-audit.log', [audit])],
      ...['--audit-ee', write('tsee-audit.log', [audit.replace('jane', 'joe')])],
    ];
    const { code, stderr } = await forward(workbench, sender, args);
    assert.equal(code, 0, stderr);
  }
  await workbench.elasticsearch.request('POST', '/_refresh');
});

describe("a user who may read one cluster's flows", () => {
  before(() => grant(workbench, 'flora', { resources: ['access-a'], resourceNames: ['flows'] }));

  it('reads them', async () => {
    const { code, stdout } = await mcm(workbench, [
      'logs',
      '--cluster',
      'access-a',
      '-o',
      'json',
      ...(await as(workbench, 'flora')),
    ]);
    assert.equal(code, 0);
    const items = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Item);
    assert.equal(items.length, 20);
    for (const item of items) assert.deepEqual([item.log_type, item.cluster], ['flows', 'access-a']);
  });

  for (const [what, args, resource, name] of [
    ['its DNS log', ['--cluster', 'access-a', '--type', 'dns'], 'access-a', 'dns'],
    ['its audit log', ['--cluster', 'access-a', '--type', 'audit'], 'access-a', 'audit_ee'],
    ["another cluster's flows", ['--cluster', 'access-b'], 'access-b', 'flows'],
    ['the flows of a cluster that does not exist', ['--cluster', 'access-c'], 'access-c', 'flows'],
  ] as const) {
    it(`gets kubectl's Forbidden line for ${what}`, async () => {
      const { code, stdout, stderr } = await mcm(workbench, ['logs', ...args, ...(await as(workbench, 'flora'))]);
      assert.equal(code, 1);
      assert.equal(stdout, '');
      assert.equal(
        stderr,
        `Error from server (Forbidden): ${resource}.lma.tigera.io "${name}" is forbidden: User "flora" cannot get resource "${resource}" in API group "lma.tigera.io" at the cluster scope\n`,
      );
    });
  }
});

describe('a user who may read flows of every cluster', () => {
  before(() => grant(workbench, 'wanda', { resources: ['*'], resourceNames: ['flows'] }));

  it('reads flows of every cluster that there is', async () => {
    const get = await userOf(workbench, { name: 'wanda' });
    for (const cluster of ['access-a', 'access-b'])
      assert.equal(itemsOf(await get(`${API}/${cluster}/flows`)).length, 20);
    const { code, text } = await get(`${API}/access-c/flows`);
    assert.equal(code, 404);
    assert.match(text, /managedclusters.kubectl-mcm.io \\"access-c\\" not found/);
  });

  // kube-apiserver takes these for flows, which this user may read: only the manager says no.
  for (const path of [
    '/access-a/flows/../dns',
    '/access-a/flows/%2e%2e/dns',
    '/access-a/flows/%2E%2E/dns',
    '/access-a/flows/.%2e/dns',
    '/access-a/flows%2f..%2fdns',
    '/access-a/flows%2F..%2Fdns',
    '/access-a/flows/dns',
    '/access-a/flows/',
    '/access-a/flows//',
    '/access-a/flows/.',
    '/namespaces/access-a/access-a/flows',
    '/namespaces/default/access-a/flows',
    '/access-a/flows/dns?type=flows',
    '/*/flows',
    '/access-*/flows',
    '/access-a,access-b/flows',
    '/access-a%2Cflows/flows',
  ]) {
    it(`gets nothing from the manager at ${path}`, async () => {
      const get = await userOf(workbench, { name: 'wanda' });
      const { code, text } = await get(`${API}${path}`);
      assert.equal(code, 404, text);
      assert.match(text, /no such logs/);
    });
  }

  for (const path of [
    '/access-a/dns',
    '/access-a/flows%252f..%252fdns',
    '/access-a//flows',
    '//access-a/flows',
    '/access-a/./flows',
    '/access-a/flows;dns',
    '/access-a/flows%00',
    '/access-a/flows%20',
    '/access-a/Flows',
    '/access-b/../access-a/dns',
    '/namespaces/access-a/flows',
    '/namespaces/default/access-a/dns',
    '/watch/access-a/flows',
    '/proxy/access-a/flows',
    '/access-a/dns/flows',
    '/access-a/*/flows',
    '/access-a/*',
    '/access-a/audit*',
    '/../access-a/dns',
    '/flows',
    '/access-a',
    '/access-a/',
    '/./access-a/dns',
  ]) {
    it(`gets nothing at ${path}`, async () => {
      const get = await userOf(workbench, { name: 'wanda' });
      assert.equal((await get(`${API}${path}`)).code, 403);
    });
  }

  for (const query of ['?type=dns', '?type=audit', '?type=audit_kube&type=flows', '?type=*', '?type=flows%00']) {
    it(`gets no other type at flows${query}`, async () => {
      const get = await userOf(workbench, { name: 'wanda' });
      const { code } = await get(`${API}/access-a/flows${query}`);
      assert.equal(code, 400);
    });
  }

  it('gets only flows whatever the query string', async () => {
    const get = await userOf(workbench, { name: 'wanda' });
    for (const query of ['', '?type=flows', '?type=flow&type=dns', '?cluster=access-b', '?index=*', '?limit=10000']) {
      const items = itemsOf(await get(`${API}/access-a/flows${query}`));
      assert.ok(items.length > 0);
      for (const item of items) assert.deepEqual([item.log_type, item.cluster], ['flows', 'access-a'], query);
    }
  });
});

/** Whether a user gets logs of a type, and nothing but those; who does not gets kubectl's Forbidden line. */
async function reads(user: string, type: string): Promise<boolean> {
  const args = ['logs', '--cluster', 'access-a', '--type', type, '-o', 'json', ...(await as(workbench, user))];
  const { code, stdout, stderr } = await mcm(workbench, args);
  if (code !== 0) {
    assert.match(stderr, /^Error from server \(Forbidden\)/);
    return false;
  }
  const types = stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as Item).log_type);
  assert.deepEqual([...new Set(types)], [type]);
  return true;
}

describe('a user with a name beyond ASCII', () => {
  for (const name of ['jürgen', 'Łukasz', '花子@例え.jp']) {
    it(`${name} reads what was granted to them, and may be impersonated`, async () => {
      await grant(workbench, name, { resources: ['access-a'], resourceNames: ['flows'] });
      const get = await userOf(workbench, { name });
      assert.equal(itemsOf(await get(`${API}/access-a/flows`)).length, 20);
      const { code, stderr } = await mcm(workbench, ['logs', '--cluster', 'access-a', '--as', name]);
      assert.deepEqual([code, stderr], [0, '']);
    });
  }
});

describe('grants as the documentation writes them', () => {
  for (const [user, resourceNames, covers] of [
    ['ann', ['audit*'], ['audit_ee', 'audit_kube']],
    ['bob', ['audit'], ['audit_ee', 'audit_kube']],
    ['cat', ['audit_kube'], ['audit_kube']],
    ['dan', ['*'], ['flows', 'dns', 'audit_ee', 'audit_kube']],
    ['eve', undefined, ['flows', 'dns', 'audit_ee', 'audit_kube']],
    ['fay', ['flows', 'dns'], ['flows', 'dns']],
  ] as const) {
    it(`${resourceNames?.join(', ') ?? 'no resourceNames'}: ${covers.join(', ')}`, async () => {
      await grant(workbench, user, {
        resources: ['access-a'],
        ...(resourceNames === undefined ? {} : { resourceNames }),
      });
      const readable: string[] = [];
      for (const type of ['flows', 'dns', 'audit_ee', 'audit_kube']) if (await reads(user, type)) readable.push(type);
      assert.deepEqual(readable, covers);
    });
  }

  it('show both audit logs in order of time, and say which one is not allowed', async () => {
    const both = await mcm(workbench, [
      'logs',
      '--cluster',
      'access-a',
      '--type',
      'audit',
      ...(await as(workbench, 'ann')),
    ]);
    assert.equal(both.code, 0, both.stderr);
    assert.match(both.stdout, /joe/);
    assert.match(both.stdout, /jane/);
    const one = await mcm(workbench, [
      'logs',
      '--cluster',
      'access-a',
      '--type',
      'audit',
      ...(await as(workbench, 'cat')),
    ]);
    assert.equal(one.code, 3);
    assert.match(one.stdout, /jane/);
    assert.doesNotMatch(one.stdout, /joe/);
    assert.match(
      one.stderr,
      /^warning: audit-ee logs of cluster "access-a" are not shown: access-a.lma.tigera.io "audit_ee" is forbidden: User "cat" cannot get/,
    );
  });
});

describe("the manager's API port", () => {
  const forged = { 'X-Remote-User': 'admin', 'X-Remote-Group': 'system:masters' };
  const origin = `https://${workbench.apiAddress}`;
  const path = `${API}/access-a/flows`;

  it('refuses who comes past kube-apiserver, whatever their headers say', async () => {
    const { management } = workbench.facts;
    const ca = await managerCa();
    const servername = 'manager.kubectl-mcm.svc';
    const anonymous = await rawRequest(origin, path, { ca, servername, headers: forged });
    assert.equal(anonymous.code, 401);
    assert.match(anonymous.text, /"reason":"Unauthorized"/);
    // An administrator of the cluster, with a certificate that is good everywhere else.
    const admin = await userKeys(management, { name: 'admin', groups: ['system:masters'] });
    const known = { cert: admin.certificate, key: admin.key };
    assert.equal((await rawRequest(origin, path, { ca, servername, headers: forged, ...known })).code, 401);
    // One who calls themselves what the front proxy is called, by the wrong CA.
    const impostor = await userKeys(management, { name: 'front-proxy-client' });
    const pretended = { cert: impostor.certificate, key: impostor.key };
    assert.equal((await rawRequest(origin, path, { ca, servername, headers: forged, ...pretended })).code, 401);
  });

  it('asks for the right to what it reads itself, when kube-apiserver has let a request pass', async () => {
    await grant(workbench, 'otto', { resources: ['access-a'], resourceNames: ['flows'] });
    const pki = join(workbench.facts.management.directory, 'pki');
    const options = {
      ca: await managerCa(),
      servername: 'manager.kubectl-mcm.svc',
      cert: readFileSync(join(pki, 'front-proxy.crt'), 'utf8'),
      key: readFileSync(join(pki, 'front-proxy.key'), 'utf8'),
      headers: { 'X-Remote-User': 'otto', 'X-Remote-Group': 'system:authenticated' },
    };
    const codes: Record<string, number> = {};
    for (const read of ['access-a/flows', 'access-a/dns', 'access-a/audit*', 'access-a/*', 'access-b/flows']) {
      codes[read] = (await rawRequest(origin, `${API}/${read}`, options)).code;
    }
    // Under the name * otto gets what he may see of it; kube-apiserver would have asked for a grant of * itself.
    assert.deepEqual(codes, {
      'access-a/flows': 200,
      'access-a/dns': 403,
      'access-a/audit*': 403,
      'access-a/*': 200,
      'access-b/flows': 403,
    });
    const all = itemsOf(await rawRequest(origin, `${API}/access-a/*`, options));
    assert.deepEqual([...new Set(all.map(({ log_type }) => log_type))], ['flows']);
  });

  it('is told by kube-apiserver who the user is, not by the user', async () => {
    const { management } = workbench.facts;
    const keys = await userKeys(management, { name: 'mallory' });
    const options = { ca: management.ca.certificate, cert: keys.certificate, key: keys.key, headers: forged };
    const { code, text } = await rawRequest(management.url, path, options);
    assert.equal(code, 403);
    assert.match(text, /User \\"mallory\\"/);
  });
});

async function managerCa(): Promise<string> {
  const text = await workbench.mustKubectl(['get', 'configmap', 'management', '-n', 'kubectl-mcm', '-o', 'json']);
  return (JSON.parse(text) as { data: Record<string, string> }).data['ca.crt'] ?? '';
}
