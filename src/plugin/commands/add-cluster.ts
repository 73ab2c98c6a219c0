import { type ConnectionOptions, connectionManifest } from '../../clusters/connection-manifest.ts';
import { isClusterName, managedCluster, OPERATOR_NAMESPACE, RESERVED_NAMES } from '../../clusters/managed-cluster.ts';
import { messageOf, UserError } from '../../errors.ts';
import { applyAll } from '../../install/apply.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, objectName } from '../../kube/objects.ts';
import { isStatus } from '../../kube/status.ts';
import { defineCommand, type Io } from '../command.ts';
import { connect } from '../connect.ts';
import { awaitConnection } from '../connection/await-connection.ts';
import { createCluster, OutcomeUnknown } from '../connection/create-cluster.ts';
import { MANIFEST_FLAGS, ManifestFile } from '../connection/manifest-file.ts';
import { newConnection } from '../connection/new-connection.ts';
import { durationOf } from '../duration.ts';
import { toYaml } from '../print.ts';
import { readDays } from '../stored-days.ts';

/** `add-cluster NAME`: registers a managed cluster and makes the manifest that connects it. */
export const command = defineCommand({
  args: ['NAME'],
  description: `
Register a managed cluster and make the manifest that connects it: for tigera-operator (Guardian's tunnel and Goldmane's
flow logs) and for our forwarder (log files).

The certificates are good for a year; "kubectl mcm reissue NAME" makes new ones, and "kubectl mcm remove-cluster NAME"
disconnects a cluster again. Its logs stay.

The key pairs are made here; the management cluster gets only the certificates. So the manifest is the one place that
holds the private keys: it cannot be shown again.`,
  examples: `
# Write the manifest to a file that only you can read, and apply it to the managed cluster
kubectl mcm add-cluster prod-eu -o prod-eu.yaml
kubectl apply --context prod-eu -f prod-eu.yaml

# Both at once, where the kubeconfig has a context for the managed cluster, and wait until it is connected
kubectl mcm add-cluster prod-eu --managed-context prod-eu --wait`,
  flags: {
    ...MANIFEST_FLAGS,
    wait: {
      type: 'boolean',
      description: 'With --managed-context: wait until the cluster is connected, saying what for.',
    },
    timeout: {
      type: 'string',
      value: 'DURATION',
      default: '5m',
      description: 'How long --wait waits, for example 90s.',
    },
    'operator-namespace': {
      type: 'string',
      value: 'NAME',
      default: OPERATOR_NAMESPACE,
      description: 'Namespace of tigera-operator in the managed cluster.',
    },
  },
  run: async ({ args, flags, global, io }) => {
    const [name = ''] = args;
    requireClusterName(name);
    requireLabel(flags['operator-namespace']);
    const timeout = waitTimeout(flags.wait, flags.timeout, flags['managed-context']);
    const management = connect(global, io);
    const managed = flags['managed-context'] === undefined ? undefined : connect(global, io, flags['managed-context']);
    const connection = await newConnection(management, name, flags['operator-namespace'], io.signal);
    const manifest = connectionManifest(connection);
    const wanted = registration(name, connection);
    // Everything that can be refused is refused before anything is written, the name first.
    await createCluster(management, wanted, { dryRun: true, signal: io.signal });
    if (managed !== undefined) await rehearse(managed, manifest, io.signal);
    const file = ManifestFile.reserve(flags.output);
    // Where the manifest is printed, it is all there is on stdout.
    const say = file === undefined && managed === undefined ? io.err : io.out;
    try {
      file?.write(toYaml(manifest));
      const registered = await createCluster(management, wanted, { dryRun: false, signal: io.signal });
      say.write(`${objectName(registered)} created\n`);
      io.err.write(await earlierLogs(management, name, io.signal));
      if (managed !== undefined) await connectNow(management, registered, managed, manifest, io);
    } catch (error) {
      if (error instanceof OutcomeUnknown) throw error.withHint(afterUnknown(name, file?.path));
      file?.discard();
      throw error;
    }
    if (file === undefined && managed === undefined) io.out.write(toYaml(manifest));
    if (flags.wait && managed !== undefined) {
      const onWaiting = (words: string) => io.err.write(`Waiting for ${words}\n`);
      await awaitConnection({ management, managed, cluster: name, timeout, onWaiting, signal: io.signal });
      say.write(`${objectName(wanted)} connected\n`);
    }
    io.err.write(`Next: ${nextStep(file?.path, managed)}\n`);
    return 0;
  },
});

