// `install managed` in clusters of its own, where the tests play tigera-operator and kubelet.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import type { ClusterTypeReport } from '../src/install/cluster-type.ts';
import { CALICO_OBJECTS, CONNECTION_KIND, operatorDeployment } from '../testbed/kubernetes/calico.ts';
import { writeKubeconfig } from '../testbed/kubernetes/cluster.ts';
import { Pod } from '../testbed/kubernetes/pod.ts';
import { freePorts, type ServerProcess } from '../testbed/processes.ts';
import { eventually, mcm, newFolder, rawRequest, sharedWorkbench } from './harness.ts';
import { OwnCluster } from './own-cluster.ts';
import { ApiProxy } from './proxies.ts';

const workbench = sharedWorkbench();
const IMAGE = ['--image', 'registry.example.com/kubectl-mcm:0.1.0'];
const STATUS = {
  apiVersion: 'operator.tigera.io/v1',
  kind: 'TigeraStatus',
  metadata: { name: 'management-cluster-connection' },
};
const NOW = new Date().toISOString();
const ELSEWHERE = {
  apiVersion: 'operator.tigera.io/v1',
  kind: 'ManagementClusterConnection',
  metadata: { name: 'tigera-secure' },
  spec: { managementClusterAddr: 'elsewhere.example.com:9449' },
};

/** One flow that has just ended, as Calico's nodes write it. */
function flowLine(): string {
  const [line = ''] = generateFlows({ seed: 1, count: 1, from: Date.now(), to: Date.now() });
  return `${line}\n`;
}

async function isRegistered(cluster: string): Promise<boolean> {
  return (await workbench.kubectl(['get', 'managedcluster', cluster])).code === 0;
}

function condition(type: string, reason: string, message: string) {
  return { type, status: 'True', reason, message, lastTransitionTime: NOW };
}

