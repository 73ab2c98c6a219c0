// `set-address` in a fleet of its own, where the tests play tigera-operator, the Job controller and kubelet.
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { CONNECTION } from '../src/clusters/connection-manifest.ts';
import { ADDRESS_CONFIG, RESTORE_JOB, readAddressConfig } from '../src/install/address-config.ts';
import { type ConfigMap, type KubeObject, objectPath } from '../src/kube/objects.ts';
import { addressPath, type ManagementAddress } from '../src/manager/management-address.ts';
import { GuardianOperator } from '../testbed/kubernetes/guardian-operator.ts';
import { JobController } from '../testbed/kubernetes/job-controller.ts';
import { Pod } from '../testbed/kubernetes/pod.ts';
import type { Outcome, ServerProcess } from '../testbed/processes.ts';
import { Workbench } from '../testbed/testbed.ts';
import { ClosableProxy } from './closable-proxy.ts';
import { type Ask, apply, as, eventually, mcm, newFolder, sharedWorkbench, userOf } from './harness.ts';
import { OwnCluster } from './own-cluster.ts';
import { type OwnManagement, startOwnManagement } from './own-management.ts';
import { rightsOf, rightText, unusedRights, withoutRight } from './rights-in-use.ts';

const shared = sharedWorkbench();
const IMAGE = ['--image', 'registry.example.com/kubectl-mcm:0.1.0'];
/** Nobody listens there. */
const WRONG = '127.0.0.1:9';
const SOON = ['--revert-after', '5s', '--timeout', '60s'];

const own: OwnManagement = await startOwnManagement(shared, 'addresses');
/** Guardian opens the tunnel of south, our agent that of north; west never connects. */
const [south, north] = await Promise.all([
  OwnCluster.start(own.workbench, 'south'),
  OwnCluster.start(own.workbench, 'north'),
]);
const bench = new Workbench({
  ...own.workbench.facts,
  managed: [south.cluster, north.cluster],
  kubeconfig: `${south.facts.kubeconfig}:${north.facts.kubeconfig}`,
});
const OLD = bench.address;
const stopped = new AbortController();
const ended: { stop(): unknown }[] = [];

let admin: Ask;
let jobs: { readonly south: JobController; readonly north: JobController };
let pods: { readonly agent: Pod; readonly forwarder: Pod };
/** Other addresses of the manager. */
let one: ClosableProxy;
let two: ClosableProxy;
/** Takes half a minute by itself; what is about south alone goes on meanwhile. */
let cannotRun: Promise<Outcome>;

const set = async (args: readonly string[], options: Parameters<typeof mcm>[2] = {}) =>
  await mcm(bench, ['set-address', ...args], options);

async function addressOf(cluster: string): Promise<ManagementAddress> {
  const { code, text } = await admin(addressPath(cluster));
  assert.equal(code, 200, text);
  return JSON.parse(text) as ManagementAddress;
}

/** Whether a cluster is connected by an address, and nothing of a change is left. */
async function isSettled(cluster: string, address: string): Promise<boolean> {
  const { code, text } = await admin(addressPath(cluster));
  if (code !== 200) return false;
  const { spec, status } = JSON.parse(text) as ManagementAddress;
  return spec.address === address && status?.phase === 'Settled' && status.connectedBy === address;
}

/** What manifests say that are made now. */
async function manifestAddress(): Promise<string> {
  const address = '-o=jsonpath={.data.address}';
  return await bench.mustKubectl(['get', 'configmap', 'management', '-n', 'kubectl-mcm', address]);
}

/** Lines of the table, as `CLUSTER OLD NEW RESULT`. */
function resultsIn({ stdout }: Outcome): string[] {
  const [head = '', ...lines] = stdout.trimEnd().split('\n');
  assert.match(head, /^CLUSTER +OLD +NEW +RESULT +WHY$/);
  return lines.map((line) => line.split(/ {3,}/).slice(0, 4).join(' '));
}

