import type { Cloud } from './cloud.ts';

export const EKS: Cloud = {
  expose: 'loadbalancer',
  annotations: {
    'service.beta.kubernetes.io/aws-load-balancer-type': 'external',
    'service.beta.kubernetes.io/aws-load-balancer-nlb-target-type': 'instance',
    'service.beta.kubernetes.io/aws-load-balancer-scheme': 'internet-facing',
  },
  storageClass: 'gp2',
  apiServersOutsideCalicoNetwork: true,
  notes: [
    'The AWS Load Balancer Controller and the EBS CSI driver must be installed; Fargate has no volumes for the manager.',
    'There is no audit file on any node: EKS writes audit logs to CloudWatch.',
  ],
};
