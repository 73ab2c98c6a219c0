import type { Cloud } from './cloud.ts';

export const AKS: Cloud = {
  expose: 'loadbalancer',
  annotations: {},
  apiServersOutsideCalicoNetwork: false,
  notes: ['There is no audit file on any node: AKS writes audit logs where a diagnostic setting says.'],
};