/** What the three objects are that a change may change. */
async function versionsOf(cluster: OwnCluster): Promise<string> {
  const client = cluster.client(cluster.name);
  const objects = [ADDRESS_CONFIG, RESTORE_JOB, ...(cluster === south ? [CONNECTION] : [])];
  const found = await Promise.all(objects.map(async (object) => await client.get<KubeObject>(objectPath(object))));
  return found.map(({ metadata }) => metadata.resourceVersion).join();
}

/** Plays kubelet: what the pods have mounted of the ConfigMap follows it. */
async function followAddress(cluster: OwnCluster, mounting: readonly Pod[]): Promise<void> {
  const client = cluster.client(cluster.name);
  let known: string | undefined;
  while (!stopped.signal.aborted) {
    const { address } = readAddressConfig(await client.get<ConfigMap>(objectPath(ADDRESS_CONFIG)));
    if (known !== undefined && address !== known) for (const pod of mounting) await pod.refreshVolumes();
    known = address;
    await sleep(200);
  }
}

/** Runs it until it says something, and kills it then. */
async function killAt(words: string, args: readonly string[]): Promise<void> {
  let kill = () => undefined as unknown;
  const { signal, stderr } = await set(args, {
    onStart: (child) => {
      kill = () => child.kill('SIGKILL');
    },
    onOutput: (text) => {
      if (text.includes(words)) kill();
    },
  });
  assert.equal(signal, 'SIGKILL', stderr);
}

before(async () => {
  const manager: ServerProcess = await own.workbench.startManager();
  ended.push(manager);
  admin = await userOf(bench, { name: 'admin', groups: ['system:masters'] });
  await south.installCalico('south');
  const install = async (name: string) => {
    const args = ['install', 'managed', name, '--managed-context', name, '--no-wait', ...IMAGE];
    const { code, stderr } = await mcm(bench, args);
    assert.equal(code, 0, stderr);
  };
  await Promise.all([install('south'), install('north')]);
  await bench.mustMcm(['add-cluster', 'west', '-o', join(newFolder(shared, 'west'), 'west.yaml')]);
  jobs = { south: new JobController(south, 'south'), north: new JobController(north, 'north') };
  const [guardian, agent, forwarder] = await Promise.all([
    GuardianOperator.start(south, south.cluster, newFolder(shared, 'guardian')),
    Pod.start(north, { context: 'north', workload: 'deployment/agent' }),
    Pod.start(north, { context: 'north', workload: 'daemonset/forwarder' }),
  ]);
  pods = { agent, forwarder };
  const { clusters } = bench.facts.managerPorts;
  [one, two] = await Promise.all([ClosableProxy.start(clusters), ClosableProxy.start(clusters)]);
  ended.unshift(guardian, jobs.south, jobs.north, agent, forwarder, one, two);
  const kubelet = followAddress(north, [agent, forwarder]);
  ended.unshift({
    stop: async () => {
      stopped.abort();
      await kubelet;
    },
  });
  await eventually(async () => (await isSettled('south', OLD)) && (await isSettled('north', OLD)));
  jobs.north.schedules = false;
  cannotRun = set([one.address, '--cluster', 'north']);
});

after(async () => {
  for (const part of ended) await part.stop();
  await Promise.all([south.stop(), north.stop(), own.cluster.stop()]);
});

