import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { addSender, as, forward, grant, type HttpAnswer, mcm, sharedWorkbench, userOf } from './harness.ts';

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

describe('both audit logs', () => {
  before(async () => {
    await grant(workbench, 'ann', { resources: ['access-a'], resourceNames: ['audit*'] });
    await grant(workbench, 'cat', { resources: ['access-a'], resourceNames: ['audit_kube'] });
  });

  it('are one list by time, which says which of them is not allowed', async () => {
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
