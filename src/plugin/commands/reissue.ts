import { withNewCertificates } from '../../clusters/certificate-rotation.ts';
import { connectionManifest } from '../../clusters/connection-manifest.ts';
import { OPERATOR_NAMESPACE } from '../../clusters/managed-cluster.ts';
import { applyAll } from '../../install/apply.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, objectName } from '../../kube/objects.ts';
import { defineCommand, type Io } from '../command.ts';
import { connect } from '../connect.ts';
import { requireConnectedAs } from '../connection/managed-side.ts';
import { MANIFEST_FLAGS, ManifestFile } from '../connection/manifest-file.ts';
import { managementSide, newConnection } from '../connection/new-connection.ts';
import { changeSpec, registeredCluster } from '../connection/registered-cluster.ts';
import { durationOf, humanDuration } from '../duration.ts';
import { toYaml } from '../print.ts';

/** `reissue NAME`: new keys for a managed cluster, beside which the old ones count for a while. */
export const command = defineCommand({
  args: ['NAME'],
  completes: ['managed-clusters'],
  description: `
Make new key pairs for a managed cluster, as a new manifest: before its certificates run out, or where its keys are lost
or in the wrong hands (then with --overlap 0).

The certificates of today count beside the new ones for --overlap, so that nothing is interrupted: Guardian and the
forwarders change over when the manifest is applied, each in its own time. After that the old ones are refused, and what
is connected by them is closed. "kubectl mcm clusters -o wide" shows until when a cluster's certificates count.`,
  examples: `
# New keys in the managed cluster now; the old ones count for another day
kubectl mcm reissue prod-eu --managed-context prod-eu

# The manifest as a file that only you can read, for whoever applies it this week
kubectl mcm reissue prod-eu -o prod-eu.yaml --overlap 7d

# The old keys have been stolen
kubectl mcm reissue prod-eu --managed-context prod-eu --overlap 0`,
  flags: {
    ...MANIFEST_FLAGS,
    overlap: {
      type: 'string',
      value: 'DURATION',
      default: '24h',
      description: 'How long the certificates of today still count, for example 12h or 7d; 0: no longer.',
    },
  },
  run: async ({ args, flags, global, io }) => {
    const [name = ''] = args;
    const overlap = durationOf('overlap', flags.overlap);
    const { signal } = io;
    const management = connect(global, io);
    const managed = flags['managed-context'] === undefined ? undefined : connect(global, io, flags['managed-context']);
    const cluster = await registeredCluster(management, name, signal);
    const { operatorNamespace = OPERATOR_NAMESPACE } = cluster.spec;
    const connection = await newConnection(await managementSide(management, signal), name, operatorNamespace);
    const manifest = connectionManifest(connection);
    const now = io.now();
    const pem = connection.tunnel.certificate + connection.forwarder.certificate;
    const spec = withNewCertificates(cluster, pem, { now, until: now + overlap });
    // Everything that can be refused is refused before anything is written.
    await changeSpec(management, cluster, spec, { dryRun: true, signal });
    if (managed !== undefined) {
      await requireConnectedAs(managed, name, operatorNamespace, signal);
      await applyManifest(managed, manifest, { dryRun: true, io });
    }
    const file = ManifestFile.reserve(flags.output);
    try {
      file?.write(toYaml(manifest));
      await changeSpec(management, cluster, spec, { dryRun: false, signal });
    } catch (error) {
      file?.discard();
      throw error;
    }
    const say = file === undefined && managed === undefined ? io.err : io.out;
    say.write(`${objectName(cluster)} reissued\n`);
    if (managed !== undefined) await applyManifest(managed, manifest, { dryRun: false, io });
    if (file === undefined && managed === undefined) io.out.write(toYaml(manifest));
    if (cluster.spec.certificate !== undefined) {
      const old =
        spec.retiring.length === 0 ? 'are refused from now on' : `count for another ${humanDuration(overlap)}`;
      io.err.write(`Its old certificates ${old}.\n`);
    }
    const apply = `kubectl apply --context THE-MANAGED-CLUSTER -f ${file?.path ?? 'MANIFEST'}`;
    io.err.write(`Next: ${managed === undefined ? apply : 'kubectl mcm clusters -o wide'}\n`);
    return 0;
  },
});

/** The keys are ours, whoever applied the manifest that they came in. */
async function applyManifest(
  managed: KubeClient,
  manifest: readonly KubeObject[],
  { dryRun, io: { out, signal } }: { readonly dryRun: boolean; readonly io: Io },
): Promise<void> {
  const { name } = managed.context;
  await applyAll(managed, manifest, {
    dryRun,
    force: true,
    signal,
    onApplied: (object, outcome) => {
      if (!dryRun) out.write(`${objectName(object)} ${outcome} (${name})\n`);
    },
  });
}
