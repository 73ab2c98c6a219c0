import { connectionManifest } from '../../clusters/connection-manifest.ts';
import { OPERATOR_NAMESPACE } from '../../clusters/managed-cluster.ts';
import { messageOf, UserError } from '../../errors.ts';
import { applyAll } from '../../install/apply.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, objectName } from '../../kube/objects.ts';
import { defineCommand, type GlobalOptions, type Io } from '../command.ts';
import { connect } from '../connect.ts';
import { awaitConnection } from '../connection/await-connection.ts';
import { createCluster, OutcomeUnknown } from '../connection/create-cluster.ts';
import { MANIFEST_FLAGS, ManifestFile } from '../connection/manifest-file.ts';
import { managementSide, newConnection } from '../connection/new-connection.ts';
import { clusterNameFault, isNamespaceName, registration } from '../connection/registration.ts';
import { rehearse } from '../connection/rehearse.ts';
import { tellWaiting } from '../connection/until-done.ts';
import { durationOf } from '../duration.ts';
import { parallelOf } from '../in-parallel.ts';
import { LABELS_FLAG, labelsOf } from '../labels.ts';
import { toYaml } from '../print.ts';
import { readDays } from '../stored-days.ts';

/** `add-cluster NAME`: registers a managed cluster and makes the manifest that connects it. */
export const command = defineCommand({
  args: ['[NAME]'],
  description: `
Register a managed cluster and make the manifest that connects it: for tigera-operator (Guardian's tunnel and Goldmane's
flow logs) and for our forwarder (log files).

The certificates are good for a year; "kubectl mcm reissue NAME" makes new ones, and "kubectl mcm remove-cluster NAME"
disconnects a cluster again. Its logs stay.

The key pairs are made here; the management cluster gets only the certificates. So the manifest is the one place that
holds the private keys: it cannot be shown again.

With -f it adds all clusters that a CSV file lists. Its first line names the columns: "name", and where they are wanted
"managed-context", "operator-namespace", "output" (the manifest's file name) and "label:KEY" for each label. -o is then the
directory for the manifests. Every line is checked, and what is wrong is told with line numbers, before anything is
changed. Ended in the middle, it goes on where it was when the same is run again; it never adds a cluster twice.`,
  examples: `
# Write the manifest to a file that only you can read, and apply it to the managed cluster
kubectl mcm add-cluster prod-eu -o prod-eu.yaml
kubectl apply --context prod-eu -f prod-eu.yaml

# Both at once, where the kubeconfig has a context for the managed cluster, and wait until it is connected
kubectl mcm add-cluster prod-eu --managed-context prod-eu --wait

# Hundreds of clusters, with labels
printf 'name,label:region\\nedge-001,eu\\nedge-002,us\\n' > clusters.csv
kubectl mcm add-cluster -f clusters.csv -o manifests -l tier=edge
kubectl mcm clusters -l tier=edge,region=eu`,
  flags: {
    ...MANIFEST_FLAGS,
    ...LABELS_FLAG,
    filename: {
      type: 'string',
      short: 'f',
      value: 'FILE',
      description: 'Add the clusters that this CSV file lists, instead of one by its name.',
    },
    parallel: {
      type: 'string',
      value: 'N',
      default: '20',
      description: 'With -f: so many clusters at once.',
    },
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
    const [name] = args;
    if (flags.filename !== undefined) return await addListed(flags.filename, name, flags, global, io);
    requireClusterName(name);
    requireNamespace(flags['operator-namespace']);
    const labels = labelsOf('labels', flags.labels);
    const timeout = waitTimeout(flags.wait, flags.timeout, flags['managed-context']);
    const management = connect(global, io);
    const managed = flags['managed-context'] === undefined ? undefined : connect(global, io, flags['managed-context']);
    const connection = await newConnection(
      await managementSide(management, io.signal),
      name,
      flags['operator-namespace'],
    );
    const manifest = connectionManifest(connection);
    const wanted = registration(name, connection, labels);
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
      const onWaiting = tellWaiting(io.err);
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

/** What the flags are, where a file lists the clusters. */
interface ListFlags {
  readonly output: string | undefined;
  readonly 'managed-context': string | undefined;
  readonly 'operator-namespace': string;
  readonly labels: readonly string[];
  readonly parallel: string;
  readonly wait: boolean;
  readonly timeout: string;
}

async function addListed(
  file: string,
  name: string | undefined,
  flags: ListFlags,
  global: GlobalOptions,
  io: Io,
): Promise<number> {
  if (name !== undefined) throw new UserError('error: a name and --filename are given: one of them is enough');
  if (flags['managed-context'] !== undefined) {
    throw new UserError('error: --managed-context is of one cluster', {
      hint: 'with --filename the contexts stand in the column "managed-context"',
    });
  }
  if (flags.output === undefined) {
    throw new UserError('error: --filename needs --output', { hint: 'the directory for the manifests: -o DIR' });
  }
  requireNamespace(flags['operator-namespace']);
  const timeout = durationOf('timeout', flags.timeout);
  const management = connect(global, io);
  const { addClusters } = await import('../add-clusters/add-clusters.ts');
  return await addClusters({
    file,
    directory: flags.output,
    operatorNamespace: flags['operator-namespace'],
    labels: labelsOf('labels', flags.labels),
    parallel: parallelOf(flags.parallel),
    management,
    connectTo: (context) => connect(global, io, context),
    untilConnected: flags.wait
      ? async (cluster, managed) =>
          await awaitConnection({
            management,
            managed,
            cluster,
            timeout,
            onWaiting: () => undefined,
            signal: io.signal,
          })
      : undefined,
    io,
  });
}

function requireClusterName(name: string | undefined): asserts name is string {
  if (name === undefined) throw new UserError('error: exactly one NAME is required, or --filename');
  const fault = clusterNameFault(name);
  if (fault !== undefined) throw new UserError(`error: ${fault}`);
}

function requireNamespace(namespace: string): void {
  if (isNamespaceName(namespace)) return;
  throw new UserError(`error: invalid argument "${namespace}" for "--operator-namespace" flag: not a namespace's name`);
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
