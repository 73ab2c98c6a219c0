import type { KeyPair } from '../clusters/key-pair.ts';
import { MANAGED_CLUSTER_GROUP, NAMESPACE } from '../clusters/managed-cluster.ts';
import { MANAGED_CLUSTER_CRD } from '../clusters/managed-cluster-crd.ts';
import type { KubeObject, ObjectMeta, Secret } from '../kube/objects.ts';
import { LOG_ACCESS_API, LOG_ACCESS_GROUP } from '../rbac/log-access.ts';
import { RBAC_API, RBAC_GROUP } from '../rbac/rbac-objects.ts';

/** ConfigMap with what is public about the management plane: `add-cluster` makes manifests from it. */
export const MANAGEMENT_CONFIG = 'management';
export const MANAGEMENT_KEYS = { address: 'address', ca: 'ca.crt' } as const;

/** ConfigMap that says where logs are stored and how long they are kept, see StoreConfig. */
export const LOGS_CONFIG = 'logs';
export const LOGS_KEYS = {
  /** What people write: how long logs are kept, and the layout that is to come. */
  retention: 'retention',
  layout: 'layout',
  /** What the manager writes: which layout is for which days, and what it says of the above. */
  history: 'history',
  status: 'status',
} as const;

/** API group of the manager in which it says what is stored (`days`) and how it is itself (`managers`). */
export const MANAGER_API_GROUP = 'logs.kubectl-mcm.io';
export const MANAGER_API = `${MANAGER_API_GROUP}/v1`;
export const LOG_DAYS_PATH = `/apis/${MANAGER_API}/days`;
export const MANAGERS_PATH = `/apis/${MANAGER_API}/managers`;

/** API group of the manager in which it answers for many clusters at once, and decides itself what of them. */
export const FLEET_API_GROUP = 'query.kubectl-mcm.io';
export const FLEET_API = `${FLEET_API_GROUP}/v1`;

/** Lease of the one manager that deletes old days. */
export const KEEPER_LEASE = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'log-keeper', namespace: NAMESPACE },
} as const;

/** Secret of the CA that signs the manager's certificates; managed clusters trust it, and nothing else does. */
export const CA_SECRET = 'ca';
/** Secret of the manager's own certificate and key. */
export const MANAGER_TLS_SECRET = 'manager-tls';

/** Service of the manager's API port, for kube-apiserver; its DNS name is in the manager's certificate. */
const API_SERVICE = 'manager';
/** Service of the port that managed clusters dial. */
const CLUSTERS_SERVICE = 'manager-mcm';

/**
 * The one DNS name in the CA's certificate. Guardian and our forwarder ask for it whatever address they dial, so that
 * the address can change without new certificates.
 */
export const CA_DNS_NAME = 'voltron';

/** DNS names in the manager's certificate: for Guardian and forwarders, for kube-apiserver, and for Goldmane. */
export const MANAGER_DNS_NAMES = [
  CA_DNS_NAME,
  `${API_SERVICE}.${NAMESPACE}.svc`,
  'tigera-linseed.tigera-elasticsearch.svc',
] as const;

const CLUSTERS_PORT = 9449;
const CLUSTERS_NODE_PORT = 30449;
const API_PORT = 8443;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface ManagementOptions {
  /** `HOST:PORT` at which managed clusters reach the manager. */
  readonly address: string;
  /** Where kube-apiserver reaches the API of a manager that runs outside this cluster. */
  readonly externalManager: HostPort | undefined;
}

export interface ManagementKeys {
  readonly ca: KeyPair;
  readonly manager: KeyPair;
}

const labels = { 'app.kubernetes.io/name': 'kubectl-mcm', 'app.kubernetes.io/component': 'manager' };
const selector = { 'app.kubernetes.io/name': 'kubectl-mcm', 'app.kubernetes.io/component': 'manager' };
const MANAGER = 'manager';
const MANAGER_ROLE = 'kubectl-mcm-manager';

