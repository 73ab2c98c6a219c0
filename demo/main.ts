// `npm run demo`: the main job on real servers, walked through by running the real commands.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Testbed } from '../testbed/testbed.ts';
import { say, show, step } from './narration.ts';
import { ClusterTraffic, makeAuditTraffic } from './traffic.ts';

const CLUSTERS = ['prod-eu', 'prod-us'] as const;
const FIRST_BATCH = { flow: 10_000, dns: 5_000 };
/** Flows that come from Goldmane, by the tunnel. */
const GOLDMANE_BATCH = 500;
const LATER_BATCH = { flow: 60, dns: 30 };
/** A node's records name the node; Goldmane's are of the whole cluster. */
const FROM_FILES = { exists: { field: 'host' } };
const FROM_GOLDMANE = { bool: { must_not: [FROM_FILES] } };

const PAUSE = 5_000;
const HOUR = 3_600_000;

/** Calico's documentation grants log access like this: the cluster as resource, the log type as resource name. */
const ALICE_MAY_SEE_FLOWS = `kind: ClusterRole
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: prod-eu-flows}
rules: [{apiGroups: [lma.tigera.io], resources: [prod-eu], resourceNames: [flows], verbs: [get]}]
---
kind: ClusterRoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: alice-prod-eu-flows}
subjects: [{kind: User, name: alice, apiGroup: rbac.authorization.k8s.io}]
roleRef: {kind: ClusterRole, name: prod-eu-flows, apiGroup: rbac.authorization.k8s.io}
`;

const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } });
process.exitCode = await demo(values.once);

async function demo(once: boolean): Promise<number> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // The second time there is no patience for an orderly end; the servers end with this process.
      if (stop.signal.aborted) process.exit(130);
      stop.abort();
    });
  }
  step('Starting a management cluster, two managed clusters (kube-apiserver and etcd each) and Elasticsearch');
  let testbed: Testbed;
  try {
    testbed = await Testbed.start(CLUSTERS, (text) => process.stderr.write(`${text}\n`), stop.signal);
  } catch (error) {
    if (stop.signal.aborted) return 130;
    process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
  try {
    const nodes = testbed.facts.managed.map((cluster, at) => new ClusterTraffic(cluster, 1 + at * 1_000_000));
    const interrupted = new Promise<never>((_, reject) =>
      stop.signal.addEventListener('abort', () => reject(stop.signal.reason)),
    );
    await Promise.race([walk(testbed, nodes), interrupted]);
    if (once) await report(testbed, nodes);
    else await stayUp(testbed, nodes, stop.signal);
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 0;
    process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  } finally {
    if (!once) say('\nStopping everything');
    await testbed.stop();
  }
}

/** Everything a newcomer would do, in order. */
async function walk(testbed: Testbed, nodes: readonly ClusterTraffic[]): Promise<void> {
  const [eu, us] = nodes as [ClusterTraffic, ClusterTraffic];
  step('Make the first one a management cluster (here the manager runs as a process beside it)');
  await show(
    testbed,
    `kubectl mcm install management --address ${testbed.address} --external-manager ${testbed.apiAddress}`,
  );
  say(
    `\n$ kubectl mcm manager --elasticsearch ${testbed.elasticsearch.url} ...   (in the background, as ServiceAccount kubectl-mcm/manager)`,
  );
  const manager = await testbed.startManager();
  say(`ready; it logs to ${manager.logFile}`);

  step('Connect a managed cluster by its manifest, and another in one step');
  await show(testbed, 'kubectl mcm add-cluster prod-eu -o prod-eu.yaml');
  await show(testbed, 'kubectl apply --context prod-eu -f prod-eu.yaml');
  say(
    "\nIn a cluster with Calico's operator, Guardian connects now. These have none, so our agent does what Guardian does.",
  );
  await eu.startAgent(testbed);
  const added = show(testbed, 'kubectl mcm add-cluster prod-us --managed-context prod-us -o prod-us.yaml --wait');
  await Promise.all([added, us.startAgent(testbed)]);
  await show(testbed, 'kubectl mcm clusters -o wide');

  step('Work goes on in the managed clusters: flows, DNS queries, and changes that their API servers audit');
  const now = Date.now();
  for (const node of nodes) {
    node.append(FIRST_BATCH, now - HOUR, now);
    await makeAuditTraffic(testbed, node.cluster);
  }
  say(
    `${FIRST_BATCH.flow} flow and ${FIRST_BATCH.dns} DNS records a cluster, as a node of Calico writes them; audit logs as they come`,
  );

  for (const node of nodes) node.countAudit();
  step('Ship the log files (from cron on each node, or by a DaemonSet)');
  await show(testbed, forwardLine(eu));
  writeFileSync(join(testbed.directory, 'prod-us-forward.yaml'), configOf(us));
  await show(testbed, 'kubectl mcm forward --once --config prod-us-forward.yaml');
  for (const node of nodes) await node.sendAsGoldmane(testbed, GOLDMANE_BATCH, now - HOUR, now);
  say(`\n${GOLDMANE_BATCH} more flows of each cluster came through the tunnel, as Goldmane sends them`);
  await show(testbed, 'kubectl mcm clusters');

  step('Ask');
  await show(testbed, 'kubectl mcm logs --cluster prod-eu --type flow --tail 5');
  await show(testbed, 'kubectl mcm logs --cluster prod-us --type dns --tail 5');
  await show(testbed, 'kubectl mcm logs --cluster prod-eu --type audit --since 10m --tail 5');

  step("What you see is what Kubernetes RBAC allows: alice may read prod-eu's flows and nothing else");
  writeFileSync(join(testbed.directory, 'alice.yaml'), ALICE_MAY_SEE_FLOWS);
  await show(testbed, 'kubectl apply -f alice.yaml');
  await show(testbed, 'kubectl mcm logs --cluster prod-eu --as alice --tail 2');
  await show(testbed, 'kubectl mcm logs --cluster prod-eu --type dns --as alice', 1);
  await show(testbed, 'kubectl mcm logs --cluster prod-us --as alice', 1);
  await show(testbed, 'kubectl mcm can-i logs --cluster prod-eu --as alice');
}

