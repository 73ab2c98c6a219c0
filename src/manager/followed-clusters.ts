import type { Logger } from 'pino';
import type { CertificateRegistry } from '../clusters/certificate-registry.ts';
import { MANAGED_CLUSTERS_PATH, type ManagedCluster } from '../clusters/managed-cluster.ts';
import { messageOf } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { isStatus } from '../kube/status.ts';
import { watchCollection } from '../kube/watch.ts';
import type { ClusterStatusWriter } from './cluster-status.ts';

/** Keeps up with which clusters there are, and by which certificates they speak, until the signal aborts. */
export async function followClusters(
  client: KubeClient,
  registry: CertificateRegistry,
  status: ClusterStatusWriter,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  const onError = (error: unknown) => {
    const missing = isStatus(error, 404) ? ' (is the CRD there? run: kubectl mcm install management)' : '';
    log.warn(
      { reason: messageOf(error) },
      `ManagedClusters cannot be watched${missing}; what was known stays in force`,
    );
  };
  for await (const event of watchCollection<ManagedCluster>(client, MANAGED_CLUSTERS_PATH, { signal, onError })) {
    switch (event.type) {
      case 'list':
        registry.replaceAll(event.objects);
        status.retain(new Set(event.objects.map(({ metadata }) => metadata.name)));
        for (const object of event.objects) status.observe(object);
        break;
      case 'set':
        registry.set(event.object);
        status.observe(event.object);
        break;
      case 'delete':
        registry.delete(event.object.metadata.name);
        status.forget(event.object.metadata.name);
        break;
    }
  }
}

/** Resolves with the first list: before it every certificate would be refused as not registered. */
export async function registryFilled(registry: CertificateRegistry, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    registry.onChange(() => resolve());
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
