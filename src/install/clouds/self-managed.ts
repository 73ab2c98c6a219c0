import type { Cloud } from './cloud.ts';

const STORAGE =
  'Clusters that were made by hand have no StorageClass until a CSI driver and one are there: give --storage-class.';

/** Clusters on the machines of a cloud, made by other means than its own service. */
export const GCP: Cloud = {
  expose: 'loadbalancer',
  annotations: {},
  apiServersOutsideCalicoNetwork: false,
  notes: [STORAGE, 'Load balancers take cloud-provider-gcp in the cluster.'],
};

export const AWS: Cloud = {
  expose: 'loadbalancer',
  annotations: { 'service.beta.kubernetes.io/aws-load-balancer-type': 'nlb' },
  apiServersOutsideCalicoNetwork: false,
  notes: [STORAGE, 'Load balancers take cloud-provider-aws in the cluster.'],
};

export const AZURE: Cloud = {
  expose: 'loadbalancer',
  annotations: {},
  apiServersOutsideCalicoNetwork: false,
  notes: [STORAGE, 'Load balancers take cloud-provider-azure in the cluster.'],
};
