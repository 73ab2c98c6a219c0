import { CONNECTION } from '../clusters/connection-manifest.ts';
import { UserError } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeObject } from '../kube/objects.ts';
import { ENTERPRISE_VARIANT, INSTALLATION, type Installation, OPERATOR_API } from './cluster-type.ts';

/** The oldest that have Goldmane, and Guardian for open-source Calico. */
const OLDEST_OPERATOR = [1, 38] as const;
const OLDEST_CALICO = [3, 30] as const;

/** Who is to open the tunnel in a managed cluster, and what was found that says so. */
export type ManagedFinding =
  | { readonly opens: 'guardian'; readonly calico: string; readonly operator: string | undefined }
  | { readonly opens: 'agent' };

const GOLDMANE = { apiVersion: OPERATOR_API, kind: 'Goldmane', metadata: { name: 'default' } };

interface Deployment extends KubeObject {
  readonly spec?: {
    readonly template?: { readonly spec?: { readonly containers?: readonly { readonly image?: string }[] } };
  };
}

interface ClusterInformation extends KubeObject {
  readonly spec?: { readonly calicoVersion?: string };
}

/**
 * Looks whether a cluster has what a managed one needs: with tigera-operator, Calico and an operator that are new enough,
 * and Goldmane. Changes nothing. @throws UserError saying what is missing and what to do.
 */
export async function checkManaged(
  client: KubeClient,
  operatorNamespace: string,
  signal: AbortSignal,
): Promise<ManagedFinding> {
  const { name } = client.context;
  const fail = (what: string, hint: string) => new UserError(`error: "${name}" ${what}`, { hint });
  const servesConnection = await client.serves(CONNECTION, { signal });
  if (!servesConnection && !(await client.serves(INSTALLATION, { signal }))) return { opens: 'agent' };
  const upgrade = `upgrade it to Calico ${OLDEST_CALICO.join('.')} or newer first: https://docs.tigera.io/calico/latest/operations/upgrading/`;
  const installation = await client.find<Installation>(INSTALLATION, { signal });
  if ((installation?.spec?.variant ?? installation?.status?.variant) === ENTERPRISE_VARIANT) {
    throw fail(
      'runs Calico Enterprise, which this does not set up',
      `the manifest alone: kubectl mcm add-cluster NAME`,
    );
  }
  const operator = await operatorVersion(client, operatorNamespace, signal);
  if (operator !== undefined && isOlder(operator, OLDEST_OPERATOR)) {
    throw fail(`runs tigera-operator ${operator}, and ${OLDEST_OPERATOR.join('.')} or newer is needed`, upgrade);
  }
  const calico = await calicoVersion(client, signal);
  if (calico === undefined) {
    throw fail(
      'does not say its Calico version (ClusterInformation default)',
      'is Calico running there? kubectl get tigerastatus',
    );
  }
  if (isOlder(calico, OLDEST_CALICO)) {
    throw fail(`runs Calico ${calico}, and ${OLDEST_CALICO.join('.')} or newer is needed`, upgrade);
  }
  if (!servesConnection) {
    throw fail(
      `has no ManagementClusterConnection (${OPERATOR_API}): its tigera-operator does not know Guardian`,
      upgrade,
    );
  }
  if (!(await client.serves(GOLDMANE, { signal })) || (await client.find(GOLDMANE, { signal })) === undefined) {
    const object = `{"apiVersion": "${OPERATOR_API}", "kind": "Goldmane", "metadata": {"name": "default"}}`;
    throw fail(
      'has no Goldmane, which collects its flow logs',
      `create it:\n  echo '${object}' | kubectl apply --context ${name} -f -`,
    );
  }
  return { opens: 'guardian', calico, operator };
}

/** `v1.42.4`, by the tag of its image; undefined where that does not say it (a digest, a tag of one's own). */
async function operatorVersion(
  client: KubeClient,
  namespace: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'tigera-operator', namespace } };
  const found = await client.find<Deployment>(deployment, { signal });
  if (found === undefined) {
    throw new UserError(`error: "${client.context.name}" has no tigera-operator in the namespace "${namespace}"`, {
      hint: 'give its namespace: --operator-namespace NAME',
    });
  }
  const [container] = found.spec?.template?.spec?.containers ?? [];
  return /:(v?\d+\.\d+\.\d+[-.\w]*)(?:@|$)/.exec(container?.image ?? '')?.[1];
}

/** From Calico's API server, else from where it is stored. */
async function calicoVersion(client: KubeClient, signal: AbortSignal): Promise<string | undefined> {
  for (const apiVersion of ['projectcalico.org/v3', 'crd.projectcalico.org/v1']) {
    const object = { apiVersion, kind: 'ClusterInformation', metadata: { name: 'default' } };
    const found = await client.find<ClusterInformation>(object, { signal });
    const version = found?.spec?.calicoVersion;
    if (version !== undefined && version !== '') return version;
  }
  return undefined;
}

/** Whether a version is before major.minor; one that is not of the form (a build of somebody's own) is not. */
function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [, foundMajor, foundMinor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (foundMajor === undefined) return false;
  return Number(foundMajor) < major || (Number(foundMajor) === major && Number(foundMinor) < minor);
}