function forwardLine({ cluster, flow, dns, audit, state }: ClusterTraffic): string {
  const { name } = cluster;
  const own = (path: string) => path.slice(cluster.directory.length - name.length);
  return `kubectl mcm forward --once --credentials ${name}.yaml --state ${own(state)} --flow ${own(flow)} --dns ${own(dns)} --audit-kube ${own(audit)}`;
}

function configOf({ cluster, flow, dns, audit, state }: ClusterTraffic): string {
  return [
    `credentials: ${cluster.name}.yaml`,
    `state: ${state}`,
    'files:',
    `  flow: [${flow}]`,
    `  dns: [${dns}]`,
    `  audit-kube: [${audit}]`,
    '',
  ].join('\n');
}

/** What was sent (counted in the files) and what is stored (counted by Elasticsearch), as one line of JSON. */
async function report(testbed: Testbed, nodes: readonly ClusterTraffic[]): Promise<void> {
  const labels = new Map([
    ['flows', 'flow'],
    ['dns', 'dns'],
    ['audit_kube', 'audit'],
  ]);
  const rows = [];
  for (const node of nodes) {
    const { name } = node.cluster;
    for (const [type, sent] of node.recordsToSend()) {
      const stored = await testbed.elasticsearch.count(`tigera_secure_ee_${type}.${name}.*`, FROM_FILES);
      rows.push({ cluster: name, type: labels.get(type) ?? type, sent, stored });
    }
    const stored = await testbed.elasticsearch.count(`tigera_secure_ee_flows.${name}.*`, FROM_GOLDMANE);
    rows.push({ cluster: name, type: 'goldmane', sent: GOLDMANE_BATCH, stored });
  }
  say(`\n${JSON.stringify(rows)}`);
}

async function stayUp(testbed: Testbed, nodes: readonly ClusterTraffic[], stop: AbortSignal): Promise<void> {
  step('Everything stays up, with new traffic every few seconds, until Ctrl-C. In another terminal:');
  say(`
export KUBECONFIG=${testbed.facts.kubeconfig}
export PATH=${testbed.facts.bin}:$PATH

kubectl mcm clusters -o wide
kubectl mcm logs --cluster prod-eu --since 1m --tail 20
kubectl mcm logs --cluster prod-us --type dns --tail 10 -o json
kubectl mcm logs --cluster prod-eu --type audit --since 5m
kubectl mcm logs --cluster prod-us --as alice
`);
  while (!stop.aborted) {
    const now = Date.now();
    for (const node of nodes) {
      node.append(LATER_BATCH, now - PAUSE, now);
      const { code, stderr } = await testbed.kubectl(forwardLine(node).split(' ').slice(1));
      if (code !== 0 && !stop.aborted) process.stderr.write(`forwarding from ${node.cluster.name}: ${stderr}\n`);
    }
    await sleep(PAUSE, undefined, { signal: stop }).catch(() => undefined);
  }
}
