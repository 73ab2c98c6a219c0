import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Lease } from '../src/kube/lease.ts';
import type { ConfigMap } from '../src/kube/objects.ts';
import { dayOf } from '../src/logs/record/time.ts';
import { Elasticsearch } from '../testbed/elasticsearch/elasticsearch.ts';
import type { ServerProcess } from '../testbed/processes.ts';
import { Workbench } from '../testbed/testbed.ts';
import {
  addSender,
  apiServicesAre,
  eventually,
  getObject,
  mcm,
  newFolder,
  post,
  sharedWorkbench,
  userOf,
} from './harness.ts';
import { type OwnManagement, startOwnManagement } from './own-management.ts';

const PATH = '/api/v1/flows/logs/bulk';
const DAY = 86_400_000;
const NAMESPACE = 'kubectl-mcm';

let elasticsearch: Elasticsearch;
let own: OwnManagement;
let workbench: Workbench;
let manager: ServerProcess;

before(async () => {
  const shared = sharedWorkbench();
  // On the shared one others' managers would close what is kept for longer here.
  elasticsearch = await Elasticsearch.start(newFolder(shared, 'keeping'), () => undefined);
  own = await startOwnManagement(shared, 'keeping');
  workbench = new Workbench({ ...own.workbench.facts, elasticsearchUrl: elasticsearch.url });
  manager = await workbench.startManager();
  await apiServicesAre(workbench, 'True');
});
after(async () => {
  await manager?.stop();
  await own?.cluster.stop();
  await elasticsearch?.stop('SIGKILL');
});

function flow(time: number): string {
  return `{"end_time":${Math.floor(time / 1000)},"action":"allow"}\n`;
}

/** As somebody does by hand; null takes a key out. */
async function patchConfig(data: Readonly<Record<string, string | null>>): Promise<void> {
  const patch = JSON.stringify({ data });
  await workbench.mustKubectl(['patch', 'configmap', 'logs', '-n', NAMESPACE, '--type=merge', '-p', patch]);
}

async function config(): Promise<ConfigMap> {
  return await getObject<ConfigMap>(workbench, 'configmap', 'logs', NAMESPACE);
}

async function isClosed(index: string): Promise<boolean> {
  const path = `/${index}/_mapping?filter_path=*.mappings._meta`;
  const answer = (await workbench.elasticsearch.request('GET', path)) as Record<
    string,
    { mappings: { _meta: { closed?: number } } }
  >;
  return answer[index]?.mappings._meta.closed !== undefined;
}

describe('retention', () => {
  it("is set for a cluster, closes its days, and can be taken back; another's stay", async () => {
    const [aging, neighbour] = [await addSender(workbench, 'aging'), await addSender(workbench, 'aging-eu')];
    const old = Date.now() - 20 * DAY;
    const set = (...flags: string[]) =>
      mcm(workbench, ['retention', 'set', '--type', 'flow', '--cluster', 'aging', ...flags]);
    const sent = async (sender: typeof aging) =>
      JSON.parse((await post(sender.credentials, PATH, flow(old))).text) as { accepted: number; setAside: number };
    assert.equal((await sent(aging)).setAside, 1);
    const longer = await set('--days', '30');
    assert.deepEqual([longer.code, longer.stdout, longer.stderr], [0, 'configmap/logs configured\n', '']);
    await eventually(async () => (await sent(aging)).accepted === 1);
    assert.equal((await sent(neighbour)).setAside, 1);

    const index = `tigera_secure_ee_flows.aging.${dayOf(old)}`;
    await post(aging.credentials, PATH, flow(Date.now()));
    await workbench.elasticsearch.request('POST', '/_refresh');
    const { data: before } = await config();
    const rehearsal = await set('--days', '5', '--dry-run=server', '-o', 'yaml');
    assert.match(rehearsal.stderr, /^warning: 1 index \(\d[^)]*\) will be closed now and deleted in six hours\n$/);
    assert.match(rehearsal.stdout, /aging:\n\s+flows: 5\n/);
    assert.equal((await config()).data?.retention, before?.retention);

    const shown = await mcm(workbench, ['retention', '--cluster', 'aging']);
    const [year, month, day] = [dayOf(old).slice(0, 4), dayOf(old).slice(4, 6), dayOf(old).slice(6)];
    const row = new RegExp(`^flow +aging +30 +${year}-${month}-${day} +2 +[\\d.]+[KMG]?i?B$`, 'm');
    assert.match(shown.stdout, row);
    assert.match(shown.stdout, /^TYPE +CLUSTER +DAYS +OLDEST DAY +INDICES +SIZE$/m);
    assert.equal(
      (await mcm(workbench, ['retention', '--cluster', 'aging', '--preview'])).stderr,
      'No resources found\n',
    );

    assert.equal((await set('--days', '5')).code, 0);
    await eventually(() => isClosed(index));
    assert.equal((await sent(aging)).setAside, 1);
    const preview = await mcm(workbench, ['retention', '--cluster', 'aging', '--preview', '-o', 'json']);
    const items = preview.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { [key: string]: string });
    assert.deepEqual(
      items.map((item) => item.index),
      [index],
    );
    assert.equal(Date.parse(items[0]?.deletes ?? '') - Date.parse(items[0]?.closes ?? ''), DAY / 4);

    assert.equal((await set('--days', '30')).code, 0);
    await eventually(async () => !(await isClosed(index)));
    assert.equal((await set('--days', 'default')).code, 0);
    assert.doesNotMatch((await config()).data?.retention ?? '', /aging/);
  });

  it('is set while somebody writes what is beside it in the ConfigMap, as the manager does', async () => {
    const admin = await userOf(workbench, { name: 'admin', groups: ['system:masters'] });
    const headers = { 'content-type': 'application/merge-patch+json' };
    let isOver = false;
    const noting = (async () => {
      for (let note = 0; !isOver; note++) {
        const body = JSON.stringify({ metadata: { annotations: { note: String(note) } } });
        const path = `/api/v1/namespaces/${NAMESPACE}/configmaps/logs`;
        assert.equal((await admin(path, { method: 'PATCH', headers, body })).code, 200);
      }
    })();
    try {
      for (const days of ['9', '10', '11', 'default']) {
        const args = ['retention', 'set', '--type', 'flow', '--cluster', 'noted', '--days', days];
        const { code, stderr } = await mcm(workbench, args);
        assert.equal(code, 0, stderr);
      }
    } finally {
      isOver = true;
      await noting;
    }
  });

  it('takes nothing of what is not in order, and says so', async () => {
    const patch = async (retention: string | null) => await patchConfig({ retention });
    await patch('types: {flows: never}');
    await eventually(async () => /is not a number of days/.test((await config()).data?.status ?? ''));
    const { stderr } = await mcm(workbench, ['layout']);
    assert.match(
      stderr,
      /^warning: not taken: retention\.types\.flows: "never" is not a number of days from 1 to 3650$/m,
    );
    const refused = await mcm(workbench, ['retention', 'set', '--type', 'flow', '--days', '9']);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^error: configmap\/logs is not in order: retention\.types\.flows/);
    const sender = await addSender(workbench, 'as-before');
    const answer = async (days: number) =>
      JSON.parse((await post(sender.credentials, PATH, flow(Date.now() - days * DAY))).text) as { setAside: number };
    assert.deepEqual([(await answer(7)).setAside, (await answer(10)).setAside], [0, 1]);
    await patch(null);
    await eventually(async () => /refused: \[\]/.test((await config()).data?.status ?? ''));
  });

  for (const [flags, why] of [
    [['--type', 'flows.x', '--days', '3'], /invalid argument "flows\.x" for "--type" flag/],
    [['--type', 'flow', '--days', '0'], /invalid argument "0" for "--days" flag/],
    [['--type', 'flow', '--days', '3', '--cluster', 'prod.*'], /not a cluster's name/],
  ] as const) {
    it(`refuses ${flags.join(' ')}`, async () => {
      const { code, stderr } = await mcm(workbench, ['retention', 'set', ...flags]);
      assert.equal(code, 1);
      assert.match(stderr, why);
    });
  }

  it('shows nothing to whom RBAC does not let see it', async () => {
    const { code, stderr } = await mcm(workbench, ['retention', '--as', 'nobody']);
    assert.equal(code, 1);
    assert.match(stderr, /^Error from server \(Forbidden\): days\.logs\.kubectl-mcm\.io is forbidden/);
  });

  it('is kept by one manager, which says so in the Lease', async () => {
    const { spec } = await getObject<Lease>(workbench, 'lease', 'log-keeper', NAMESPACE);
    assert.match(spec?.holderIdentity ?? '', /:\d+_[-0-9a-f]{36}$/);
    assert.ok(Date.now() - Date.parse(spec?.renewTime ?? '') < 30_000);
  });
});

