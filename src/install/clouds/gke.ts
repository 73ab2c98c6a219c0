import type { Cloud } from './cloud.ts';

export const GKE: Cloud = {
  expose: 'loadbalancer',
  annotations: {},
  apiServersOutsideCalicoNetwork: false,
  notes: [
    'Where nodes are private, a firewall rule must let the control plane reach them at 8443: by default it is 443 and 10250 only.',
    'There is no audit file on any node: GKE writes audit logs to Cloud Logging. Autopilot runs no forwarder: it keeps state in a host path.',
  ],
};
