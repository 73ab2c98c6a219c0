import { X509Certificate } from 'node:crypto';
import { fingerprintOf } from '../../clusters/certificate.ts';
import type { CertificateRegistry } from '../../clusters/certificate-registry.ts';
import { CONNECTION, CONNECTION_NAME, TUNNEL_KEYS, TUNNEL_SECRET } from '../../clusters/connection-manifest.ts';
import { messageOf } from '../../errors.ts';
import type { ManagementConfig } from '../../install/management-config.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Secret } from '../../kube/objects.ts';
import { type OperatorObject, operatorSays } from '../connection/operator-words.ts';
import { isHostPort } from '../host-port.ts';
import { dialChecks } from './dial-checks.ts';
import { doubtful, type Finding, ok, wrong } from './finding.ts';
import { orSkipped } from './plane-checks.ts';

export interface ManagedCheckOptions {
  readonly managed: KubeClient;
  readonly cluster: string;
  readonly operatorNamespace: string;
  readonly management: ManagementConfig | undefined;
  readonly registry: CertificateRegistry;
  readonly now: number;
  readonly signal: AbortSignal;
}

/** The managed cluster itself: what Guardian is told, what it has for keys, and what it may do. */
export async function managedChecks(options: ManagedCheckOptions): Promise<readonly Finding[]> {
  return [
    ...(await orSkipped('connection', async () => await connectionChecks(options))),
    ...(await orSkipped('fingerprint', async () => await keyChecks(options))),
    ...(await orSkipped('guardian-rights', async () => [await guardianRights(options)])),
  ];
}

interface ManagementConnection extends OperatorObject {
  readonly spec?: { readonly managementClusterAddr?: string };
}

async function connectionChecks(options: ManagedCheckOptions): Promise<readonly Finding[]> {
  const { managed, cluster, management, now, signal } = options;
  const context = managed.context.name;
  const apply = `apply its manifest; where that is lost: kubectl mcm reissue ${cluster} --managed-context ${context}`;
  const found = await managed.find<ManagementConnection>(CONNECTION, { signal });
  if (found === undefined) {
    return [wrong('connection', `"${context}" has no ManagementClusterConnection ${CONNECTION_NAME}`, '', apply)];
  }
  const degraded = operatorSays(found, 'Degraded');
  const operator =
    degraded === undefined
      ? ok('connection', 'tigera-operator has nothing to say against the connection')
      : wrong(
          'connection',
          'tigera-operator cannot make the connection',
          degraded,
          `what it says; see kubectl get tigerastatus management-cluster-connection -o yaml --context ${context}`,
        );
  const told = found.spec?.managementClusterAddr ?? '';
  const wanted = management?.address;
  const patch = `kubectl patch managementclusterconnection ${CONNECTION_NAME} --context ${context} --type=merge -p '{"spec":{"managementClusterAddr":"${wanted}"}}'`;
  if (told !== wanted) {
    const what = `Guardian is told to dial "${told}"`;
    const own =
      isHostPort(told) && management?.ca !== undefined
        ? await dialChecks({ address: told, ca: management?.ca, now, signal })
        : [];
    return [operator, wrong('wrong-address', what, `the management cluster is at ${wanted}`, patch), ...own];
  }
  return [operator, ok('wrong-address', `Guardian is told to dial ${told}, where the management cluster is`)];
}

/** Whether the keys that Guardian has are those that count, and whether it trusts this manager. */
async function keyChecks(options: ManagedCheckOptions): Promise<readonly Finding[]> {
  const { managed, cluster, operatorNamespace, management, registry, now, signal } = options;
  const reissue = `kubectl mcm reissue ${cluster} --managed-context ${managed.context.name}`;
  const metadata = { name: TUNNEL_SECRET, namespace: operatorNamespace };
  const secret = await managed.find<Secret>({ apiVersion: 'v1', kind: 'Secret', metadata }, { signal });
  const where = `the Secret ${operatorNamespace}/${TUNNEL_SECRET}`;
  if (secret === undefined) return [wrong('fingerprint', `${where} is missing`, '', reissue)];
  const value = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
  let fingerprint: string;
  try {
    fingerprint = fingerprintOf(new X509Certificate(value(TUNNEL_KEYS.certificate)));
  } catch (error) {
    return [wrong('fingerprint', `${where} cannot be used`, messageOf(error), reissue)];
  }
  const admission = registry.admit(fingerprint, now);
  const isOwn = admission.admitted && admission.cluster === cluster && admission.use === 'tunnel';
  const short = fingerprint.slice(0, 16);
  const cause = admission.admitted ? `it is the ${admission.use} of "${admission.cluster}"` : admission.reason;
  const own = isOwn
    ? ok('fingerprint', `Guardian's certificate (${short}…) is registered`)
    : wrong('fingerprint', `Guardian's certificate (${short}…) does not count`, cause, reissue);
  const isTrusted = value(TUNNEL_KEYS.ca).trim() === management?.ca?.trim();
  const trust = isTrusted
    ? ok('ca', 'Guardian trusts the CA of the management cluster')
    : wrong('ca', 'Guardian trusts another CA than that of the management cluster', `in ${where}`, reissue);
  return [own, trust];
}

const GUARDIAN = 'system:serviceaccount:calico-system:guardian';

/** What the manager reads of a cluster through Guardian, by the rights that tigera-operator gives it. */
async function guardianRights({ managed, signal }: ManagedCheckOptions): Promise<Finding> {
  const missing: string[] = [];
  for (const [group, resource] of [
    ['', 'namespaces'],
    ['projectcalico.org', 'clusterinformations'],
  ] as const) {
    const spec = {
      user: GUARDIAN,
      groups: ['system:serviceaccounts', 'system:serviceaccounts:calico-system', 'system:authenticated'],
      resourceAttributes: { verb: 'list', group, resource },
    };
    const { status } = await managed.review<{ readonly status?: { readonly allowed?: boolean } }>(
      '/apis/authorization.k8s.io/v1/subjectaccessreviews',
      { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec },
      { signal },
    );
    if (status?.allowed !== true) missing.push(resource);
  }
  if (missing.length === 0) return ok('guardian-rights', 'Guardian may read what the manager asks it for');
  return doubtful(
    'guardian-rights',
    `Guardian may not list ${missing.join(' and ')}: the cluster's version and namespaces are not shown`,
    `${GUARDIAN} has not the rights of the ClusterRole calico-guardian`,
    `see that tigera-operator runs, which writes them: kubectl get clusterrole calico-guardian --context ${managed.context.name}`,
  );
}
