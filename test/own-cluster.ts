import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { kubernetesBinaries } from '../testbed/kubernetes/binaries.ts';
import { Cluster, type ClusterFacts, certificateContext, writeKubeconfig } from '../testbed/kubernetes/cluster.ts';
import type { Workbench } from '../testbed/testbed.ts';
import { newFolder } from './harness.ts';

/** A cluster that a test has for itself, beside the shared ones. */
export interface OwnCluster {
  readonly facts: ClusterFacts;
  /** An environment whose kubeconfig has its context by its name, beside those of the shared clusters. */
  readonly env: { readonly KUBECONFIG: string };
  /** Runs kubectl in it, which must succeed. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** Applies objects to it. */
  apply(objects: readonly object[]): Promise<void>;
}

/** Starts a bare cluster, which ends with the test or suite. */
export async function startOwnCluster(
  workbench: Workbench,
  t: Pick<TestContext, 'after'>,
  name: string,
): Promise<OwnCluster> {
  const folder = newFolder(workbench, name);
  const cluster = await Cluster.start(name, join(folder, name), await kubernetesBinaries(() => undefined));
  t.after(() => cluster.stop());
  const own = writeKubeconfig(join(folder, 'kubeconfig'), [await certificateContext(cluster.facts)]);
  const env = { KUBECONFIG: `${workbench.facts.kubeconfig}:${own}` };
  const kubectl = async (args: readonly string[], input = '') =>
    await workbench.mustKubectl(['--context', name, ...args], { env, input });
  return {
    facts: cluster.facts,
    env,
    kubectl,
    apply: async (items) => {
      await kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    },
  };
}
