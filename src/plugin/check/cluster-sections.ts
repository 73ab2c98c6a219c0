import { OPERATOR_NAMESPACE } from '../../clusters/managed-cluster.ts';
import { readManagementConfig } from '../../install/management-config.ts';
import type { KubeClient } from '../../kube/client.ts';
import { plural } from '../print.ts';
import type { Plane } from '../status/plane.ts';
import { clusterChecks, lagChecks, registryOf } from './cluster-checks.ts';
import { type Finding, ok, type Section, skipped, wrong } from './finding.ts';
import { managedChecks } from './managed-checks.ts';
import type { PlaneCheckOptions } from './plane-checks.ts';

/** All clusters: those that are not in order, and how many are. */
export function fleetSection({ clusters }: Plane, now: number): Section {
  const title = 'managed clusters';
  if ('failure' in clusters) {
    return {
      title,
      findings: [skipped('clusters', 'the managed clusters could not be read', clusters.failure.message)],
    };
  }
  const registry = registryOf(clusters.items);
  const found = clusters.items.map((cluster) =>
    clusterChecks(cluster, registry, now)
      .filter(({ level }) => level !== 'ok')
      .map((finding): Finding => ({ ...finding, message: `${cluster.metadata.name}: ${finding.message}` })),
  );
  const well = found.filter((findings) => findings.length === 0).length;
  const message = `${well} of ${plural(found.length, 'cluster')} ${found.length === 1 ? 'is' : 'are'} in order`;
  return { title, findings: [...found.flat(), ok('clusters', message)] };
}

export interface ClusterSectionOptions extends PlaneCheckOptions {
  readonly cluster: string;
  /** The managed cluster itself, where there is a context for it. */
  readonly managed: KubeClient | undefined;
}

/** One cluster: what its ManagedCluster says, what it has itself, and how far behind its logs are. */
export async function clusterSections(options: ClusterSectionOptions): Promise<readonly Section[]> {
  const { client, plane, cluster, managed, now, signal } = options;
  const title = `managed cluster ${cluster}`;
  if ('failure' in plane.clusters) {
    const { message } = plane.clusters.failure;
    return [{ title, findings: [skipped('registered', 'the managed clusters could not be read', message)] }];
  }
  const registered = plane.clusters.items.find(({ metadata }) => metadata.name === cluster);
  if (registered === undefined) {
    const todo = `kubectl mcm add-cluster ${cluster} -o ${cluster}.yaml`;
    return [{ title, findings: [wrong('registered', `there is no managed cluster "${cluster}"`, '', todo)] }];
  }
  const registry = registryOf(plane.clusters.items);
  const there =
    managed === undefined
      ? []
      : await managedChecks({
          ...{ managed, cluster, registry, now, signal },
          operatorNamespace: registered.spec.operatorNamespace ?? OPERATOR_NAMESPACE,
          management: await readManagementConfig(client, signal),
        });
  const findings = [
    ok('registered', 'it is registered'),
    ...there,
    ...clusterChecks(registered, registry, now, managed?.context.name),
    ...(await lagChecks(client, cluster, now, signal)),
  ];
  return [{ title, findings }];
}
