import { UserError } from '../../errors.ts';
import { applyAll } from '../../install/apply.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { isStatus } from '../../kube/status.ts';

/** Asks the managed cluster about everything it will be given, before anything is written anywhere. */
export async function rehearse(
  managed: KubeClient,
  manifest: readonly KubeObject[],
  signal: AbortSignal,
): Promise<void> {
  const { name } = managed.context;
  const [connection] = manifest;
  if (connection !== undefined && !(await managed.serves(connection, { signal }))) {
    throw new UserError(
      `error: "${name}" has no ${connection.kind} (${connection.apiVersion}): tigera-operator is not installed there`,
      {
        hint: 'install Calico 3.30 or newer with tigera-operator first, or leave --managed-context out and apply what the manifest has for it by hand',
      },
    );
  }
  const existing =
    connection === undefined ? undefined : await managed.find<ManagementConnection>(connection, { signal });
  if (existing !== undefined) {
    const address = existing.spec?.managementClusterAddr ?? 'an unknown address';
    throw new UserError(`error: "${name}" is connected to a management cluster already (${address})`, {
      hint: `its keys would be replaced and its old connection lost. If that is meant, disconnect it first:\n  kubectl mcm remove-cluster ITS-NAME --managed-context ${name}`,
    });
  }
  try {
    await applyAll(managed, manifest, { dryRun: true, signal, onApplied: () => undefined });
  } catch (error) {
    if (!isStatus(error, 409)) throw error;
    throw error.withHint(
      `"${name}" still has Secrets of an earlier connection. Delete what its manifest made there:\n  kubectl delete --context ${name} -f THAT-MANIFEST`,
    );
  }
}

/** ManagementClusterConnection, as far as it is read. */
interface ManagementConnection extends KubeObject {
  readonly spec?: { readonly managementClusterAddr?: string };
}
