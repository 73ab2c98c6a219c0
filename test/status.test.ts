import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import type { PlaneStatus } from '../src/plugin/status/plane-status.ts';
import { addSender, apply, eventually, mcm, post, sharedWorkbench, userOf } from './harness.ts';

const workbench = sharedWorkbench();
const FLOWS = '/api/v1/flows/logs/bulk';
const RBAC = 'rbac.authorization.k8s.io';
const API = '/apis/logs.kubectl-mcm.io/v1';

async function bind(user: string, role: string): Promise<void> {
  await apply(workbench, [
    {
      apiVersion: `${RBAC}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: `${role}-${user}` },
      subjects: [{ kind: 'User', name: user, apiGroup: RBAC }],
      roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: role },
    },
  ]);
}

describe('status', () => {
  it('says how the manager, the clusters and the store are', async () => {
    const { stdout, stderr } = await mcm(workbench, ['status']);
    assert.equal(stderr, '');
    for (const line of [
      /^Manager: +\S+:\d+, v\d+\.\d+\.\d+, ready, up for \S+$/m,
      /^Clusters: +(none|\d+: \d+ )/m,
      new RegExp(
        `^Store: +Elasticsearch 9\\.\\d+\\.\\d+ at ${workbench.facts.elasticsearchUrl}, (green|yellow), \\d+ of 1000 shards$`,
        'm',
      ),
      /^Layout: +per-cluster, prefix tigera_secure_ee_$/m,
      /^Retention: +(looked after old days \S+ ago|<unknown> \(another manager looks after old days\))$/m,
      /^Spool: +none \(--spool\)$/m,
      /^Dead letters: +\d+ in the last 24 hours$/m,
    ]) {
      assert.match(stdout, line);
    }
  });

  it('warns of an Elasticsearch that answers without authentication', async () => {
    await eventually(async () =>
      /^warning: Elasticsearch answers without authentication: .*\n {2}To do: /m.test(
        (await mcm(workbench, ['status'])).stdout,
      ),
    );
  });

  it('says as JSON and as YAML the same', async () => {
    const json = JSON.parse((await mcm(workbench, ['status', '-o', 'json'])).stdout) as PlaneStatus;
    const yaml = parse((await mcm(workbench, ['status', '-o', 'yaml'])).stdout) as PlaneStatus;
    for (const status of [json, yaml]) {
      assert.ok(status.problems.some(({ reason }) => reason === 'StoreOpen'));
      assert.deepEqual(status.notRead, []);
      const [manager] = status.managers ?? [];
      assert.deepEqual(manager?.status.store.urls, [workbench.facts.elasticsearchUrl]);
      assert.equal(manager?.status.store.answersAnybody, true);
      assert.ok(Date.parse(manager?.status.certificateExpires ?? '') > Date.now());
    }
  });

  it('counts dead letters by cluster and reason, and shows nothing of them', async () => {
    const { credentials } = await addSender(workbench, 'letters');
    const end = Math.floor(Date.now() / 1000);
    const lines = ['hush-1', 'hush-2', `{"end_time":${end},"bytes_in":"hush-3"}`, `{"end_time":${end + 86_400}}`];
    const answer = await post(credentials, FLOWS, lines.join('\n'));
    assert.match(answer.text, /"setAside":4/);
    const shown = async () => (await mcm(workbench, ['status', '-o', 'json'])).stdout;
    const letters = async () =>
      (JSON.parse(await shown()) as PlaneStatus).managers?.[0]?.status.deadLetters?.counts.filter(
        ({ cluster }) => cluster === 'letters',
      ) ?? [];
    await eventually(async () => (await letters()).length === 3);
    assert.deepEqual(
      (await letters()).sort((a, b) => b.records - a.records || a.kind.localeCompare(b.kind)),
      [
        { cluster: 'letters', type: 'flows', kind: 'not a JSON object', records: 2 },
        { cluster: 'letters', type: 'flows', kind: 'bytes_in is no long', records: 1 },
        { cluster: 'letters', type: 'flows', kind: 'its time is more than 12 hours ahead', records: 1 },
      ],
    );
    assert.doesNotMatch(await shown(), /hush/);
    assert.match((await mcm(workbench, ['status'])).stdout, /^CLUSTER +TYPE +SET ASIDE +REASON\n\S+ +\S+ +\d+ +\S/m);
  });

  it('shows nothing to whom RBAC does not let see it, and says which part was not read', async () => {
    const { code, stdout, stderr } = await mcm(workbench, ['status', '--as', 'nobody']);
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal(
      stderr,
      `${[
        'Error from server (Forbidden): managers.logs.kubectl-mcm.io is forbidden: User "nobody" cannot list resource "managers" in API group "logs.kubectl-mcm.io" at the cluster scope',
        'Error from server (Forbidden): managedclusters.kubectl-mcm.io is forbidden: User "nobody" cannot list resource "managedclusters" in API group "kubectl-mcm.io" at the cluster scope',
        'The ClusterRole kubectl-mcm-viewer has the rights that it takes.',
      ].join('\n')}\n`,
    );
  });

  it('shows the clusters to whom may only see these', async () => {
    await apply(workbench, [
      {
        apiVersion: `${RBAC}/v1`,
        kind: 'ClusterRole',
        metadata: { name: 'clusters-only' },
        rules: [{ apiGroups: ['kubectl-mcm.io'], resources: ['managedclusters'], verbs: ['list'] }],
      },
    ]);
    await bind('carla', 'clusters-only');
    const { stdout, stderr } = await mcm(workbench, ['status', '--as', 'carla']);
    assert.match(stdout, /^Manager: +<not read>\nClusters: +(none|\d+: )/);
    assert.match(
      stderr,
      /^Error from server \(Forbidden\): managers\.logs\.kubectl-mcm\.io is forbidden: [^\n]*\nThe ClusterRole [^\n]*\n$/,
    );
  });

  it('shows everything to a viewer, who may read no log and change nothing', async () => {
    await bind('vera', 'kubectl-mcm-viewer');
    const { stdout, stderr } = await mcm(workbench, ['status', '--as', 'vera']);
    assert.equal(stderr, '');
    assert.doesNotMatch(stdout, /<not read>/);
    const get = await userOf(workbench, { name: 'vera' });
    assert.equal((await get(`${API}/managers`)).code, 200);
    assert.equal((await get(`${API}/days`)).code, 200);
    assert.equal((await get('/apis/lma.tigera.io/v1/letters/flows')).code, 403);
    for (const path of [
      '/managers/',
      '/managers/x',
      '/managers/../days/x',
      '/managers%2f',
      '//managers',
      '/Managers',
    ]) {
      assert.notEqual((await get(`${API}${path}`)).code, 200, path);
    }
  });

  it('is what plain kubectl gets too', async () => {
    const { stdout } = await workbench.kubectl(['get', 'managers', '--no-headers']);
    assert.match(stdout, /^\S+:\d+ +True +\w+ +\S+ +\d+\.\d+\.\d+\n$/);
  });

  it('says plainly that a cluster is no management cluster', async () => {
    const [name = ''] = workbench.facts.managed.map((cluster) => cluster.name);
    const { code, stdout, stderr } = await mcm(workbench, ['status', '--context', name]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /\nThis is no management cluster yet: kubectl mcm install management --help\n$/);
  });
});
