import type { KubeObject } from '../../src/kube/objects.ts';

/**
 * What Calico and tigera-operator bring to a cluster, as far as we have to do with it: the operator's namespace, the
 * resource that our manifest has for it, and the one that says Calico's version. The schemas are those of Calico's
 * reference documentation.
 */
export const CALICO_RESOURCES: readonly KubeObject[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tigera-operator' } },
  {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'managementclusterconnections.operator.tigera.io' },
    spec: {
      group: 'operator.tigera.io',
      scope: 'Cluster',
      names: {
        kind: 'ManagementClusterConnection',
        listKind: 'ManagementClusterConnectionList',
        plural: 'managementclusterconnections',
        singular: 'managementclusterconnection',
      },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              'x-kubernetes-validations': [
                {
                  rule: "self.metadata.name == 'tigera-secure' || self.metadata.name == 'default'",
                  message: 'resource name must be tigera-secure or default',
                },
              ],
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: {
                  type: 'object',
                  properties: {
                    managementClusterAddr: { type: 'string' },
                    tls: { type: 'object', properties: { ca: { type: 'string', enum: ['Tigera', 'Public'] } } },
                  },
                },
                status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              },
            },
          },
        },
      ],
    },
  } as KubeObject,
  {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'clusterinformations.projectcalico.org' },
    spec: {
      group: 'projectcalico.org',
      scope: 'Cluster',
      names: {
        kind: 'ClusterInformation',
        listKind: 'ClusterInformationList',
        plural: 'clusterinformations',
        singular: 'clusterinformation',
      },
      versions: [
        {
          name: 'v3',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: {
                  type: 'object',
                  properties: { calicoVersion: { type: 'string' }, datastoreReady: { type: 'boolean' } },
                },
              },
            },
          },
        },
      ],
    },
  } as KubeObject,
];

export const CALICO_VERSION = 'v3.32.1';

/** What a running Calico writes, once its resources are there. */
export const CALICO_OBJECTS: readonly KubeObject[] = [
  {
    apiVersion: 'projectcalico.org/v3',
    kind: 'ClusterInformation',
    metadata: { name: 'default' },
    spec: { calicoVersion: CALICO_VERSION, datastoreReady: true },
  } as KubeObject,
];