describe('set-address refuses before it asks anybody', () => {
  for (const [args, words] of [
    [['mgmt.example.com'], 'error: invalid argument "mgmt.example.com": not of the form HOST:PORT\nfor example'],
    [['mgmt.example.com:0'], 'error: invalid argument "mgmt.example.com:0": not of'],
    [['2001:db8::1:9449'], 'error: invalid argument "2001:db8::1:9449": not of'],
    [['a:1', '--revert-after', 'soon'], 'error: invalid argument "soon" for "--revert-after" flag: time: invalid'],
    [['a:1', '--revert-after', '1s'], 'error: invalid argument "1s" for "--revert-after" flag: must be from 5s to 60m'],
    [['a:1', '--parallel', '0'], 'error: invalid argument "0" for "--parallel" flag: '],
    [['a:1', '--cluster', 'cluster'], 'error: "cluster" is the management cluster, which has no tunnel to itself'],
    [[], 'error: exactly one HOST:PORT is required'],
  ] as const) {
    it(args.join(' '), async () => {
      const { code, stdout, stderr } = await set([...args, '--server', 'https://127.0.0.1:9']);
      assert.deepEqual([code, stdout], [1, '']);
      assert.ok(stderr.startsWith(words), stderr);
    });
  }
});

describe('set-address', () => {
  it('is refused to those who may not, and changes nothing', async () => {
    const before = await versionsOf(south);
    const rule = (verbs: readonly string[]) => ({
      apiGroups: ['proxy.kubectl-mcm.io'],
      resources: ['managedclusters/address'],
      resourceNames: ['south'],
      verbs,
    });
    await apply(bench, [...allow('looks', rule(['get'])), ...allow('sets', rule(['get', 'update']))]);
    const asked = async (user: string, ...args: readonly string[]) =>
      await set([...args, ...(await as(bench, user)), '--cluster', 'south']);
    const forbidden = (user: string, verb: string) =>
      `Error from server (Forbidden): managedclusters.proxy.kubectl-mcm.io "south" is forbidden: User "${user}" cannot ${verb} resource "managedclusters/address"`;
    const nobody = await asked('nobody', one.address);
    assert.deepEqual([nobody.code, nobody.stdout], [1, '']);
    assert.ok(nobody.stderr.startsWith(forbidden('nobody', 'get')), nobody.stderr);
    const looks = await asked('looks', one.address);
    assert.equal(looks.code, 1);
    assert.ok(looks.stderr.startsWith(forbidden('looks', 'update')), looks.stderr);
    const dry = await asked('sets', one.address, '--dry-run', 'server');
    assert.equal(dry.code, 0, dry.stderr);
    const sets = await userOf(bench, { name: 'sets' });
    const sneaks = (name: string) => addressPath('south').replace('south', name);
    for (const path of [
      addressPath('north'),
      sneaks('south/../north'),
      sneaks('south%2f..%2fnorth'),
      sneaks('north/../south'),
      sneaks('/north'),
      `${addressPath('south')}/../../north/address`,
    ]) {
      const { code } = await sets(path);
      assert.ok(code === 403 || code === 404, `${path}: ${code}`);
    }
    assert.equal(await versionsOf(south), before);
  });

  it('has one path, which takes what it understands and nothing else', async () => {
    const path = addressPath('south');
    const put = async (body: string, to = path) =>
      await admin(to, { method: 'PUT', headers: { 'content-type': 'application/json' }, body });
    const object = (spec: object, name = 'south') =>
      JSON.stringify({ kind: 'ManagementAddress', apiVersion: 'proxy.kubectl-mcm.io/v1', metadata: { name }, spec });
    for (const [body, words] of [
      ['', 'a JSON object of kind ManagementAddress'],
      ['null', 'a JSON object of kind ManagementAddress'],
      ['[1]', 'a JSON object of kind ManagementAddress'],
      [object({}), 'spec.address is not of the form HOST:PORT'],
      [object({ address: 'a:1' }, 'north'), 'metadata.name is not "south"'],
      [object({ address: 'a b' }), 'spec.address is not of the form HOST:PORT'],
      [object({ address: 'a:1', revertAfterSeconds: 1 }), 'spec.revertAfterSeconds is not from 5 to 3600'],
      [object({ address: 'a:1', revertAfterSeconds: '9' }), 'spec.revertAfterSeconds is not from 5 to 3600'],
      [object({ address: 'a:1', confirmed: 'yes' }), 'spec.confirmed is neither true nor false'],
      [object({ address: 'a:1', revert: false }), 'spec.revert is not known'],
      [' '.repeat(17_000), 'the object is longer than 16384 bytes'],
    ] as const) {
      const { code, text } = await put(body);
      assert.equal(code, 400, text);
      assert.ok((JSON.parse(text) as { message: string }).message.startsWith(words), text);
    }
    assert.equal((await put(object({ address: 'a:1' }, 'gone'), addressPath('gone'))).code, 404);
    const west = await admin(addressPath('west'));
    assert.deepEqual([west.code, JSON.parse(west.text).reason], [503, 'ServiceUnavailable']);
    assert.match(west.text, /managedcluster \\"west\\" has no tunnel to this manager/);
    for (const other of [`${path}/`, `${path}x`, path.replace('/address', ''), path.replace('south', 'a.b')]) {
      assert.equal((await admin(other)).code, 404, other);
    }
    const deleted = await admin(path, { method: 'DELETE' });
    assert.deepEqual([deleted.code, deleted.headers.allow], [405, 'GET, PUT']);
    // Confirming by mistake would lose the cluster.
    const early = await put(object({ address: one.address, confirmed: true }));
    assert.deepEqual(
      [early.code, early.text.includes(`it is told to dial ${OLD}, and not ${one.address}`)],
      [409, true],
    );
    assert.equal(await isSettled('south', OLD), true);
  });

  it('takes nothing for proof that the Guardian of before has the tunnel no more but that it is gone', async () => {
    const env = [{ name: 'GUARDIAN_VOLTRON_URL', value: 'before.example.com:9449' }];
    const containers = [{ name: 'guardian', image: 'guardian', env }];
    const metadata = { name: 'guardian-about-to-go', namespace: 'calico-system', labels: { 'k8s-app': 'guardian' } };
    await south.apply([
      { apiVersion: 'v1', kind: 'Pod', metadata, spec: { serviceAccountName: 'guardian', containers } },
    ]);
    const { status } = await addressOf('south');
    assert.deepEqual(status, {
      phase: 'Unsettled',
      message:
        'by which address its tunnel was dialled cannot be seen: there are pods of Guardian with different addresses',
    });
    const { code, stdout } = await set([one.address, '--cluster', 'south', '--dry-run', 'server']);
    assert.equal(code, 1);
    assert.match(stdout, / refused +managedcluster "south": by which address its tunnel was dialled cannot be seen: /);
    await south.there(['delete', 'pod', 'guardian-about-to-go', '-n', 'calico-system', '--force']);
    assert.equal(await isSettled('south', OLD), true);
  });

  describe('with the rights of Guardian', () => {
    const ROLES = ['--context', 'south', 'role/kubectl-mcm-lifecycle', 'clusterrole/kubectl-mcm-lifecycle'];
    for (const text of [
      'get configmaps management-address',
      'get jobs.batch restore-address',
      'get managementclusterconnections.operator.tigera.io tigera-secure',
      'patch configmaps management-address',
      'patch jobs.batch restore-address',
      'patch managementclusterconnections.operator.tigera.io tigera-secure',
    ]) {
      it(`is refused, with what to do, without: ${text}`, async () => {
        const rights = await rightsOf(bench, ROLES);
        const right = rights.find((candidate) => rightText(candidate) === text);
        assert.ok(right, rights.map(rightText).join());
        const original = await south.there(['get', right.role, '-n', 'kubectl-mcm', '-o', 'json']);
        await south.there(['replace', '-f', '-'], withoutRight(original, right));
        const dryRun = async () => await set([one.address, '--cluster', 'south', '--dry-run', 'server']);
        try {
          await eventually(async () => {
            const { code, stdout } = await dryRun();
            const line = /^south .* refused +managedcluster "south": it does not let its address be changed: (.*)$/m;
            const [, why = ''] = line.exec(stdout) ?? [];
            return (
              code === 1 &&
              why.includes(`cannot ${right.verb} resource "${right.resource}"`) &&
              why.includes('run: kubectl mcm install managed south --managed-context CONTEXT')
            );
          });
        } finally {
          await south.there(['replace', '-f', '-'], withoutRight(original, undefined));
        }
      });
    }

    it('is not, with all of them', async () => {
      const versions = await versionsOf(south);
      await eventually(async () => (await set([one.address, '--cluster', 'south', '--dry-run', 'server'])).code === 0);
      assert.equal(await versionsOf(south), versions);
    });
  });

  it('has the old address back by itself where it is killed after a change', async () => {
    await killAt(`south: dials ${WRONG} from now on`, [WRONG, '--cluster', 'south', ...SOON]);
    await eventually(async () => {
      const { code, text } = await admin(addressPath('south'));
      if (code !== 200) return false;
      const { phase, connectedBy } = (JSON.parse(text) as ManagementAddress).status ?? {};
      return phase === 'Restored' && connectedBy === OLD;
    });
    // What is left of it goes with the next run, whichever address that is for.
    assert.equal(jobs.south.isRunning, true);
    const outcome = await set([OLD, '--cluster', 'south', '--timeout', '60s']);
    assert.deepEqual(resultsIn(outcome), [`south ${OLD} ${OLD} confirmed`]);
    await eventually(async () => !jobs.south.isRunning);
  });

  it('goes without a way back where that is said', async () => {
    jobs.south.schedules = false;
    const outcome = await set([two.address, '--cluster', 'south', '--no-revert', '--timeout', '60s']);
    assert.equal(outcome.code, 0, outcome.stderr + outcome.stdout);
    assert.deepEqual(resultsIn(outcome), [`south ${OLD} ${two.address} confirmed`]);
    assert.match(outcome.stderr, /^south: dials \S+ from now on$/m);
    assert.equal(await isSettled('south', two.address), true);
    jobs.south.schedules = true;
  });

  it('leaves a cluster as it is where nothing would restore the old address', async () => {
    const outcome = await cannotRun;
    jobs.north.schedules = true;
    assert.equal(outcome.code, 1);
    assert.deepEqual(resultsIn(outcome), [`north ${OLD} ${one.address} refused`]);
    assert.match(
      outcome.stdout,
      /: nothing there would restore the address: the pod of job\.batch\/restore-address in kubectl-mcm was not started within 30 s; see that it runs, or give --no-revert$/m,
    );
    assert.match(outcome.stderr, /^Nothing else was touched: north is not connected by /m);
    assert.equal(await isSettled('north', OLD), true);
    assert.match(
      await north.there(['get', 'job', 'restore-address', '-n', 'kubectl-mcm', '-o=jsonpath={.spec.suspend}']),
      /^true$/,
    );
  });

  it('touches no other where the canary does not connect, and waits until that is back', async () => {
    const before = await versionsOf(north);
    const outcome = await set([WRONG, '--canary', 'south', ...SOON]);
    assert.equal(outcome.code, 1, outcome.stderr);
    assert.deepEqual(resultsIn(outcome), [
      `north ${OLD} ${WRONG} not changed`,
      `south ${two.address} ${WRONG} restored`,
      `west <unknown> ${WRONG} not connected`,
    ]);
    assert.match(
      outcome.stderr,
      /^south: dials 127\.0\.0\.1:9 from now on; unless that connects it, \S+ comes back by itself at \d{4}-/,
    );
    assert.equal(await isSettled('south', two.address), true);
    assert.equal(await versionsOf(north), before);
    await eventually(async () => !jobs.south.isRunning);
    assert.equal(await manifestAddress(), OLD);
  });

  it('has every cluster back that cannot connect, where others can', async () => {
    await bench.mustMcm(['remove-cluster', 'west']);
    two.closed = true;
    const outcome = await set([two.address, ...SOON]);
    assert.equal(outcome.code, 1);
    assert.deepEqual(resultsIn(outcome), [
      `north ${OLD} ${two.address} restored`,
      `south ${two.address} ${two.address} unchanged`,
    ]);
    assert.equal(await isSettled('north', OLD), true);
    assert.equal(await isSettled('south', two.address), true);
    two.closed = false;
  });

  it('moves all, one of them first, and forwarders and manifests follow', async () => {
    const outcome = await set([one.address, '--canary', 'south', '--timeout', '60s']);
    assert.equal(outcome.code, 0, outcome.stderr + outcome.stdout);
    assert.deepEqual(resultsIn(outcome), [
      `north ${OLD} ${one.address} confirmed`,
      `south ${two.address} ${one.address} confirmed`,
    ]);
    const said = ['south: dials', 'south: connected by', 'Manifests that', 'north: dials', 'north: connected by'];
    const places = said.map((words) => outcome.stderr.indexOf(words));
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
      outcome.stderr,
    );
    assert.ok((places[0] ?? -1) >= 0);
    assert.equal(await manifestAddress(), one.address);
    await eventually(async () => !jobs.south.isRunning && !jobs.north.isRunning);
    // The forwarder looks every ten seconds, and ships by the old one until then.
    const tunnels = one.opened;
    mkdirSync(dirname(logFile()), { recursive: true });
    await eventually(async () => {
      const [line = ''] = generateFlows({ seed: 1, count: 1, from: Date.now(), to: Date.now() });
      appendFileSync(logFile(), `${line}\n`, { mode: 0o600 });
      await sleep(500);
      return one.opened > tunnels;
    });
    await eventually(async () => (await mcm(bench, ['logs', '--cluster', 'north', '-o', 'json'])).stdout !== '');
  });

  it('does nothing again where all is done', async () => {
    const versions = await Promise.all([south, north].map(versionsOf));
    const outcome = await set([one.address]);
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.deepEqual(resultsIn(outcome), [
      `north ${one.address} ${one.address} unchanged`,
      `south ${one.address} ${one.address} unchanged`,
    ]);
    assert.deepEqual(await Promise.all([south, north].map(versionsOf)), versions);
  });

  it('goes on where it was killed, with what is left', async () => {
    await killAt(`north: dials ${two.address} from now on`, [two.address, '--cluster', 'north']);
    const outcome = await set([two.address, '--cluster', 'north', '--timeout', '60s']);
    assert.equal(outcome.code, 0, outcome.stderr + outcome.stdout);
    assert.deepEqual(resultsIn(outcome), [`north ${one.address} ${two.address} confirmed`]);
    await eventually(async () => !jobs.north.isRunning);
  });

  it('has made use of every right that it has', async () => {
    const lifecycle = (kind: string) => `${kind}/kubectl-mcm-lifecycle`;
    for (const [cluster, roles, account] of [
      [south, [lifecycle('role'), lifecycle('clusterrole')], 'calico-system:guardian'],
      [north, [lifecycle('role')], 'kubectl-mcm:agent'],
      [north, ['role/kubectl-mcm-restore-address'], 'kubectl-mcm:restore-address'],
    ] as const) {
      const rights = await rightsOf(bench, ['--context', cluster.name, ...roles]);
      assert.ok(rights.length > 0);
      const unused = unusedRights(cluster.cluster.auditLog, account, rights);
      assert.deepEqual(unused.map(rightText), [], cluster.name);
    }
  });
});

/** Where north's forwarder looks for flows. */
function logFile(): string {
  return pods.forwarder.path('/var/log/calico/flowlogs/flows.log');
}

function allow(user: string, rule: object): object[] {
  const group = 'rbac.authorization.k8s.io';
  const metadata = { name: `address-${user}` };
  return [
    { apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata, rules: [rule] },
    {
      ...{ apiVersion: `${group}/v1`, kind: 'ClusterRoleBinding', metadata },
      subjects: [{ kind: 'User', name: user, apiGroup: group }],
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: metadata.name },
    },
  ];
}
