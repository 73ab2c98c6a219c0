import type { Cloud } from './cloud.ts';

export const RKE: Cloud = {
  expose: 'nodeport',
  annotations: {},
  apiServersOutsideCalicoNetwork: false,
  notes: [
    'RKE2 brings neither a StorageClass nor load balancers: give --storage-class, and --address with a node or a load balancer of yours.',
  ],
};
