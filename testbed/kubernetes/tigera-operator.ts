import type { KubeObject } from '../../src/kube/objects.ts';

/**
 * What tigera-operator brings to a cluster that our manifest needs: its namespace, and the resource it reads. The
 * schema says what Calico's reference documents of ManagementClusterConnection.
 */
export const TIGERA_OPERATOR_OBJECTS: readonly KubeObject[] = [
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
];
