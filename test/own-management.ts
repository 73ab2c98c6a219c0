import { join } from 'node:path';
import { kubernetesBinaries } from '../testbed/kubernetes/binaries.ts';
import { Cluster, certificateContext, writeKubeconfig } from '../testbed/kubernetes/cluster.ts';
import { freePorts } from '../testbed/processes.ts';
import { Workbench } from '../testbed/testbed.ts';
import { newFolder } from './harness.ts';

/** A management cluster of a test's own, for what the others' kube-apiserver and manager cannot show. */
export interface OwnManagement {
  /** Its manager listens at ports of its own, where its kube-apiserver asks for it; it does not run yet. */
  readonly workbench: Workbench;
  readonly cluster: Cluster;
}

/** Starts one, and installs what makes it a management cluster. */
export async function startOwnManagement(workbench: Workbench, name: string): Promise<OwnManagement> {
  const own = await startPlainCluster(workbench, name);
  const { address, apiAddress, facts } = own.workbench;
  const args = ['install', 'management', '--address', address, '--external-manager', apiAddress];
  try {
    await own.workbench.mustMcm(args);
    return own;
  } catch (error) {
    await own.cluster.stop();
    throw new Error(`${facts.management.name} cannot be made a management cluster`, { cause: error });
  }
}

/** Starts a cluster in which nothing is yet. */
export async function startPlainCluster(workbench: Workbench, name: string): Promise<OwnManagement> {
  const folder = newFolder(workbench, name);
  const cluster = await Cluster.start(name, join(folder, 'cluster'), await kubernetesBinaries(() => undefined));
  const kubeconfig = writeKubeconfig(join(folder, 'kubeconfig'), [await certificateContext(cluster.facts)]);
  const [clusters = 0, api = 0, health = 0] = await freePorts(3);
  const managerPorts = { clusters, api, health };
  return {
    workbench: new Workbench({ ...workbench.facts, management: cluster.facts, kubeconfig, managerPorts }),
    cluster,
  };
}
