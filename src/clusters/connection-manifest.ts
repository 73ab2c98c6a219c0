import type { KubeObject, Secret } from '../kube/objects.ts';
import type { KeyPair } from './key-pair.ts';
import { NAMESPACE } from './managed-cluster.ts';

/** Name of the ManagementClusterConnection; tigera-operator reads no other. */
export const CONNECTION_NAME = 'tigera-secure';

/** It, for those who look for it. */
export const CONNECTION = {
  apiVersion: 'operator.tigera.io/v1',
  kind: 'ManagementClusterConnection',
  metadata: { name: CONNECTION_NAME },
} as const;

export interface ManagementClusterConnection extends KubeObject {
  readonly spec?: { readonly managementClusterAddr?: string };
}

/** Name of the Secret that Guardian or our agent reads, and of its keys. */
export const TUNNEL_SECRET = 'tigera-managed-cluster-connection';
export const TUNNEL_KEYS = {
  /** Only our agent's: Guardian is told by the ManagementClusterConnection. */
  address: 'address',
  ca: 'management-cluster.crt',
  certificate: 'managed-cluster.crt',
  key: 'managed-cluster.key',
} as const;

/** Name of the forwarder's Secret in the managed cluster, and of its keys. */
export const FORWARDER_SECRET = 'forwarder';
export const FORWARDER_KEYS = { address: 'address', ca: 'ca.crt', certificate: 'tls.crt', key: 'tls.key' } as const;

export interface ConnectionOptions {
  /** `HOST:PORT` at which the managed cluster reaches the manager's port 9449. */
  readonly address: string;
  /** The management side's CA, PEM. Guardian asks for the only DNS name in it, and trusts nothing else. */
  readonly ca: string;
  /** tigera-operator's; or NAMESPACE, where there is none and our agent opens the tunnel instead of Guardian. */
  readonly operatorNamespace: string;
  readonly tunnel: KeyPair;
  readonly forwarder: KeyPair;
}

/**
 * Everything a managed cluster needs to connect, in the order to apply it: what the tunnel is opened by, and what our
 * forwarder reads.
 */
export function connectionManifest(options: ConnectionOptions): KubeObject[] {
  const { address, ca, operatorNamespace, forwarder } = options;
  return [
    ...(operatorNamespace === NAMESPACE ? [] : operatorObjects(options)),
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name: NAMESPACE,
        // The forwarder reads the node's log files.
        labels: { 'pod-security.kubernetes.io/enforce': 'privileged' },
      },
    },
    ...(operatorNamespace === NAMESPACE ? [tunnelSecret(options, { [TUNNEL_KEYS.address]: address })] : []),
    secret(FORWARDER_SECRET, NAMESPACE, {
      [FORWARDER_KEYS.address]: address,
      [FORWARDER_KEYS.ca]: ca,
      [FORWARDER_KEYS.certificate]: forwarder.certificate,
      [FORWARDER_KEYS.key]: forwarder.key,
    }),
  ];
}

/** What tigera-operator reads to run Guardian (the tunnel), and to let Goldmane trust us (the flow logs). */
function operatorObjects(options: ConnectionOptions): KubeObject[] {
  const { address, ca, operatorNamespace } = options;
  return [
    { ...CONNECTION, spec: { managementClusterAddr: address } } as KubeObject,
    tunnelSecret(options),
    // Calico 3.30 and 3.31 read the first name, 3.32 only the second.
    secret('tigera-voltron-linseed-certs-public', operatorNamespace, { 'tls.crt': ca }),
    secret('calico-voltron-linseed-certs-public', operatorNamespace, { 'tls.crt': ca }),
  ];
}

function tunnelSecret(
  { ca, operatorNamespace, tunnel }: ConnectionOptions,
  more: Readonly<Record<string, string>> = {},
): Secret {
  return secret(TUNNEL_SECRET, operatorNamespace, {
    ...more,
    [TUNNEL_KEYS.ca]: ca,
    [TUNNEL_KEYS.certificate]: tunnel.certificate,
    [TUNNEL_KEYS.key]: tunnel.key,
  });
}

/** What a cluster is connected by, to be deleted in this order. The namespace is not among it: more may be in there. */
export function connectionObjects(operatorNamespace: string): Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>[] {
  const none = { certificate: '', key: '' };
  return connectionManifest({ address: '', ca: '', operatorNamespace, tunnel: none, forwarder: none })
    .filter(({ kind }) => kind !== 'Namespace')
    .map(({ apiVersion, kind, metadata }) => ({ apiVersion, kind, metadata }));
}

function secret(name: string, namespace: string, data: Readonly<Record<string, string>>): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    type: 'Opaque',
    data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')])),
  };
}
