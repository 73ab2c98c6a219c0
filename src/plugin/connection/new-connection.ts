import type { ConnectionOptions } from '../../clusters/connection-manifest.ts';
import { createKeyPair, daysFromNow } from '../../clusters/key-pair.ts';
import { NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { MANAGEMENT_CONFIG } from '../../install/management.ts';
import { readManagementConfig } from '../../install/management-config.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isHostPort } from '../host-port.ts';

/** How long a managed cluster's certificates are good for. */
const CERTIFICATE_DAYS = 365;

/** What the management cluster says of itself to managed clusters. */
type ManagementSide = Pick<ConnectionOptions, 'address' | 'ca'>;

/** @throws UserError where it is no management cluster. */
export async function managementSide(management: KubeClient, signal: AbortSignal): Promise<ManagementSide> {
  const { address, ca } = (await readManagementConfig(management, signal)) ?? {};
  if (address === undefined || ca === undefined) {
    throw new UserError(`error: "${management.context.name}" is not a management cluster`, {
      hint: 'run: kubectl mcm install management --help',
    });
  }
  requireAddress(address);
  return { address, ca };
}

/** What a managed cluster connects with: new key pairs, and where the management cluster says that it is reached. */
export async function newConnection(
  side: ManagementSide,
  cluster: string,
  operatorNamespace: string,
): Promise<ConnectionOptions> {
  const request = { commonName: cluster, dnsNames: [cluster], notAfter: daysFromNow(CERTIFICATE_DAYS) };
  return {
    ...side,
    operatorNamespace,
    // Guardian serves TLS with it as well, to us, inside the tunnel.
    tunnel: await createKeyPair({ ...request, organizationalUnit: 'tunnel', usages: ['server', 'client'] }),
    forwarder: await createKeyPair({ ...request, organizationalUnit: 'forwarder', usages: ['client'] }),
  };
}

/** `install management` writes no other; but ConfigMaps can be edited, and a manifest without one connects nothing. */
function requireAddress(address: string): void {
  if (isHostPort(address)) return;
  const where = `the ConfigMap ${NAMESPACE}/${MANAGEMENT_CONFIG}`;
  throw new UserError(`error: ${where} has the address "${address}", which is not of the form HOST:PORT`, {
    hint: 'run: kubectl mcm upgrade --address HOST:PORT',
  });
}