/** For people: to see how the management plane is, and no log. Nobody has it until somebody binds it. */
const VIEWER_ROLE = {
  apiVersion: RBAC_API,
  kind: 'ClusterRole',
  metadata: { name: 'kubectl-mcm-viewer', labels },
  rules: [
    { apiGroups: [MANAGED_CLUSTER_GROUP], resources: ['managedclusters'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: [MANAGER_API_GROUP], resources: ['managers', 'days'], verbs: ['list'] },
  ],
};

const FLEET_ROLE = 'kubectl-mcm-fleet-reader';
const EVERYBODY = { kind: 'Group', name: 'system:authenticated' } as const;

/** Everybody may ask for the logs of many clusters: the manager decides by the rights to each what they get. */
const FLEET_PERMISSIONS = [
  object(
    RBAC_API,
    'ClusterRole',
    { name: FLEET_ROLE, labels },
    {
      rules: [{ apiGroups: [FLEET_API_GROUP], resources: ['logs'], verbs: ['get'] }],
    },
  ),
  object(
    RBAC_API,
    'ClusterRoleBinding',
    { name: FLEET_ROLE, labels },
    {
      subjects: [{ ...EVERYBODY, apiGroup: RBAC_GROUP }],
      roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: FLEET_ROLE },
    },
  ),
];

const FLOW_CONTROL = 'flowcontrol.apiserver.k8s.io/v1';
const FLOW = 'kubectl-mcm-logs';

/**
 * Reads of logs have places of their own in kube-apiserver, and queues by user: however many there are, and however long
 * the store takes, nobody else's requests wait for them.
 */
const FLOW_SCHEMA = [
  object(
    FLOW_CONTROL,
    'PriorityLevelConfiguration',
    { name: FLOW, labels },
    {
      spec: {
        type: 'Limited',
        limited: {
          nominalConcurrencyShares: 10,
          lendablePercent: 50,
          limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 6, queueLengthLimit: 50 } },
        },
      },
    },
  ),
  object(
    FLOW_CONTROL,
    'FlowSchema',
    { name: FLOW, labels },
    {
      spec: {
        priorityLevelConfiguration: { name: FLOW },
        // Before Kubernetes' own for ServiceAccounts (9000) and everybody (9900), behind those for its own parts.
        matchingPrecedence: 5000,
        distinguisherMethod: { type: 'ByUser' },
        rules: [
          {
            subjects: [{ kind: 'Group', group: { name: EVERYBODY.name } }],
            resourceRules: [
              {
                verbs: ['get'],
                apiGroups: [FLEET_API_GROUP, LOG_ACCESS_GROUP],
                resources: ['*'],
                clusterScope: true,
                // There are none; but what is not said is kept as null, and whoever applies this again would change it.
                namespaces: ['*'],
              },
            ],
          },
        ],
      },
    },
  ),
];

/**
 * Everything that makes a cluster a management cluster, in the order to apply it. Without `keys` the two Secrets are
 * there without their data, and the APIService without its trust: that form holds nothing secret and is always the
 * same.
 */
export function managementObjects(options: ManagementOptions, keys: ManagementKeys | undefined): KubeObject[] {
  return [
    object('v1', 'Namespace', { name: NAMESPACE, labels }),
    MANAGED_CLUSTER_CRD,
    object('v1', 'ServiceAccount', namespaced(MANAGER)),
    ...permissions(),
    VIEWER_ROLE,
    ...FLEET_PERMISSIONS,
    ...FLOW_SCHEMA,
    object('v1', 'ConfigMap', namespaced(MANAGEMENT_CONFIG), {
      data: {
        [MANAGEMENT_KEYS.address]: options.address,
        ...(keys === undefined ? {} : { [MANAGEMENT_KEYS.ca]: keys.ca.certificate }),
      },
    }),
    object('v1', 'ConfigMap', namespaced(LOGS_CONFIG)),
    { ...KEEPER_LEASE, metadata: namespaced(KEEPER_LEASE.metadata.name) },
    keySecret(CA_SECRET, keys?.ca),
    keySecret(MANAGER_TLS_SECRET, keys?.manager),
    ...services(options),
    ...[LOG_ACCESS_API, MANAGER_API, FLEET_API].map((api) => apiService(api, options, keys)),
  ];
}

function apiService(api: string, options: ManagementOptions, keys: ManagementKeys | undefined): KubeObject {
  const [group = '', version = ''] = api.split('/');
  const spec = {
    group,
    version,
    groupPriorityMinimum: 100,
    versionPriority: 100,
    service: { namespace: NAMESPACE, name: API_SERVICE, port: options.externalManager?.port ?? 443 },
    ...(keys === undefined ? {} : { caBundle: base64(keys.ca.certificate) }),
  };
  return object('apiregistration.k8s.io/v1', 'APIService', { name: `${version}.${group}`, labels }, { spec });
}

