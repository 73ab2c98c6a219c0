import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KubeClient } from '../src/kube/client.ts';
import { loadKubeContext } from '../src/kube/kubeconfig.ts';
import { kubernetesBinaries } from '../testbed/kubernetes/binaries.ts';
import {
  Cluster,
  type ClusterFacts,
  certificateContext,
  type KubeContextEntry,
  writeKubeconfig,
} from '../testbed/kubernetes/cluster.ts';
import { Workbench } from '../testbed/testbed.ts';
import { newFolder } from './harness.ts';

/** A cluster that a test has for itself, beside the shared ones; its context in the kubeconfig has its name. */
export class OwnCluster extends Workbench {
  readonly name: string;
  readonly cluster: ClusterFacts;
  readonly #cluster: Cluster;

  private constructor(shared: Workbench, cluster: Cluster, kubeconfig: string) {
    const { managed } = shared.facts;
    super({
      ...shared.facts,
      managed: [...managed, cluster.facts],
      kubeconfig: `${shared.facts.kubeconfig}:${kubeconfig}`,
    });
    this.name = cluster.facts.name;
    this.cluster = cluster.facts;
    this.#cluster = cluster;
  }

  /** Starts a bare one. Whoever starts it stops it. */
  static async start(shared: Workbench, name: string): Promise<OwnCluster> {
    const folder = newFolder(shared, name);
    const cluster = await Cluster.start(name, join(folder, name), await kubernetesBinaries(() => undefined));
    const kubeconfig = writeKubeconfig(join(folder, 'kubeconfig'), [await certificateContext(cluster.facts)]);
    return new OwnCluster(shared, cluster, kubeconfig);
  }

  /** Its API server, as somebody whose context is not in the kubeconfig; that is kept in `folder`. */
  clientOf(context: KubeContextEntry, folder: string): KubeClient {
    const kubeconfig = writeKubeconfig(join(folder, 'kubeconfig'), [context]);
    return new KubeClient(loadKubeContext({ kubeconfig }, {}));
  }

  /** Runs kubectl in it, which must succeed. */
  async there(args: readonly string[], input = ''): Promise<string> {
    return await this.mustKubectl(['--context', this.name, ...args], { input });
  }

  /** Applies objects to it. */
  async apply(objects: readonly object[]): Promise<void> {
    await this.there(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  }

  /** Gives its API server another audit policy, and starts it again. */
  async audit(policy: object): Promise<void> {
    writeFileSync(join(this.cluster.directory, 'pki', 'audit-policy.yaml'), JSON.stringify(policy));
    await this.#cluster.restartApiserver();
  }

  async stop(): Promise<void> {
    await this.#cluster.stop();
  }
}