describe('install managed', () => {
  let calico: OwnCluster;

  before(async () => {
    calico = await OwnCluster.start(workbench, 'calico');
    await calico.installCalico('calico');
    await calico.apply([
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'guardian', namespace: 'calico-system' } },
    ]);
  });
  after(() => calico.stop());

  const install = async (args: readonly string[], options: Parameters<typeof mcm>[2] = {}) =>
    await mcm(calico, ['install', 'managed', ...args], options);
  const here = ['--managed-context', 'calico', ...IMAGE];
  /** What tigera-operator says of the connection. */
  const report = async (...conditions: readonly object[]) => {
    await calico.apply([STATUS]);
    const patch = JSON.stringify({ status: { conditions } });
    await calico.there([
      'patch',
      'tigerastatus',
      STATUS.metadata.name,
      '--subresource=status',
      '--type=merge',
      '-p',
      patch,
    ]);
  };

  describe('refuses before anything is changed', () => {
    for (const [what, args, words] of [
      ['no image', ['x', '--managed-context', 'calico'], /^error: required flag\(s\) "image" not set\n/],
      [
        'an image that is none',
        ['x', '--managed-context', 'calico', '--image', 'a b'],
        /^error: invalid argument "a b" for "--image"/,
      ],
      ['neither a context nor a directory', ['x', ...IMAGE], /^error: --managed-context or --output is needed\n/],
      [
        'a reserved name',
        ['cluster', ...here],
        /^error: a managed cluster cannot have the name "cluster": it is reserved\n/,
      ],
      [
        'a context that is not there',
        ['x', '--managed-context', 'nope', ...IMAGE],
        /^error: context "nope" does not exist\n/,
      ],
      ['a time that is none', ['x', ...here, '--timeout', 'soon'], /^error: invalid argument "soon" for "--timeout"/],
      [
        'a proxy that is none',
        ['x', ...here, '--https-proxy', 'user:s3cret@proxy'],
        /^error: invalid argument for "--https-proxy" flag: /,
      ],
      [
        'another operator namespace',
        ['x', ...here, '--operator-namespace', 'nowhere'],
        /^error: "calico" has no tigera-operator in the namespace "nowhere"\ngive its namespace/,
      ],
      [
        "Kubernetes' own groups",
        ['x', ...here, '--impersonate-group', 'system:masters'],
        /^error: "system:masters" cannot be impersonated: /,
      ],
      [
        "Kubernetes' own users",
        ['x', ...here, '--impersonate-user', 'system:admin'],
        /^error: "system:admin" cannot be impersonated: /,
      ],
      [
        'a ServiceAccount without its namespace',
        ['x', ...here, '--impersonate-serviceaccount', 'mcm-user'],
        /^error: invalid argument "mcm-user" /,
      ],
      [
        'a ServiceAccount in a namespace that is not there',
        ['x', ...here, '--impersonate-serviceaccount', 'nowhere/mcm-user'],
        /^Error from server \(NotFound\): namespaces "nowhere" not found/m,
      ],
      [
        'a pull secret that is not there',
        ['x', ...here, '--image-pull-secret', 'pull'],
        /^error: --image-pull-secret: "calico" has no Secret "pull" in the namespace kubectl-mcm\nmake it first: kubectl create namespace kubectl-mcm --context calico; /m,
      ],
    ] as const) {
      it(what, async () => {
        const { code, stdout, stderr } = await install(args);
        assert.deepEqual([code, stdout], [1, '']);
        assert.match(stderr, words);
        assert.doesNotMatch(stderr, /s3cret/);
        assert.equal(await isRegistered('x'), false);
        assert.equal((await calico.kubectl(['--context', 'calico', 'get', 'namespace', 'kubectl-mcm'])).code, 1);
      });
    }

    it('a cluster that cannot be reached', async () => {
      const [nobody] = await freePorts(1);
      const file = join(newFolder(workbench, 'nowhere'), 'kubeconfig');
      writeKubeconfig(file, [{ name: 'nowhere', cluster: { server: `https://127.0.0.1:${nobody}` }, user: {} }]);
      const env = { KUBECONFIG: `${calico.facts.kubeconfig}:${file}` };
      const { code, stderr } = await install(['x', '--managed-context', 'nowhere', ...IMAGE], { env });
      assert.equal(code, 1);
      assert.match(stderr, /^The connection to the server 127\.0\.0\.1:\d+ was refused/);
      assert.equal(await isRegistered('x'), false);
    });

    const [information, installation, goldmane, operator] = CALICO_OBJECTS;
    for (const [what, change, restore, words] of [
      [
        'a tigera-operator that is too old',
        () => calico.apply([operatorDeployment('quay.io/tigera/operator:v1.36.2')]),
        () => calico.apply([operator ?? {}]),
        /^error: "calico" runs tigera-operator v1\.36\.2, and 1\.38 or newer is needed\nupgrade it to Calico 3\.30 or newer/,
      ],
      [
        'a Calico that is too old, also where the operator does not say its version',
        () =>
          calico.apply([
            operatorDeployment(`registry.example.com/operator@sha256:${'0'.repeat(64)}`),
            { ...information, spec: { calicoVersion: 'v3.29.3' } },
          ]),
        () => calico.apply([operator ?? {}, information ?? {}]),
        /^error: "calico" runs Calico v3\.29\.3, and 3\.30 or newer is needed\n/,
      ],
      [
        'a Calico that does not say its version',
        () => calico.there(['delete', 'clusterinformation', 'default']),
        () => calico.apply([information ?? {}]),
        /^error: "calico" does not say its Calico version/,
      ],
      [
        'Calico Enterprise',
        () => calico.apply([{ ...installation, spec: { variant: 'TigeraSecureEnterprise' } }]),
        () => calico.apply([installation ?? {}]),
        /^error: "calico" runs Calico Enterprise/,
      ],
      [
        'a cluster without Goldmane',
        () => calico.there(['delete', 'goldmane', 'default']),
        () => calico.apply([goldmane ?? {}]),
        /^error: "calico" has no Goldmane, which collects its flow logs\ncreate it:\n {2}echo .* \| kubectl apply --context calico -f -\n/,
      ],
      [
        'a tigera-operator that does not know Guardian',
        () => calico.there(['delete', 'crd', CONNECTION_KIND.metadata.name]),
        async () => {
          await calico.apply([CONNECTION_KIND]);
          await calico.untilEstablished([CONNECTION_KIND], calico.name);
          await calico.there(['get', 'managementclusterconnections']);
        },
        /^error: "calico" has no ManagementClusterConnection \(operator\.tigera\.io\/v1\): its tigera-operator does not know Guardian\n/,
      ],
      [
        'a cluster that is connected to somebody else',
        () => calico.apply([ELSEWHERE]),
        () => calico.there(['delete', 'managementclusterconnection', 'tigera-secure']),
        /^error: "calico" is connected to a management cluster already \(elsewhere\.example\.com:9449\)\n/m,
      ],
    ] as const) {
      it(what, async () => {
        await change();
        try {
          const { code, stdout, stderr } = await install(['x', ...here]);
          assert.deepEqual([code, stdout], [1, '']);
          assert.match(stderr, words);
          assert.equal(await isRegistered('x'), false);
        } finally {
          await restore();
        }
      });
    }

    it('a name that another cluster has', async () => {
      await workbench.mustMcm(['add-cluster', 'name-taken', '-o', join(newFolder(workbench, 'taken'), 'm.yaml')]);
      const { code, stdout, stderr } = await install(['name-taken', ...here]);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /error: managedcluster "name-taken" exists already, with other keys than "calico" has\n/);
      const secrets = await calico.there(['get', 'secrets', '--all-namespaces', '-o=name']);
      assert.equal(secrets, '');
    });
  });

  it('asks about everything in a dry run, and changes nothing', async () => {
    for (const [kind, suffix] of [
      ['server', '(server dry run)'],
      ['client', '(dry run)'],
    ] as const) {
      const { code, stdout, stderr } = await install(['calico', ...here, `--dry-run=${kind}`]);
      assert.equal(code, 0, stderr);
      const lines = stdout.trimEnd().split('\n');
      assert.equal(lines[0], `managedcluster.kubectl-mcm.io/calico created ${suffix}`);
      assert.match(lines.at(-1) ?? '', /^daemonset\.apps\/forwarder \w+ \(calico\) /);
      for (const line of lines) assert.ok(line.endsWith(` ${suffix}`), line);
    }
    assert.equal(await isRegistered('calico'), false);
    assert.equal(await calico.there(['get', 'secrets', '--all-namespaces', '-o=name']), '');
  });

  it('takes its keys back where the cluster cannot be registered', async (t) => {
    const proxy = await ApiProxy.start(workbench.facts.management);
    t.after(() => proxy.stop());
    proxy.refuse(/^POST .*\/managedclusters\?(?!.*dryRun)/, 403);
    const { code, stderr } = await install(['calico', ...here, '--no-wait', '--server', proxy.url]);
    assert.equal(code, 1);
    assert.match(stderr, /^Error from server \(Forbidden\): Please try again later\.$/m);
    assert.equal(await calico.there(['get', 'secrets', '--all-namespaces', '-o=name']), '');
  });

  it('goes on where it was killed, with the same keys', async (t) => {
    const [theirs, ours] = await Promise.all([calico.cluster, workbench.facts.management].map(ApiProxy.start));
    assert.ok(theirs !== undefined && ours !== undefined);
    t.after(() => Promise.all([theirs.stop(), ours.stop()]));
    const file = join(newFolder(workbench, 'by-proxy'), 'kubeconfig');
    const { ca } = calico.cluster;
    const trust = { 'certificate-authority-data': Buffer.from(ca.certificate).toString('base64') };
    writeKubeconfig(file, [{ name: 'calico', cluster: { server: theirs.url, ...trust }, user: {} }]);
    const env = { KUBECONFIG: `${workbench.facts.kubeconfig}:${file}` };
    const keys = new Set<string>();
    for (const [proxy, write] of [
      [theirs, /^PATCH .*\/namespaces\/kubectl-mcm\?(?!.*dryRun)/],
      [theirs, /^PATCH .*\/secrets\/calico-voltron-linseed-certs-public\?(?!.*dryRun)/],
      [ours, /^POST .*\/managedclusters\?(?!.*dryRun)/],
      [theirs, /^PATCH .*\/clusterrolebindings\/kubectl-mcm-lifecycle\?(?!.*dryRun)/],
      [theirs, /^PATCH .*\/daemonsets\/forwarder\?(?!.*dryRun)/],
    ] as const) {
      const forget = proxy.lose(write);
      let kill: (() => void) | undefined;
      const killed = install(['calico', ...here, '--no-wait', '--server', ours.url], {
        env,
        onStart: (child) => {
          kill = () => child.kill('SIGKILL');
        },
      });
      await eventually(async () => proxy.requests.some((request) => write.test(request)));
      kill?.();
      assert.equal((await killed).signal, 'SIGKILL');
      forget();
      const secret = ['get', 'secret', '-n', 'tigera-operator', 'tigera-managed-cluster-connection'];
      const data = await calico.there([...secret, '--ignore-not-found', '-o=jsonpath={.data}']);
      if (data !== '') keys.add(data);
    }
    const { code, stderr } = await install(['calico', ...here, '--no-wait']);
    assert.equal(code, 0, stderr);
    assert.equal(keys.size, 1);
    assert.match(
      stderr,
      /^calico: Calico v3\.32\.1, tigera-operator v1\.42\.4, Goldmane: Guardian opens the tunnel\nNext: /,
    );
  });

  it('changes nothing where all of it is there', async () => {
    const { code, stdout, stderr } = await install(['calico', ...here, '--no-wait']);
    assert.equal(code, 0, stderr);
    const lines = stdout.trimEnd().split('\n');
    assert.equal(lines.length, 20);
    for (const line of lines) assert.match(line, / unchanged( \(calico\))?$/);
    const other = await install(['other', ...here]);
    assert.deepEqual([other.code, other.stdout], [1, '']);
    assert.match(other.stderr, /^error: "calico" is connected as "calico", not as "other"\n/m);
    assert.equal(await isRegistered('other'), false);
  });

  it("waits for tigera-operator, the tunnel and the first records, and tells what for in the operator's words", async (t) => {
    const message = 'Error querying clusterInformation: clusterinformations "default" not found';
    let said = '';
    const steps = [
      ['Waiting for tigera-operator to take note', () => report(condition('Degraded', 'ResourceReadError', message))],
      [
        `Waiting for tigera-operator, which says: ${message}`,
        () => report(condition('Progressing', 'ResourceNotReady', 'Pod is pending')),
      ],
      [
        'Waiting for tigera-operator to start Guardian; it says: Pod is pending',
        () => report(condition('Available', 'AllObjectsAvailable', '')),
      ],
      ["Waiting for Guardian's first connection", () => startGuardian()],
      ['Waiting for the first flow records', () => startForwarder()],
    ] as const;
    let guardian: ServerProcess | undefined;
    let pod: Pod | undefined;
    const startGuardian = async () => {
      const file = join(newFolder(workbench, 'guardian'), 'manifest.yaml');
      const what = ['secret/tigera-managed-cluster-connection', '-n', 'tigera-operator', '-o', 'yaml'];
      writeFileSync(file, await calico.there(['get', ...what]));
      const flags = ['--address', workbench.address];
      guardian = calico.startAgent({ context: 'calico', manifest: file, logName: 'guardian', flags });
    };
    const startForwarder = async () => {
      pod = await Pod.start(calico, { context: 'calico', workload: 'daemonset/forwarder', node: 'node-7' });
      mkdirSync(pod.path('/var/log/calico/flowlogs'), { recursive: true });
      writeFileSync(pod.path('/var/log/calico/flowlogs/flows.log'), flowLine(), { mode: 0o600 });
    };
    t.after(async () => {
      await guardian?.stop();
      await pod?.stop();
    });
    let next = 0;
    const done: Promise<void>[] = [];
    const { code, stdout, stderr } = await install(['calico', ...here, '--timeout', '100s'], {
      onOutput: (text) => {
        said += text;
        const [words, act] = steps[next] ?? [];
        if (words === undefined || act === undefined || !said.includes(words)) return;
        next++;
        done.push(act());
      },
    });
    await Promise.all(done);
    assert.equal(code, 0, stderr);
    assert.equal(next, steps.length, stderr);
    assert.match(
      stdout,
      /tigerastatus\.operator\.tigera\.io\/management-cluster-connection available \(calico\)\nmanagedcluster\.kubectl-mcm\.io\/calico connected\nflow logs of calico arrive\n$/,
    );
    await pod?.untilReady();
    const logs = await mcm(calico, ['logs', '--cluster', 'calico', '-o', 'json']);
    assert.equal((JSON.parse(logs.stdout) as { host: string }).host, 'node-7');
    const { stdout: type } = await mcm(calico, ['type', '--context', 'calico', '-o', 'json']);
    const { evidence, ...verdict } = JSON.parse(type) as ClusterTypeReport;
    assert.deepEqual(verdict, { type: 'Managed', problems: [] });
    assert.deepEqual(
      evidence.map(({ object, says }) => [object, says]),
      [
        ['managementclusterconnection.operator.tigera.io/tigera-secure', `dials ${workbench.address}`],
        ['daemonset.apps/forwarder', 'ships the log files of "calico"'],
      ],
    );
  });

  it('ends when its time is over, with what the operator says', async () => {
    const message = 'secret "tigera-managed-cluster-connection" not found';
    await report(condition('Degraded', 'ResourceReadError', message));
    const began = performance.now();
    const { code, stderr } = await install(['calico', ...here, '--timeout', '3s']);
    assert.equal(code, 1);
    assert.ok(performance.now() - began < 60_000);
    assert.ok(
      stderr.endsWith(
        `error: timed out waiting for the condition on tigerastatus/management-cluster-connection\nwaited for: tigera-operator, which says: ${message}\n`,
      ),
      stderr,
    );
  });

  it('lets Guardian act as those who were named, and as nobody else', async () => {
    await calico.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } },
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } },
    ]);
    const named = [
      '--impersonate-user',
      'alice',
      '--impersonate-group',
      'oncall',
      '--impersonate-serviceaccount',
      'default/mcm-user',
    ];
    const { code, stderr } = await install(['calico', ...here, '--no-wait', ...named]);
    assert.equal(code, 0, stderr);
    const token = (await calico.there(['create', 'token', 'guardian', '-n', 'calico-system'])).trim();
    /** Who the API server takes Guardian for, with these headers; the code where it does not take them. */
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const actAs = async (impersonation: Readonly<Record<string, string>>) => {
      const { code, text } = await rawRequest(calico.cluster.url, '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...impersonation },
        body: JSON.stringify(review),
        ca: calico.cluster.ca.certificate,
      });
      if (code !== 201) return code;
      return (JSON.parse(text) as { status: { userInfo: { username: string; groups: string[] } } }).status.userInfo;
    };
    await eventually(async () => typeof (await actAs({ 'Impersonate-User': 'alice' })) === 'object');
    assert.deepEqual(await actAs({ 'Impersonate-User': 'alice' }), {
      username: 'alice',
      groups: ['system:authenticated'],
    });
    assert.deepEqual(await actAs({ 'Impersonate-User': 'alice', 'Impersonate-Group': 'oncall' }), {
      username: 'alice',
      groups: ['oncall', 'system:authenticated'],
    });
    assert.deepEqual(await actAs({ 'Impersonate-User': 'system:serviceaccount:default:mcm-user' }), {
      username: 'system:serviceaccount:default:mcm-user',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
    });
    for (const refused of [
      { 'Impersonate-User': 'bob' },
      { 'Impersonate-User': 'oncall' },
      { 'Impersonate-User': 'admin' },
      { 'Impersonate-User': 'system:admin' },
      { 'Impersonate-User': 'system:apiserver' },
      { 'Impersonate-User': 'system:anonymous' },
      { 'Impersonate-User': 'system:node:node-1' },
      { 'Impersonate-User': 'system:serviceaccount:other:mcm-user' },
      { 'Impersonate-User': 'system:serviceaccount:default:default' },
      { 'Impersonate-User': 'alice', 'Impersonate-Group': 'alice' },
      { 'Impersonate-User': 'alice', 'Impersonate-Group': 'dev' },
      { 'Impersonate-User': 'alice', 'Impersonate-Group': 'system:masters' },
      { 'Impersonate-User': 'alice', 'Impersonate-Group': 'system:nodes' },
      { 'Impersonate-User': 'alice', 'Impersonate-Uid': '1' },
      { 'Impersonate-User': 'alice', 'Impersonate-Extra-Scopes': 'all' },
    ]) {
      assert.equal(await actAs(refused as Readonly<Record<string, string>>), 403, JSON.stringify(refused));
    }
    // And the one right beside: to change the address that it dials itself, of this one object.
    const patch = async (name: string, verb = 'PATCH') =>
      await rawRequest(calico.cluster.url, `/apis/operator.tigera.io/v1/managementclusterconnections/${name}`, {
        method: verb,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/merge-patch+json' },
        body: JSON.stringify({ spec: { managementClusterAddr: workbench.address } }),
        ca: calico.cluster.ca.certificate,
      });
    assert.equal((await patch('tigera-secure')).code, 200);
    assert.equal((await patch('default')).code, 403);
    assert.equal((await patch('tigera-secure', 'DELETE')).code, 403);

    const without = await install(['calico', ...here, '--no-wait', '--no-impersonation', '--no-lifecycle']);
    assert.equal(without.code, 0, without.stderr);
    assert.equal(
      without.stdout.match(
        /^(cluster)?role(binding)?\.rbac\.authorization\.k8s\.io\/kubectl-mcm-[-\w]+ deleted \(calico\)$/gm,
      )?.length,
      12,
    );
    await eventually(async () => (await actAs({ 'Impersonate-User': 'alice' })) === 403);
    await eventually(async () => (await patch('tigera-secure')).code === 403);
  });

  it('is taken back by remove-cluster, on both sides', async () => {
    const { code, stdout, stderr } = await mcm(calico, ['remove-cluster', 'calico', '--managed-context', 'calico']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^daemonset\.apps\/forwarder deleted \(calico\)\n/);
    assert.match(stdout, /\nmanagedcluster\.kubectl-mcm\.io\/calico deleted\n$/);
    const kinds = 'daemonsets,deployments,jobs,configmaps,secrets,serviceaccounts,roles,rolebindings';
    assert.equal(await calico.there(['get', kinds, '-n', 'kubectl-mcm', '-o=name']), '');
    const roles = await calico.there([
      'get',
      'clusterroles,clusterrolebindings,roles,rolebindings',
      '--all-namespaces',
      '-o=name',
    ]);
    assert.doesNotMatch(roles, /kubectl-mcm/);
  });
});