/** What to do when nobody knows whether the cluster is registered with the keys in `file`, if they are in one. */
function afterUnknown(name: string, file: string | undefined): string {
  const look = `Once the API server answers again, look: kubectl get managedcluster ${name}`;
  const then =
    file === undefined
      ? `If it is there, its keys are lost: kubectl delete managedcluster ${name}\nThen run this again.`
      : `If it is there, its keys are in ${file}: apply that. If not, delete the file and run this again.`;
  return `${look}\n${then}`;
}

/**
 * A warning where logs of an earlier cluster of this name are stored, else ''. Only a help: without a manager, or the
 * right to see the days, nothing is said.
 */
async function earlierLogs(management: KubeClient, name: string, signal: AbortSignal): Promise<string> {
  const days = await readDays(management, name, signal).catch(() => []);
  const [oldest] = days.map(({ day }) => day).toSorted();
  if (oldest === undefined) return '';
  const since = oldest.replace(/^(\d{4})(\d{2})(\d{2})$/, '$1-$2-$3');
  return `warning: logs of an earlier cluster "${name}" are stored, from ${since} on: who may read the logs of this one sees them too\n`;
}

function registration(name: string, { tunnel, forwarder, operatorNamespace }: ConnectionOptions) {
  const certificate = Buffer.from(tunnel.certificate + forwarder.certificate).toString('base64');
  return managedCluster(name, { operatorNamespace, certificate });
}

/** What the API server would say of it, said before a key is made. */
function requireClusterName(name: string): void {
  if (isClusterName(name)) return;
  const what = (RESERVED_NAMES as readonly string[]).includes(name)
    ? 'it is reserved'
    : 'it must be a DNS label: at most 63 lower-case letters, digits and dashes, with a letter or digit at either end';
  throw new UserError(`error: a managed cluster cannot have the name "${name}": ${what}`);
}

/** In milliseconds; checked before anything is written. */
function waitTimeout(wait: boolean, text: string, managed: string | undefined): number {
  if (wait && managed === undefined) {
    throw new UserError('error: --wait needs --managed-context', {
      hint: 'without it nothing is applied that could connect',
    });
  }
  return durationOf('timeout', text);
}

function requireLabel(namespace: string): void {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) return;
  throw new UserError(`error: invalid argument "${namespace}" for "--operator-namespace" flag: not a namespace's name`);
}

/** Asks the managed cluster about everything it will be given, before anything is written anywhere. */
async function rehearse(managed: KubeClient, manifest: readonly KubeObject[], signal: AbortSignal): Promise<void> {
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

async function connectNow(
  management: KubeClient,
  registered: KubeObject,
  managed: KubeClient,
  manifest: readonly KubeObject[],
  { out, err, signal }: Io,
): Promise<void> {
  const { name } = managed.context;
  try {
    await applyAll(managed, manifest, {
      dryRun: false,
      signal,
      onApplied: (object, outcome) => out.write(`${objectName(object)} ${outcome} (${name})\n`),
    });
  } catch (error) {
    // The keys would be lost and the name taken: better as if nothing had been done.
    await management.delete(registered).then(
      () => err.write(`${objectName(registered)} deleted again: "${name}" could not be connected\n`),
      (failed: unknown) =>
        err.write(`warning: ${objectName(registered)} is still there and has to be deleted: ${messageOf(failed)}\n`),
    );
    throw error;
  }
}

function nextStep(file: string | undefined, managed: KubeClient | undefined): string {
  if (managed !== undefined) return 'kubectl mcm clusters';
  return `kubectl apply --context THE-MANAGED-CLUSTER -f ${file ?? 'MANIFEST'}`;
}
