import type { KubeObject } from '../../src/kube/objects.ts';
import { ANYTHING, definition, STRING } from './definition.ts';

const OPERATOR = 'operator.tigera.io/v1';

/** Both kinds by which clusters are connected allow only this name in practice. */
const ONLY_NAME = {
  rule: "self.metadata.name == 'tigera-secure' || self.metadata.name == 'default'",
  message: 'resource name must be tigera-secure or default',
};

export const CONNECTION_KIND = definition({
  apiVersion: OPERATOR,
  kind: 'ManagementClusterConnection',
  plural: 'managementclusterconnections',
  spec: {
    type: 'object',
    properties: {
      managementClusterAddr: STRING,
      tls: { type: 'object', properties: { ca: { type: 'string', enum: ['Tigera', 'Public'] } } },
    },
  },
  validations: [ONLY_NAME],
});

export const INSTALLATION_KIND = definition({
  apiVersion: OPERATOR,
  kind: 'Installation',
  plural: 'installations',
  spec: {
    type: 'object',
    properties: {
      variant: { type: 'string', enum: ['Calico', 'TigeraSecureEnterprise'] },
      // Of Calico Enterprise 3.0 and 3.1.
      clusterManagementType: { type: 'string', enum: ['Standalone', 'Management', 'Managed'] },
    },
  },
});

/** What Calico Enterprise's operator knows beyond. */
export const ENTERPRISE_KINDS: readonly KubeObject[] = [
  definition({
    apiVersion: OPERATOR,
    kind: 'ManagementCluster',
    plural: 'managementclusters',
    spec: {
      type: 'object',
      properties: { address: STRING, tls: { type: 'object', properties: { secretName: STRING } } },
    },
  }),
  definition({ apiVersion: OPERATOR, kind: 'LogStorage', plural: 'logstorages', spec: ANYTHING }),
];

/**
 * What Calico and tigera-operator bring to a cluster, as far as we have to do with it: the namespaces, the resources that
 * we read or write, and the one that says Calico's version. The schemas are those of Calico's reference documentation.
 */
export const CALICO_RESOURCES: readonly KubeObject[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'tigera-operator' } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'calico-system' } },
  CONNECTION_KIND,
  INSTALLATION_KIND,
  definition({ apiVersion: OPERATOR, kind: 'Goldmane', plural: 'goldmanes', spec: ANYTHING }),
  definition({ apiVersion: OPERATOR, kind: 'TigeraStatus', plural: 'tigerastatuses', spec: ANYTHING }),
  definition({
    apiVersion: 'projectcalico.org/v3',
    kind: 'ClusterInformation',
    plural: 'clusterinformations',
    spec: { type: 'object', properties: { calicoVersion: STRING, datastoreReady: { type: 'boolean' } } },
  }),
];

export const CALICO_VERSION = 'v3.32.1';
export const OPERATOR_VERSION = 'v1.42.4';

/** tigera-operator itself, of some version. */
export function operatorDeployment(image: string): KubeObject {
  const labels = { 'k8s-app': 'tigera-operator' };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'tigera-operator', namespace: 'tigera-operator' },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'tigera-operator', image }] } },
    },
  } as KubeObject;
}

/** What a running Calico writes, once its resources are there. */
export const CALICO_OBJECTS: readonly KubeObject[] = [
  {
    apiVersion: 'projectcalico.org/v3',
    kind: 'ClusterInformation',
    metadata: { name: 'default' },
    spec: { calicoVersion: CALICO_VERSION, datastoreReady: true },
  } as KubeObject,
  {
    apiVersion: OPERATOR,
    kind: 'Installation',
    metadata: { name: 'default' },
    spec: { variant: 'Calico' },
  } as KubeObject,
  { apiVersion: OPERATOR, kind: 'Goldmane', metadata: { name: 'default' } },
  operatorDeployment(`quay.io/tigera/operator:${OPERATOR_VERSION}`),
];
