// Each check is broken once for real: it says so by its id, and what it says mends it where that is a command.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createKeyPair, daysFromNow, type KeyPair } from '../src/clusters/key-pair.ts';
import { MANAGER_DNS_NAMES } from '../src/install/management.ts';
import type { ConfigMap, Secret } from '../src/kube/objects.ts';
import { certificateContext, writeKubeconfig } from '../testbed/kubernetes/cluster.ts';
import { freePorts, run, type ServerProcess } from '../testbed/processes.ts';
import type { ManagerOptions, Workbench } from '../testbed/testbed.ts';
import { check, of } from './checked.ts';
import {
  addSender,
  apiServicesAre,
  apply,
  as,
  eventually,
  getObject,
  mcm,
  newFolder,
  post,
  sharedWorkbench,
} from './harness.ts';
import { type OwnManagement, startOwnManagement } from './own-management.ts';
import { ApiProxy } from './proxies.ts';

const workbench = sharedWorkbench();
const FLOWS = '/api/v1/flows/logs/bulk';
const LAST_YEAR = { notBefore: daysFromNow(-400), notAfter: daysFromNow(-35) };

describe('check', { concurrency: false }, () => {
  let own: OwnManagement;
  let bench: Workbench;
  let manager: ServerProcess | undefined;
  const kubectl = async (...args: string[]) => await own.workbench.mustKubectl(args);
  const install = async (...more: string[]) => {
    const { address, apiAddress } = bench;
    return await mcm(bench, ['install', 'management', '--address', address, '--external-manager', apiAddress, ...more]);
  };
  const startManager = async (options: ManagerOptions = {}) => {
    await manager?.stop();
    manager = await bench.startManager(options);
  };
  const servicesAre = async (status: 'True' | 'False') => await apiServicesAre(own.workbench, status);

  before(async () => {
    own = await startOwnManagement(workbench, 'checked');
    bench = own.workbench;
  });
  after(async () => {
    await manager?.stop();
    await own.cluster.stop();
  });

  it('names a manager that does not run: its port, its API services, itself', async () => {
    await servicesAre('False');
    const found = await check(bench);
    assert.deepEqual([found.code, found.ids], [1, ['tcp', 'api-service', 'manager']]);
    assert.match(of(found, 'tcp').cause ?? '', /ECONNREFUSED/);
    assert.match(of(found, 'tcp').todo ?? '', /^start the manager \(kubectl mcm manager\)/);
    assert.match(of(found, 'api-service').message, /^the API service v1\.\S+ has no backend that answers$/);
    assert.match(of(found, 'api-service').todo ?? '', /kubectl delete apiservice v1\./);
    assert.match(of(found, 'manager').todo ?? '', /^start it \(kubectl mcm manager\)/);
    const { code, stdout } = await mcm(bench, ['check']);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^management cluster\n-+\nOK {3}the Kubernetes API answers \(v1\.\d+\.\d+.*\)\nOK {3}its type is Management\nOK {3}managed clusters are told to dial /,
    );
    assert.match(
      stdout,
      /^FAIL nothing takes connections at .* \[tcp\]\n {5}why: .*ECONNREFUSED.*\n {5}to do: start the manager/m,
    );
    assert.match(stdout, /^6 errors, 0 warnings$/m);
  });

  it('names a certificate that has run out, which install makes anew', async () => {
    const secret = async (name: string) => (await getObject<Secret>(bench, 'secret', name, 'kubectl-mcm')).data ?? {};
    const text = (data: Readonly<Record<string, string>>, key: string) =>
      Buffer.from(data[key] ?? '', 'base64').toString();
    const data = await secret('ca');
    const ca: KeyPair = { certificate: text(data, 'tls.crt'), key: text(data, 'tls.key') };
    const names = { commonName: 'kubectl-mcm manager', dnsNames: [...MANAGER_DNS_NAMES] };
    const old = await createKeyPair({ ...names, usages: ['server'], ...LAST_YEAR }, ca);
    const base64 = (pem: string) => Buffer.from(pem).toString('base64');
    const patch = { data: { 'tls.crt': base64(old.certificate), 'tls.key': base64(old.key) } };
    await kubectl('patch', 'secret', 'manager-tls', '-n', 'kubectl-mcm', '--type=merge', '-p', JSON.stringify(patch));
    await startManager();
    const found = await check(bench);
    assert.equal(found.code, 1);
    assert.match(of(found, 'tls').cause ?? '', /certificate has expired/);
    // The test has written to the Secret by other means.
    assert.equal((await install('--force-conflicts')).code, 0);
    await startManager();
    await servicesAre('True');
    const mended = await check(bench);
    assert.equal(mended.code, 0, JSON.stringify(mended.findings));
    assert.match(of(mended, 'tls').message, /is good for \d+ days, until \d{4}-\d{2}-\d{2}$/);
    assert.match(of(mended, 'manager-certificate').message, /^the manager's certificate is good for \d+ days/);
    assert.match(of(mended, 'store').message, /^Elasticsearch (9\.\d+\.\d+ at http\S+ is green$|is yellow: )/);
  });

  it('warns of an Elasticsearch that answers anybody', async () => {
    await eventually(async () => (await check(bench)).ids.includes('store-security'));
    const { level, todo } = of(await check(bench), 'store-security');
    assert.deepEqual([level, todo?.includes('docs/storage.md')], ['warning', true]);
  });

  it('names an address that nobody can dial, or where somebody else answers', async () => {
    const config = async () => await getObject<ConfigMap>(bench, 'configmap', 'management', 'kubectl-mcm');
    const set = async (data: object) =>
      await kubectl(
        'patch',
        'configmap',
        'management',
        '-n',
        'kubectl-mcm',
        '--type=merge',
        '-p',
        JSON.stringify({ data }),
      );
    const { data = {} } = await config();
    const [nobody = 0] = await freePorts(1);
    const somebodyElse = new URL(bench.facts.management.url).host;
    const expired = await createKeyPair({
      commonName: 'old',
      dnsNames: ['voltron'],
      usages: [],
      ca: true,
      ...LAST_YEAR,
    });
    for (const [wrong, id, words] of [
      [{ address: 'manager' }, 'address', /not of the form HOST:PORT/],
      [{ address: 'nobody.localhost.invalid:9449' }, 'dns', /ENOTFOUND|EAI_AGAIN|no answer|aborted/],
      [{ address: `127.0.0.1:${nobody}` }, 'tcp', /ECONNREFUSED/],
      [{ address: somebodyElse }, 'tls', /certificate/],
      [{ 'ca.crt': expired.certificate }, 'ca-certificate', /it was good until/],
    ] as const) {
      await set(wrong);
      const found = await check(bench);
      assert.equal(found.code, 1);
      assert.equal(of(found, id).level, 'error');
      assert.match(of(found, id).cause ?? '', words);
      assert.match(
        of(found, id).todo ?? '',
        id === 'ca-certificate' ? /, then kubectl mcm upgrade, start/ : /kubectl mcm upgrade --address HOST:PORT/,
      );
    }
    await set(data);
    assert.equal((await check(bench)).code, 0);
  });

  it('names an API service of ours that is missing, and the command that makes it again', async () => {
    await kubectl('delete', 'apiservice', 'v1.query.kubectl-mcm.io');
    const { level, message, todo } = of(await check(bench), 'api-service');
    assert.deepEqual(
      [level, message, todo],
      ['error', 'the API service v1.query.kubectl-mcm.io is missing', 'kubectl mcm upgrade'],
    );
    const mended = await run('sh', ['-c', todo ?? 'false'], { env: bench.env });
    assert.equal(mended.code, 0, mended.stderr);
    await servicesAre('True');
    assert.equal((await check(bench)).code, 0);
  });

  it('names an API service of others without a backend, and what older ways have left behind', async () => {
    const service = { name: 'nobody', namespace: 'default' };
    const spec = { group: 'example.com', version: 'v1', service, groupPriorityMinimum: 100, versionPriority: 100 };
    const versions = [
      {
        ...{ name: 'v1', served: true, storage: true },
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ];
    const names = { kind: 'Installation', plural: 'installations', singular: 'installation' };
    const installations = {
      ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
      metadata: { name: 'installations.operator.tigera.io' },
      spec: { group: 'operator.tigera.io', scope: 'Cluster', names, versions },
    };
    await apply(bench, [
      {
        ...{ apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name: 'v1.example.com' } },
        spec: { ...spec, insecureSkipTLSVerify: true },
      },
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tigera-manager' } },
      {
        ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'tigera-manager-mcm', namespace: 'tigera-manager' } },
        spec: { ports: [{ port: 9449 }], selector: { 'k8s-app': 'tigera-manager' } },
      },
      installations,
    ]);
    await bench.untilEstablished([installations]);
    const installation = { apiVersion: 'operator.tigera.io/v1', kind: 'Installation', metadata: { name: 'default' } };
    await apply(bench, [{ ...installation, spec: { clusterManagementType: 'Management' } }]);
    await eventually(async () => (await check(bench)).ids.includes('api-service-without-backend'));
    const found = await check(bench);
    assert.equal(found.code, 0, 'none of it keeps the management plane from its work');
    assert.match(of(found, 'api-service-without-backend').cause ?? '', /^ServiceNotFound: /);
    await apply(bench, [{ ...installation, spec: { clusterManagementType: 'Managed' } }]);
    const both = of(await check(bench), 'cluster-type');
    assert.deepEqual([both.level, both.todo], ['error', 'kubectl mcm type shows what says so']);
    assert.match(
      both.cause ?? '',
      /it is a management cluster by .* and a managed cluster by .*: a cluster can be one/,
    );
    for (const id of ['api-service-without-backend', 'old-tunnel-service', 'old-installation-field']) {
      const command = /kubectl (?:delete|patch) .*$/.exec(of(found, id).todo ?? '')?.[0];
      const { code, stderr } = await run('sh', ['-c', command ?? 'false'], { env: bench.env });
      assert.equal(code, 0, `${id}: ${stderr}`);
    }
    await kubectl('delete', 'crd', 'installations.operator.tigera.io');
    const mended = await check(bench);
    assert.equal(of(mended, 'leftovers').level, 'ok');
    assert.deepEqual(
      mended.ids.filter((id) => id !== 'store-security' && id !== 'store'),
      [],
    );
  });

  it('names settings that cannot be used', async () => {
    const set = async (retention: string | null) =>
      await kubectl(
        'patch',
        'configmap',
        'logs',
        '-n',
        'kubectl-mcm',
        '--type=merge',
        '-p',
        JSON.stringify({ data: { retention } }),
      );
    await set('for ever');
    await eventually(async () => (await check(bench)).ids.includes('retention'));
    assert.match(of(await check(bench), 'retention').todo ?? '', /kubectl mcm retention set/);
    await set(null);
    await eventually(async () => of(await check(bench), 'retention').level === 'ok');
  });

  it('lists who may register clusters', async () => {
    const group = 'rbac.authorization.k8s.io';
    const rules = [{ apiGroups: ['kubectl-mcm.io'], resources: ['managedclusters'], verbs: ['create'] }];
    await apply(bench, [
      { apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata: { name: 'registrars' }, rules },
      {
        ...{ apiVersion: `${group}/v1`, kind: 'ClusterRoleBinding', metadata: { name: 'registrars' } },
        roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'registrars' },
        subjects: [{ kind: 'User', name: 'rita', apiGroup: group }],
      },
    ]);
    assert.match(of(await check(bench), 'who-may-register').message, /: Group system:masters,.* User rita$/);
  });

  it('names a store that does not answer, and a spool that fills', async () => {
    const [nobody = 0] = await freePorts(1);
    const spool = join(newFolder(workbench, 'check-spool'), 'spool');
    mkdirSync(spool);
    const flags = ['--spool', spool, '--spool-size', '64Mi'];
    await startManager({ elasticsearchUrl: `http://127.0.0.1:${nobody}`, flags, readyPath: '/livez' });
    const sender = await addSender(bench, 'spooled');
    const line = `{"end_time":${Math.floor(Date.now() / 1000)},"padding":"${'x'.repeat(8_000)}"}\n`;
    // 80 MB for 64 MiB: it takes what fits, and refuses the rest.
    const codes = new Set<number>();
    for (let sent = 0; sent < 80; sent++) codes.add((await post(sender.credentials, FLOWS, line.repeat(128))).code);
    assert.deepEqual([...codes].sort(), [200, 503]);
    await servicesAre('True');
    const found = await check(bench);
    assert.equal(found.code, 1);
    assert.deepEqual(
      [of(found, 'store').level, of(found, 'store').todo],
      ['error', 'start it, or give the manager its right address (--elasticsearch)'],
    );
    assert.notEqual(of(found, 'spool').level, 'ok');
    assert.match(of(found, 'spool').todo ?? '', /--spool-size/);
  });

  it('--pre names what install management and add-cluster would miss', async (t) => {
    const well = await check(bench, ['--pre']);
    assert.deepEqual([well.code, well.ids], [0, []], JSON.stringify(well.findings));
    const poor = await check(bench, ['--pre', ...(await as(bench, 'poor'))]).catch((error: Error) => error);
    // Who may not even see the ConfigMap in kube-system is told all the rest.
    assert.ok(!(poor instanceof Error), String(poor));
    assert.equal(poor.code, 1);
    assert.match(of(poor, 'rights').cause ?? '', /create customresourcedefinitions\.apiextensions\.k8s\.io/);

    const kubeconfig = writeKubeconfig(join(newFolder(workbench, 'pre'), 'kubeconfig'), [
      await certificateContext(bench.facts.management),
      ...(await Promise.all(bench.facts.managed.map((cluster) => certificateContext(cluster)))),
      ...(await Promise.all(
        bench.facts.managed.map((cluster) => certificateContext(cluster, { name: 'poor' }, `${cluster.name}-poor`)),
      )),
    ]);
    const env = { KUBECONFIG: kubeconfig };
    assert.equal((await check(bench, ['--pre', '--managed-context', 'prod-us'], env)).code, 0);
    const poorThere = await check(bench, ['--pre', '--managed-context', 'prod-us-poor'], env);
    const rights = poorThere.findings.filter(({ id }) => id === 'rights').map(({ message, cause }) => [message, cause]);
    const [, cause] = rights.find(([message]) => message === 'you may not do what "install managed" does') ?? [];
    for (const right of [/create daemonsets\.apps\b/, /create clusterroles\.rbac\b/]) assert.match(cause ?? '', right);
    const bare = await check(bench, ['--pre', '--managed-context', 'checked'], env);
    assert.match(of(bare, 'calico').todo ?? '', /kubectl mcm install managed/);
    assert.deepEqual([bare.code, bare.ids], [1, ['calico']]);
    const proxy = await ApiProxy.start(bench.facts.management);
    t.after(() => proxy.stop());
    proxy.rewrite = (url) => url.replace('/extension-apiserver-authentication', '/nothing');
    proxy.answer(/^GET \/version$/, { major: '1', minor: '28+', gitVersion: 'v1.28.15-eks-b5a1f2c' });
    const through = await check(bench, ['--pre', '--server', proxy.url]);
    assert.deepEqual([through.code, through.ids], [1, ['kubernetes-version', 'aggregation']]);
    const version = of(through, 'kubernetes-version');
    assert.deepEqual(
      [version.message, version.cause, version.todo],
      ['Kubernetes v1.28.15-eks-b5a1f2c is too old', '1.29 is needed', 'upgrade Kubernetes'],
    );
    assert.match(of(through, 'aggregation').todo ?? '', /--requestheader-client-ca-file/);
    await kubectl(
      'patch',
      'apiservice',
      'v1.lma.tigera.io',
      '--type=merge',
      '-p',
      '{"spec":{"service":{"namespace":"tigera-system"}}}',
    );
    const taken = await check(bench, ['--pre']);
    assert.deepEqual([taken.code, taken.ids], [1, ['api-taken']]);
    assert.match(of(taken, 'api-taken').cause ?? '', /its Service is tigera-system\/manager/);
  });
});