describe('layout', () => {
  it('changes from the day after tomorrow on, and is taken back', async () => {
    const before = await mcm(workbench, ['layout']);
    assert.equal(
      before.stdout,
      'FROM          LAYOUT        PREFIX              SHARDS A DAY\n<beginning>   per-cluster   tigera_secure_ee_   1\n',
    );
    const rehearsal = await mcm(workbench, ['layout', 'set', 'shared', '--dry-run=client', '-o', 'yaml']);
    assert.match(rehearsal.stdout, /layout: shared\n/);
    const changed = await mcm(workbench, ['layout', 'set', 'shared', '--shards', '2', '--prefix', 'acme_']);
    assert.equal(changed.code, 0, changed.stderr);
    const from = new Date(Date.now() + 2 * DAY).toISOString().slice(0, 10).replaceAll('-', '');
    assert.equal(changed.stderr, `From ${from} on (UTC), records are stored so.\n`);
    const after = await mcm(workbench, ['layout']);
    assert.match(
      after.stdout,
      /^<beginning> +per-cluster +tigera_secure_ee_ +1\n\d{4}-\d\d-\d\d +shared +acme_ +2\n$/m,
    );
    // Nobody can take back what has been, also not by hand.
    await patchConfig({ history: '- {layout: shared}\n' });
    await eventually(async () => /acme_/.test((await config()).data?.history ?? ''));
    const back = await mcm(workbench, ['layout', 'set', 'per-cluster']);
    assert.equal(back.code, 0, back.stderr);
    await eventually(async () => (await mcm(workbench, ['layout'])).stdout === before.stdout);
  });

  it('is refused where Elasticsearch has no room for it, and then nothing is changed', async () => {
    const { data } = await config();
    const { code, stderr } = await mcm(workbench, ['layout', 'set', 'shared', '--shards', '1000']);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: the manager refuses it: the layout shared would need [\d,]+ shards .* choose fewer shards, or/,
    );
    assert.equal((await config()).data?.layout, data?.layout);
    assert.equal((await config()).data?.history, data?.history);
  });

  it('stays as it is today in what is not said', async () => {
    // It would take the history back.
    await manager.stop();
    await patchConfig({ history: '- {layout: per-cluster, prefix: acme_, shards: 7}\n' });
    const { stdout } = await mcm(workbench, ['layout', 'set', 'shared', '--dry-run=client', '-o', 'yaml']);
    assert.match(stdout, /layout: shared\n\s+prefix: acme_\n\s+shards: 7\n/);
  });
});
