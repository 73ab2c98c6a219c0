import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONNECTION, type ManagementClusterConnection } from '../../src/clusters/connection-manifest.ts';
import type { ServerProcess } from '../processes.ts';
import type { Workbench } from '../testbed.ts';
import { type ClusterFacts, tokenContext, writeKubeconfig } from './cluster.ts';

const INTERVAL = 200;
const NAMESPACE = 'calico-system';
const LABELS = { 'k8s-app': 'guardian' };

/** What tigera-operator lets Guardian do, as far as it matters here (ClusterRole calico-guardian of Calico 3.32). */
const GUARDIAN_RIGHTS = [
  { apiGroups: [''], resources: ['namespaces', 'services', 'pods'], verbs: ['get', 'list', 'watch'] },
  {
    apiGroups: ['apps'],
    resources: ['deployments', 'replicasets', 'statefulsets', 'daemonsets'],
    verbs: ['get', 'list', 'watch'],
  },
  { apiGroups: ['projectcalico.org'], resources: ['clusterinformations'], verbs: ['get', 'list', 'watch'] },
];

/**
 * Plays tigera-operator, and kubelet for the one pod, as far as Guardian's address goes: Deployment and pod have the
 * address of the ManagementClusterConnection in their environment, and our agent, which speaks as Guardian does, runs in
 * its place with the rights of Guardian's ServiceAccount. With another address the pod is replaced.
 */
export class GuardianOperator {
  readonly #workbench: Workbench;
  readonly #cluster: ClusterFacts;
  readonly #kubeconfig: string;
  readonly #manifest: string;
  readonly #stopped = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  #guardian: ServerProcess | undefined;
  #address: string | undefined;
  #revision = 0;

  private constructor(workbench: Workbench, cluster: ClusterFacts, folder: string) {
    this.#workbench = workbench;
    this.#cluster = cluster;
    this.#kubeconfig = join(folder, 'guardian.kubeconfig');
    this.#manifest = join(folder, 'guardian.yaml');
  }

  /** Of a cluster to which `install managed` was applied; its files go into `folder`. */
  static async start(workbench: Workbench, cluster: ClusterFacts, folder: string): Promise<GuardianOperator> {
    const operator = new GuardianOperator(workbench, cluster, folder);
    const group = 'rbac.authorization.k8s.io';
    const metadata = { name: 'calico-guardian' };
    const subjects = [{ kind: 'ServiceAccount', name: 'guardian', namespace: NAMESPACE }];
    const roleRef = { apiGroup: group, kind: 'ClusterRole', name: metadata.name };
    await operator.#apply([
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'guardian', namespace: NAMESPACE } },
      { apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata, rules: GUARDIAN_RIGHTS },
      { apiVersion: `${group}/v1`, kind: 'ClusterRoleBinding', metadata, subjects, roleRef },
    ]);
    const token = (await operator.#kubectl(['create', 'token', 'guardian', '-n', NAMESPACE])).trim();
    writeKubeconfig(operator.#kubeconfig, [tokenContext(cluster, token)]);
    const secret = ['secret/tigera-managed-cluster-connection', '-n', 'tigera-operator', '-o', 'yaml'];
    writeFileSync(operator.#manifest, await operator.#kubectl(['get', ...secret]), { mode: 0o600 });
    operator.#ended = operator.#run();
    return operator;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#ended;
    await this.#guardian?.stop();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    const client = this.#workbench.client(this.#cluster.name);
    while (!signal.aborted) {
      const found = await client.find<ManagementClusterConnection>(CONNECTION);
      const { managementClusterAddr: address = '' } = found?.spec ?? {};
      if (address !== this.#address) await this.#roll(address);
      await sleep(INTERVAL, undefined, { signal }).catch(() => undefined);
    }
  }

  /** The pod of before is gone before the next begins. */
  async #roll(address: string): Promise<void> {
    const env = [{ name: 'GUARDIAN_VOLTRON_URL', value: address }];
    const spec = { serviceAccountName: 'guardian', containers: [{ name: 'guardian', image: 'guardian', env }] };
    const template = { metadata: { labels: LABELS }, spec };
    const metadata = { name: 'guardian', namespace: NAMESPACE };
    const deployment = { selector: { matchLabels: LABELS }, strategy: { type: 'Recreate' }, template };
    await this.#apply([{ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: deployment }]);
    await this.#guardian?.stop();
    await this.#kubectl(['delete', 'pods', '-n', NAMESPACE, '-l', 'k8s-app=guardian', '--force', '--ignore-not-found']);
    const name = `guardian-${++this.#revision}`;
    await this.#apply([
      { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: NAMESPACE, labels: LABELS }, spec },
    ]);
    const flags = ['--address', address, '--kubeconfig', this.#kubeconfig];
    const { name: context } = this.#cluster;
    this.#guardian = this.#workbench.startAgent({
      context,
      manifest: this.#manifest,
      logName: `${context}-${name}`,
      flags,
    });
    const running = JSON.stringify({ status: { phase: 'Running' } });
    await this.#kubectl([
      'patch',
      `pod/${name}`,
      '-n',
      NAMESPACE,
      '--subresource=status',
      '--type=merge',
      '-p',
      running,
    ]);
    this.#address = address;
  }

  async #apply(items: readonly object[]): Promise<void> {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    await this.#workbench.mustKubectl(['--context', this.#cluster.name, 'apply', '-f', '-'], { input });
  }

  async #kubectl(args: readonly string[]): Promise<string> {
    return await this.#workbench.mustKubectl(['--context', this.#cluster.name, ...args]);
  }
}
