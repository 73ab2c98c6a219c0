import type { KubeObject } from '../kube/objects.ts';
import {
  MANAGED_CLUSTER_GROUP,
  MANAGED_CLUSTER_VERSION,
  OPERATOR_NAMESPACE,
  RESERVED_NAMES,
} from './managed-cluster.ts';

const condition = {
  type: 'object',
  required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'],
  properties: {
    type: { type: 'string', maxLength: 316 },
    status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
    reason: { type: 'string', maxLength: 1024 },
    message: { type: 'string', maxLength: 32768 },
    lastTransitionTime: { type: 'string', format: 'date-time' },
    observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
  },
};

const schema = {
  type: 'object',
  description: 'One managed cluster: the certificates that may speak for it, and what the manager knows of it.',
  required: ['spec'],
  'x-kubernetes-validations': [
    {
      rule: "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
      fieldPath: '.metadata.name',
      message:
        'the name must be a DNS label: at most 63 lower-case letters, digits and "-", beginning and ending with a letter or digit',
    },
    {
      rule: `!(self.metadata.name in [${RESERVED_NAMES.map((name) => `'${name}'`).join(', ')}])`,
      fieldPath: '.metadata.name',
      message: `the names ${RESERVED_NAMES.join(', ')} are reserved`,
    },
  ],
  properties: {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object', properties: { name: { type: 'string' } } },
    spec: {
      type: 'object',
      description: 'What the cluster is: written by "kubectl mcm add-cluster".',
      properties: {
        operatorNamespace: {
          type: 'string',
          maxLength: 63,
          default: OPERATOR_NAMESPACE,
          description: 'Namespace of tigera-operator in the managed cluster.',
        },
        certificate: {
          type: 'string',
          format: 'byte',
          maxLength: 131072,
          description: 'Certificates (PEM) that may speak for this cluster. Each names the cluster as its CN.',
        },
        retiring: {
          type: 'array',
          maxItems: 32,
          description: 'Those of the certificates that have been replaced, and are refused from some time on.',
          items: {
            type: 'object',
            required: ['fingerprint', 'notAfter'],
            properties: {
              fingerprint: {
                type: 'string',
                pattern: '^[0-9a-f]{64}$',
                description: 'SHA-256 of the certificate, in lower-case hex.',
              },
              notAfter: { type: 'string', format: 'date-time', description: 'From then on it is refused.' },
            },
          },
        },
      },
    },
    status: {
      type: 'object',
      description: 'What the manager knows of the cluster.',
      default: { phase: 'Pending' },
      properties: {
        phase: {
          type: 'string',
          maxLength: 64,
          description:
            'Connected or Disconnected, by its tunnel; before there was one Pending, or Receiving once records arrive; or what is wrong with its certificates.',
        },
        lastSeen: {
          type: 'string',
          format: 'date-time',
          description:
            'When anything last came from the cluster, a minute behind at most, two where there are thousands of clusters.',
        },
        connection: {
          type: 'object',
          description: 'Its tunnel. The condition ManagedClusterConnected says whether it is open.',
          properties: {
            since: { type: 'string', format: 'date-time', description: 'When the tunnel opened, or closed.' },
            address: { type: 'string', maxLength: 64, description: 'Where the cluster connected from.' },
            manager: { type: 'string', maxLength: 300, description: 'The manager it connected to.' },
            roundTripMilliseconds: { type: 'integer', format: 'int64', minimum: 0 },
            reconnects: { type: 'integer', format: 'int64', minimum: 0 },
            lastError: {
              type: 'string',
              maxLength: 1024,
              description: 'Why it was last disconnected or refused.',
            },
          },
        },
        spooled: {
          type: 'object',
          description: 'What came from the cluster and waits on the disk of the manager, as of when this was written.',
          properties: {
            since: { type: 'string', format: 'date-time', description: 'When the oldest of it came.' },
            records: { type: 'integer', format: 'int64', minimum: 0 },
            bytes: { type: 'integer', format: 'int64', minimum: 0 },
            reason: { type: 'string', maxLength: 1024, description: 'Why the log store does not take it.' },
          },
        },
        calicoVersion: { type: 'string', maxLength: 64 },
        certificateExpires: {
          type: 'string',
          format: 'date-time',
          description: 'When the last of the certificates that may open a tunnel runs out.',
        },
        namespaces: { type: 'integer', format: 'int64', minimum: 0 },
        conditions: {
          type: 'array',
          description: 'ManagedClusterConnected, and CertificateConflict or CertificateUnreadable where there is one.',
          maxItems: 16,
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['type'],
          items: condition,
        },
      },
    },
  },
};

/** The CustomResourceDefinition `managedclusters.kubectl-mcm.io`. */
export const MANAGED_CLUSTER_CRD: KubeObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `managedclusters.${MANAGED_CLUSTER_GROUP}` },
  spec: {
    group: MANAGED_CLUSTER_GROUP,
    scope: 'Cluster',
    names: {
      kind: 'ManagedCluster',
      listKind: 'ManagedClusterList',
      plural: 'managedclusters',
      singular: 'managedcluster',
    },
    versions: [
      {
        name: MANAGED_CLUSTER_VERSION,
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [
          { name: 'Status', type: 'string', jsonPath: '.status.phase' },
          { name: 'Last Seen', type: 'date', jsonPath: '.status.lastSeen' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        schema: { openAPIV3Schema: schema },
      },
    ],
  },
} as KubeObject;
