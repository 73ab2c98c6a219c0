// What `check CLUSTER` looks at is broken once for real, as in check.test.ts.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createKeyPair, daysFromNow } from '../src/clusters/key-pair.ts';
import { run } from '../testbed/processes.ts';
import { check, of } from './checked.ts';
import { addSender, apply, as, eventually, mcm, post, type Sender, sharedWorkbench } from './harness.ts';
import { OwnCluster } from './own-cluster.ts';

const workbench = sharedWorkbench();
const FLOWS = '/api/v1/flows/logs/bulk';
const LAST_YEAR = { notBefore: daysFromNow(-400), notAfter: daysFromNow(-35) };

describe('check CLUSTER', { concurrency: false }, () => {
  const NAME = 'checked-one';
  const context = 'checked-there';
  const cluster = ['--managed-context', context] as const;
  const connection = 'managementclusterconnection/tigera-secure';
  let own: OwnCluster;
  let sender: Sender;
  const there = async (...args: string[]) => await own.there(args);

  before(async () => {
    own = await OwnCluster.start(workbench, context);
    await own.installCalico(context);
    sender = await addSender(workbench, NAME);
    await there('apply', '-f', sender.manifest);
  });
  after(() => own.stop());

  it('names a tunnel that was never open, and is well once it is', async (t) => {
    const session = async () => of(await check(own, [NAME]), 'session');
    await eventually(async () => /^it has never connected$|^it has no tunnel/.test((await session()).message));
    assert.match(
      (await session()).todo ?? '',
      /^apply its manifest .* kubectl mcm check checked-one --managed-context/,
    );
    const lookedAt = of(await check(own, [NAME, ...cluster]), 'session');
    assert.match(lookedAt.todo ?? '', /^look at Guardian there: kubectl logs .* --context checked-there$/);
    const agent = own.startAgent({ context, manifest: sender.manifest, logName: NAME });
    t.after(() => agent.stop());
    await eventually(async () => /^its tunnel is open/.test((await session()).message));
    await agent.stop();
    await eventually(async () => (await session()).level === 'error');
    const closed = await session();
    assert.match(closed.message, /^its tunnel is closed for /);
    assert.match(closed.todo ?? '', /kubectl logs -n calico-system deployment\/guardian/);
  });

  it('names the wrong address that Guardian has, and the command that mends it', async () => {
    await there('patch', connection, '--type=merge', '-p', '{"spec":{"managementClusterAddr":"127.0.0.1:1"}}');
    const found = await check(own, [NAME, ...cluster]);
    assert.equal(found.code, 1);
    const { level, message, todo } = of(found, 'wrong-address');
    assert.deepEqual([level, message], ['error', 'Guardian is told to dial "127.0.0.1:1"']);
    assert.match(of(found, 'tcp').cause ?? '', /ECONNREFUSED/);
    const mended = await run('sh', ['-c', todo ?? 'false'], { env: own.env });
    assert.equal(mended.code, 0, mended.stderr);
    assert.equal(of(await check(own, [NAME, ...cluster]), 'wrong-address').level, 'ok');
  });

  it('names keys that do not count, another CA, and an operator that cannot', async () => {
    const secret = ['secret', 'tigera-managed-cluster-connection', '-n', 'tigera-operator'];
    const set = async (key: string, pem: string) => {
      const patch = JSON.stringify({ data: { [key]: Buffer.from(pem).toString('base64') } });
      await there('patch', ...secret, '--type=merge', '-p', patch);
    };
    const stranger = await createKeyPair({
      commonName: NAME,
      organizationalUnit: 'tunnel',
      usages: ['client'],
      notAfter: daysFromNow(9),
    });
    await set('managed-cluster.crt', stranger.certificate);
    const foreign = await check(own, [NAME, ...cluster]);
    assert.equal(of(foreign, 'fingerprint').cause, 'certificate not registered');
    assert.equal(of(foreign, 'fingerprint').todo, `kubectl mcm reissue ${NAME} --managed-context ${context}`);
    await set('management-cluster.crt', stranger.certificate);
    assert.equal(of(await check(own, [NAME, ...cluster]), 'ca').level, 'error');
    await there('delete', ...secret);
    assert.match(of(await check(own, [NAME, ...cluster]), 'fingerprint').message, /is missing$/);

    const conditions = [
      {
        ...{ type: 'Degraded', status: 'True', reason: 'ResourceReadError', message: 'the secret is not there' },
        lastTransitionTime: new Date().toISOString(),
      },
    ];
    await there(
      'patch',
      connection,
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify({ status: { conditions } }),
    );
    assert.equal(of(await check(own, [NAME, ...cluster]), 'connection').cause, 'the secret is not there');
    await there('delete', connection);
    const gone = of(await check(own, [NAME, ...cluster]), 'connection');
    assert.match(gone.message, /has no ManagementClusterConnection tigera-secure$/);
    // What all of them say.
    const { code, stderr } = await mcm(own, ['reissue', NAME, ...cluster]);
    assert.equal(code, 0, stderr);
    const mended = await check(own, [NAME, ...cluster]);
    for (const id of ['fingerprint', 'ca', 'connection', 'wrong-address']) assert.equal(of(mended, id).level, 'ok', id);
  });

  it('names rights that Guardian has not', async () => {
    const before = of(await check(own, [NAME, ...cluster]), 'guardian-rights');
    assert.equal(before.level, 'warning');
    assert.match(before.message, /^Guardian may not list namespaces and clusterinformations/);
    await there(
      'create',
      'clusterrole',
      'check-guardian',
      '--verb=list',
      '--resource=namespaces,clusterinformations.projectcalico.org',
    );
    const bind = ['create', 'clusterrolebinding', 'check-guardian', '--clusterrole=check-guardian'];
    await there(...bind, '--serviceaccount=calico-system:guardian');
    await eventually(async () => of(await check(own, [NAME, ...cluster]), 'guardian-rights').level === 'ok');
    await there('delete', 'clusterrole,clusterrolebinding', 'check-guardian');
  });

  it('says how far behind logs are', async () => {
    const none = of(await check(own, [NAME]), 'last-upload');
    assert.deepEqual([none.level, none.message], ['warning', 'no flow came in the last 24 hours']);
    const { credentials } = await addSender(workbench, 'checked-lag');
    const end = Math.floor(Date.now() / 1000) - 60;
    assert.equal((await post(credentials, FLOWS, `{"end_time":${end}}\n`)).code, 200);
    await workbench.elasticsearch.request('POST', '/tigera_secure_ee_flows.checked-lag.*/_refresh');
    const well = of(await check(own, ['checked-lag']), 'last-upload');
    assert.equal(well.level, 'ok');
    assert.match(well.message, /^flow: the newest record is \S+ old, and came \d+s ago$/);
    await cameAgo('flows', 1_800_000);
    const late = of(await check(own, ['checked-lag']), 'last-upload');
    assert.equal(late.level, 'warning');
    assert.match(late.message, /came 30m ago$/);
    assert.match(late.todo ?? '', /kubectl get tigerastatus goldmane/);
    // Of other types nothing is told where nothing came, and more patience is had.
    assert.equal(
      (await check(own, ['checked-lag'])).findings.some(({ id }) => id === 'lag-dns'),
      false,
    );
    assert.equal((await post(credentials, '/api/v1/dns/logs/bulk', `{"end_time":${end}}\n`)).code, 200);
    await cameAgo('dns', 1_800_000);
    assert.equal(of(await check(own, ['checked-lag']), 'lag-dns').level, 'ok');
    await cameAgo('dns', 7_200_000);
    const silent = of(await check(own, ['checked-lag']), 'lag-dns');
    assert.equal(silent.level, 'warning');
    assert.match(silent.message, /^dns: the newest record is \S+ old, and came 120m ago$/);
    assert.match(silent.todo ?? '', /kubectl mcm forward status, on a node of checked-lag$/);
  });

  it('names certificates that have run out or were taken away, and a name that is not there', async () => {
    const names = { commonName: 'checked-old', organizationalUnit: 'tunnel' };
    const old = await createKeyPair({ ...names, usages: ['client'], ...LAST_YEAR });
    const spec = { certificate: Buffer.from(old.certificate).toString('base64') };
    await apply(workbench, [
      { apiVersion: 'kubectl-mcm.io/v1', kind: 'ManagedCluster', metadata: { name: 'checked-old' }, spec },
    ]);
    const expired = of(await check(own, ['checked-old']), 'certificate');
    assert.equal(expired.level, 'error');
    assert.match(expired.message, /^its tunnel certificate has run out$/);
    assert.match(expired.todo ?? '', /^kubectl mcm reissue checked-old /);
    await workbench.mustMcm(['revoke', 'checked-old']);
    assert.match(of(await check(own, ['checked-old']), 'certificate').message, /^it has no certificate/);
    const fleet = await check(workbench);
    assert.ok(fleet.findings.some(({ id, message }) => id === 'certificate' && message.startsWith('checked-old: ')));
    assert.match(of(fleet, 'clusters').message, /^\d+ of \d+ clusters are in order$/);
    const nobody = of(await check(own, ['checked-nobody']), 'registered');
    assert.equal(nobody.todo, 'kubectl mcm add-cluster checked-nobody -o checked-nobody.yaml');
    await workbench.mustMcm(['remove-cluster', 'checked-old']);
  });

  it('leaves out, and says so, what the caller may not see', async () => {
    const { code, findings } = await check(workbench, ['checked-lag', ...(await as(workbench, 'seer'))]);
    const skippedIds = findings.filter(({ level }) => level === 'skipped').map(({ id }) => id);
    assert.deepEqual(skippedIds, [
      'cluster-type',
      'address',
      'api-service',
      'manager',
      'who-may-register',
      'leftovers',
      'registered',
    ]);
    assert.equal(code, 0);
  });

  it('refuses what does not go together', async () => {
    for (const [args, words] of [
      [['--managed-context', 'prod-us'], /^error: --managed-context needs the name of its cluster/],
      [['x', '--pre'], /^error: --pre is of what is not installed yet/],
      [['x', '--managed-context', 'nope'], /^error: context "nope" does not exist\n/],
    ] as const) {
      const { code, stderr } = await mcm(workbench, ['check', ...args]);
      assert.equal(code, 1);
      assert.match(stderr, words);
    }
  });
});

/** Makes the only record of a type one that came so many milliseconds ago. */
async function cameAgo(type: string, age: number): Promise<void> {
  const pattern = `/tigera_secure_ee_${type}.checked-lag.*`;
  await workbench.elasticsearch.request('POST', `${pattern}/_refresh`);
  const found = (await workbench.elasticsearch.request('GET', `${pattern}/_search`)) as {
    readonly hits: {
      readonly hits: readonly { readonly _index: string; readonly _id: string; readonly _source: object }[];
    };
  };
  const [hit] = found.hits.hits;
  const path = `/${hit?._index}/_doc/${encodeURIComponent(hit?._id ?? '')}?refresh=true`;
  await workbench.elasticsearch.request('PUT', path, { ...hit?._source, ingested: Date.now() - age });
}