/** The Secret of a key pair, Opaque: so it can be there before its data is. */
export function keySecret(name: string, keys: KeyPair | undefined): Secret {
  const secret = object('v1', 'Secret', namespaced(name), { type: 'Opaque' }) as Secret;
  if (keys === undefined) return secret;
  return { ...secret, data: { 'tls.crt': base64(keys.certificate), 'tls.key': base64(keys.key) } };
}

/** What the manager may do: these rights and no others. */
function permissions(): KubeObject[] {
  const subjects = [{ kind: 'ServiceAccount', name: MANAGER, namespace: NAMESPACE }];
  return [
    object(
      RBAC_API,
      'ClusterRole',
      { name: MANAGER_ROLE, labels },
      {
        rules: [
          { apiGroups: [MANAGED_CLUSTER_GROUP], resources: ['managedclusters'], verbs: ['list', 'watch'] },
          { apiGroups: [MANAGED_CLUSTER_GROUP], resources: ['managedclusters/status'], verbs: ['patch'] },
          { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
        ],
      },
    ),
    object(
      RBAC_API,
      'ClusterRoleBinding',
      { name: MANAGER_ROLE, labels },
      {
        subjects,
        roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: MANAGER_ROLE },
      },
    ),
    object(RBAC_API, 'Role', namespaced(MANAGER), {
      rules: [
        { apiGroups: [''], resources: ['secrets'], resourceNames: [MANAGER_TLS_SECRET], verbs: ['get'] },
        {
          apiGroups: [''],
          resources: ['configmaps'],
          resourceNames: [LOGS_CONFIG],
          verbs: ['get', 'list', 'watch', 'patch'],
        },
        {
          apiGroups: ['coordination.k8s.io'],
          resources: ['leases'],
          resourceNames: [KEEPER_LEASE.metadata.name],
          verbs: ['get', 'patch'],
        },
      ],
    }),
    object(RBAC_API, 'RoleBinding', namespaced(MANAGER), {
      subjects,
      roleRef: { apiGroup: RBAC_GROUP, kind: 'Role', name: MANAGER },
    }),
    // Kubernetes' own Role: how kube-apiserver introduces its users to aggregated API servers.
    object(
      RBAC_API,
      'RoleBinding',
      { name: MANAGER_ROLE, namespace: 'kube-system', labels },
      {
        subjects,
        roleRef: { apiGroup: RBAC_GROUP, kind: 'Role', name: 'extension-apiserver-authentication-reader' },
      },
    ),
  ];
}

function services({ address, externalManager: external }: ManagementOptions): KubeObject[] {
  if (external !== undefined) {
    const clustersPort = Number(address.slice(address.lastIndexOf(':') + 1));
    // Managed clusters dial such a manager directly, so nothing has to be opened on this cluster's nodes.
    const spec = { type: 'ExternalName', externalName: external.host };
    return [
      object('v1', 'Service', namespaced(API_SERVICE), {
        spec: { ...spec, ports: [{ port: external.port, protocol: 'TCP' }] },
      }),
      object('v1', 'Service', namespaced(CLUSTERS_SERVICE), {
        spec: { ...spec, ports: [{ port: clustersPort, protocol: 'TCP' }] },
      }),
    ];
  }
  return [
    object('v1', 'Service', namespaced(API_SERVICE), {
      spec: { selector, ports: [{ port: 443, targetPort: API_PORT, protocol: 'TCP' }] },
    }),
    object('v1', 'Service', namespaced(CLUSTERS_SERVICE), {
      spec: {
        type: 'NodePort',
        selector,
        ports: [{ port: CLUSTERS_PORT, targetPort: CLUSTERS_PORT, nodePort: CLUSTERS_NODE_PORT, protocol: 'TCP' }],
      },
    }),
  ];
}

function namespaced(name: string): ObjectMeta {
  return { name, namespace: NAMESPACE, labels };
}

function object(apiVersion: string, kind: string, metadata: ObjectMeta, rest: object = {}): KubeObject {
  return { apiVersion, kind, metadata, ...rest };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
