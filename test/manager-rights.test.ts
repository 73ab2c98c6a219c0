import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { Pod } from '../testbed/kubernetes/pod.ts';
import { ServiceProxy } from '../testbed/kubernetes/service-proxy.ts';
import { addSender, eventually, forward, mcm, post, type Sender, sharedWorkbench } from './harness.ts';
import { type OwnManagement, startPlainCluster } from './own-management.ts';
import { type Right, rightsOf, rightText, unusedRights, withoutRight } from './rights-in-use.ts';

const shared = sharedWorkbench();
const ROLES = ['role/manager', 'clusterrole/kubectl-mcm-manager'];
const ACCOUNT = 'kubectl-mcm:manager';

interface Deprived {
  readonly own: OwnManagement;
  readonly pod: Pod;
  /** Since the right is gone. */
  readonly log: string;
}

let unseen: Sender | undefined;

/** What is not as it was when a right of the manager is taken away. */
const MISSED: Readonly<Record<string, (deprived: Deprived) => Promise<boolean>>> = {
  'get secrets manager-tls': ends('secrets "manager-tls" is forbidden'),
  'get configmaps logs': ends('configmaps "logs" is forbidden'),
  'list configmaps logs': says('configuration of the store cannot be watched', 'cannot list resource'),
  'watch configmaps logs': says('configuration of the store cannot be watched', 'cannot watch resource'),
  'patch configmaps logs': async (deprived) => {
    // What is asked for is taken note of there.
    await deprived.own.workbench.mustMcm(['retention', 'set', '--type', 'flow', '--days', '3']);
    return await says('cannot patch resource', 'configmaps')(deprived);
  },
  'get leases.coordination.k8s.io log-keeper': says('lease not renewed', 'cannot get resource'),
  'patch leases.coordination.k8s.io log-keeper': says('lease not renewed', 'cannot patch resource'),
  'list managedclusters.kubectl-mcm.io': async ({ pod }) => {
    const ready = await fetch(`http://${pod.ip}:9090/readyz`).catch(() => undefined);
    return ready?.status === 503 && (await ready.text()).includes('[-]managed-clusters failed');
  },
  'watch managedclusters.kubectl-mcm.io': says('ManagedClusters cannot be watched', 'cannot watch resource'),
  'patch managedclusters.kubectl-mcm.io/status': async (deprived) => {
    await deprived.pod.untilReady();
    // Of one that it has not seen before, and so has to write of at once.
    unseen ??= await addSender(deprived.own.workbench, 'unseen');
    await post(unseen.credentials, '/api/v1/flows/logs/bulk', 'no record\n');
    return await says('status not written', 'managedclusters')(deprived);
  },
  'create subjectaccessreviews.authorization.k8s.io': async ({ own, pod }) => {
    await pod.untilReady();
    const { code, stderr } = await mcm(own.workbench, ['logs', '--cluster', 'first']);
    return code === 1 && /subjectaccessreviews/.test(stderr);
  },
};

function says(...words: readonly string[]): (deprived: Deprived) => Promise<boolean> {
  return async ({ log }) => log.split('\n').some((line) => words.every((word) => line.includes(word)));
}

function ends(why: string): (deprived: Deprived) => Promise<boolean> {
  return async ({ pod, log }) => !pod.process.running && log.includes(why);
}

describe('the rights of the manager', () => {
  let own: OwnManagement;
  let pod: Pod;
  const proxies: ServiceProxy[] = [];
  /** What it has said since its last start. */
  const log = () => readFileSync(pod.process.logFile, 'utf8').slice(said);
  let said = 0;
  const stop = async () => {
    await pod.stop();
    said = readFileSync(pod.process.logFile, 'utf8').length;
  };

  before(async () => {
    own = await startPlainCluster(shared, 'rights');
    const { elasticsearchUrl } = shared.facts;
    const install = ['install', 'management', '--image', 'kubectl-mcm', '--elasticsearch', elasticsearchUrl];
    await own.workbench.mustMcm([...install, '--address', 'mgmt.example.com:30449']);
    pod = await Pod.start(own.workbench, { workload: 'statefulset/manager' });
    for (const service of ['manager', 'manager-mcm']) {
      proxies.push(await ServiceProxy.start(own.workbench, { service }, pod));
    }
    await own.workbench.mustMcm([...install, '--address', `${proxies[1]?.ip}:9449`]);
  });
  after(async () => {
    for (const proxy of proxies) proxy.stop();
    await pod.stop();
    await own.cluster.stop();
  });

  it('are all in use', async () => {
    await pod.untilReady();
    const sender = await addSender(own.workbench, 'first');
    const flow = join(sender.folder, 'flows.log');
    const now = Date.now();
    writeFileSync(flow, `${[...generateFlows({ seed: 1, count: 3, from: now - 3_600_000, to: now })].join('\n')}\n`);
    assert.equal((await forward(own.workbench, sender, ['--flow', flow])).code, 0);
    await eventually(async () => (await mcm(own.workbench, ['logs', '--cluster', 'first', '-o', 'json'])).code === 0);
    const rights = await rightsOf(own.workbench, ROLES);
    const unused = () => unusedRights(own.cluster.facts.auditLog, ACCOUNT, rights).map(rightText);
    await eventually(async () => unused().length === 0);
    // One that nobody has a use for is found.
    const more: Right = { role: 'role/manager', verb: 'get', apiGroup: '', resource: 'pods', name: undefined };
    assert.deepEqual(unusedRights(own.cluster.facts.auditLog, ACCOUNT, [...rights, more]).map(rightText), ['get pods']);
    assert.deepEqual(rights.map(rightText).sort(), Object.keys(MISSED).sort());
  });

  for (const [text, misses] of Object.entries(MISSED)) {
    it(`are missed: ${text}`, async () => {
      const right = (await rightsOf(own.workbench, ROLES)).find((one) => rightText(one) === text);
      assert.ok(right);
      const original = await own.workbench.mustKubectl(['get', right.role, '-n', 'kubectl-mcm', '-o', 'json']);
      // With all its rights still: it lets go of its lease.
      await stop();
      await own.workbench.mustKubectl(['replace', '-f', '-'], { input: withoutRight(original, right) });
      try {
        await pod.restart();
        await eventually(async () => await misses({ own, pod, log: log() }));
      } finally {
        await own.workbench.mustKubectl(['replace', '-f', '-'], { input: withoutRight(original, undefined) });
      }
    });
  }

  it('are missed: how kube-apiserver introduces its users', async () => {
    const binding = ['rolebinding', 'kubectl-mcm-manager', '-n', 'kube-system'];
    await own.workbench.mustKubectl(['delete', ...binding]);
    await stop();
    await pod.restart();
    assert.equal(await pod.untilEnded(), 1);
    assert.match(log(), /extension-apiserver-authentication/);
  });
});
