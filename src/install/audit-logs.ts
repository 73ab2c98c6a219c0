import type { KubeClient } from '../kube/client.ts';
import type { KubeList, KubeObject } from '../kube/objects.ts';

/** Where the forwarder looks for the API server's audit log, and Calico's documentation has it. */
export const AUDIT_LOG = '/var/log/calico/audit/kube-audit.log';

/** What the API server records: who changed pods, namespaces and policies, and how; of everything else nothing. */
export const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    {
      level: 'RequestResponse',
      verbs: ['create', 'update', 'patch', 'delete', 'deletecollection'],
      resources: [
        { group: '', resources: ['pods', 'namespaces', 'serviceaccounts', 'endpoints'] },
        { group: 'networking.k8s.io', resources: ['networkpolicies'] },
        { group: 'projectcalico.org' },
      ],
    },
    { level: 'None' },
  ],
} as const;

export const AUDIT_FLAGS = [
  '--audit-policy-file=/etc/kubernetes/audit-policy.yaml',
  `--audit-log-path=${AUDIT_LOG}`,
  '--audit-log-maxsize=100',
  '--audit-log-maxbackup=3',
] as const;

/** A cloud that runs the API server itself, and gives no file of its audit log. */
export interface AuditCloud {
  readonly name: string;
  /** What to do instead, in lines for people. */
  readonly instead: string;
}

const IMPORT = 'kubectl mcm forward --import FILE --type audit-kube --credentials CREDENTIALS --state DIR --host';

/** A node, as far as it says whose it is. */
interface Node extends KubeObject {
  readonly status?: { readonly nodeInfo?: { readonly kubeletVersion?: string } };
}

const CLOUDS: readonly (AuditCloud & { readonly has: (node: Node) => boolean })[] = [
  {
    // v1.33.1-eks-7308294
    has: ({ status }) => status?.nodeInfo?.kubeletVersion?.includes('-eks-') === true,
    name: 'EKS',
    instead: `Its control plane logs go to CloudWatch once they are turned on (type "audit"). From there:
  aws logs filter-log-events --log-group-name /aws/eks/NAME/cluster --log-stream-name-prefix kube-apiserver-audit \\
    | jq -r '.events[].message' > FILE
  ${IMPORT} eks`,
  },
  {
    has: ({ metadata }) => metadata.labels?.['kubernetes.azure.com/cluster'] !== undefined,
    name: 'AKS',
    instead: `A diagnostic setting (category "kube-audit") writes it to a storage account. From a file of there:
  jq -r '.properties.log' PT1H.json > FILE
  ${IMPORT} aks`,
  },
  {
    // v1.33.1-gke.1107000
    has: ({ status }) => status?.nodeInfo?.kubeletVersion?.includes('-gke.') === true,
    name: 'GKE',
    instead: `Its audit logs are in Cloud Logging, in a form of Google's own that is no Kubernetes audit event: they cannot be
imported.`,
  },
];

/** undefined where nothing says that it is one of them. */
export async function findAuditCloud(client: KubeClient, signal: AbortSignal): Promise<AuditCloud | undefined> {
  const { items } = await client.get<KubeList<Node>>('/api/v1/nodes', { query: { limit: 1 }, signal });
  const [node] = items;
  return node === undefined ? undefined : CLOUDS.find(({ has }) => has(node));
}
