import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type KubeFlags, loadKubeContext } from './kubeconfig.ts';

const folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const one = file(
  'one',
  `
current-context: a
clusters: [{name: a, cluster: {server: https://one.example:6443}}, {name: shared, cluster: {server: https://first.example}}]
users: [{name: a, user: {token: one}}, {name: as, user: {token: one, as: jane, as-uid: "7", as-groups: [devs, ops], as-user-extra: {Scopes: [x, y]}}}]
contexts: [{name: a, context: {cluster: a, user: a, namespace: team}}, {name: jane, context: {cluster: a, user: as}}]
`,
);
const two = file(
  'two',
  `
current-context: b
clusters: [{name: b, cluster: {server: https://two.example:6443}}, {name: shared, cluster: {server: https://second.example}}]
users: [{name: a, user: {token: two}}]
contexts: [{name: b, context: {cluster: b, user: a}}, {name: shared, context: {cluster: shared, user: a}}]
`,
);

function load(flags: KubeFlags = {}, ...files: string[]) {
  return loadKubeContext(flags, { KUBECONFIG: files.join(delimiter) });
}

describe('loadKubeContext', () => {
  it('takes the current context', async () => {
    const context = load({}, one);
    assert.deepEqual([context.name, context.server], ['a', 'https://one.example:6443']);
    assert.deepEqual((await context.authenticate()).headers, { authorization: 'Bearer one' });
  });

  it('merges files so that the first that has a name wins, and passes over missing ones', async () => {
    const files = [join(folder, 'missing'), one, two];
    assert.equal(load({}, ...files).name, 'a');
    assert.equal(load({ context: 'shared' }, ...files).server, 'https://first.example');
    const b = load({ context: 'b' }, ...files);
    assert.equal(b.server, 'https://two.example:6443');
    assert.deepEqual((await b.authenticate()).headers, { authorization: 'Bearer one' });
  });

  it('lets flags win', async () => {
    const context = load({ server: 'https://other.example', token: 'flag' }, one);
    assert.equal(context.server, 'https://other.example');
    assert.equal(load({ server: 'other.example:6443' }, one).server, 'https://other.example:6443');
    assert.deepEqual((await context.authenticate()).headers, { authorization: 'Bearer flag' });
    assert.equal(load({ cluster: 'shared' }, one).server, 'https://first.example');
  });

  it('impersonates as the kubeconfig or the flags say, with every group', async () => {
    const { headers } = await load({ context: 'jane' }, one).authenticate();
    assert.deepEqual(headers, {
      authorization: 'Bearer one',
      'impersonate-user': 'jane',
      'impersonate-uid': '7',
      'impersonate-group': ['devs', 'ops'],
      'impersonate-extra-scopes': ['x', 'y'],
    });
    const flags = await load({ context: 'jane', as: 'joe', asGroups: ['g'] }, one).authenticate();
    assert.deepEqual(flags.headers, {
      authorization: 'Bearer one',
      'impersonate-user': 'joe',
      'impersonate-group': ['g'],
    });
  });

  it('writes names in UTF-8', async () => {
    const { headers } = await load({ as: 'Łukasz', asGroups: ['größe'] }, one).authenticate();
    assert.deepEqual(headers['impersonate-user'], Buffer.from('Łukasz').toString('latin1'));
    assert.deepEqual(headers['impersonate-group'], [Buffer.from('größe').toString('latin1')]);
  });

  it('takes a server without TLS, such as "kubectl proxy", and gives it no credentials', async () => {
    const flags = { server: 'http://127.0.0.1:8001', token: 'flag', as: 'joe' };
    assert.deepEqual((await load(flags, one).authenticate()).headers, { 'impersonate-user': 'joe' });
  });

  it("uses a pod's ServiceAccount where there is no kubeconfig", () => {
    const context = loadKubeContext({}, { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' });
    assert.equal(context.name, 'in-cluster');
  });

  for (const [what, flags, files, message] of [
    ['no file', {}, [join(folder, 'missing')], /Missing or incomplete configuration info/],
    ['a missing --kubeconfig', { kubeconfig: '/nonexistent' }, [], /stat \/nonexistent: no such file or directory/],
    ['an unknown --context', { context: 'c' }, [one], /context "c" does not exist/],
    [
      'an unknown current context',
      {},
      [file('lost', 'current-context: lost\n')],
      /context was not found for specified context: lost/,
    ],
    ['an unknown cluster', { cluster: 'c' }, [one], /cluster "c" does not exist/],
    ['a file that does not parse', {}, [file('broken', 'clusters: [')], /error loading config file ".*broken"/],
    [
      'a file that is no kubeconfig',
      {},
      [file('list', '- a\n')],
      /error loading config file ".*list": not a kubeconfig/,
    ],
  ] as const) {
    it(`says what is wrong with ${what}`, () => assert.throws(() => load(flags, ...files), message));
  }
});
