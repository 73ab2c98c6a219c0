import type { KubeObject } from '../kube/objects.ts';
import { API_SERVICE, CLUSTERS_SERVICE, type HostPort, PORTS } from './management.ts';
import { LABELS, namespaced, object } from './object.ts';

/** How managed clusters get to the manager in this cluster. */
export interface Exposure {
  readonly type: 'NodePort' | 'LoadBalancer';
  /** undefined for any that is free. */
  readonly nodePort: number | undefined;
  /** For the cloud that makes the load balancer. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** Services of a manager that runs in this cluster. */
export function managerServices({ type, nodePort, annotations }: Exposure): KubeObject[] {
  const port = (number: number) => ({ port: number, targetPort: number, protocol: 'TCP' });
  const clusters = { ...port(PORTS.clusters), ...(nodePort === undefined ? {} : { nodePort }) };
  const metadata = namespaced(CLUSTERS_SERVICE);
  return [
    object('v1', 'Service', namespaced(API_SERVICE), { spec: { selector: LABELS, ports: [port(PORTS.api)] } }),
    object('v1', 'Service', Object.keys(annotations).length === 0 ? metadata : { ...metadata, annotations }, {
      spec: { type, selector: LABELS, ports: [clusters] },
    }),
  ];
}

/** Services of one that runs elsewhere: managed clusters dial it directly, so nothing is opened on this one's nodes. */
export function externalServices(api: HostPort, clustersPort: number): KubeObject[] {
  const service = (name: string, port: number) =>
    object('v1', 'Service', namespaced(name), {
      spec: { type: 'ExternalName', externalName: api.host, ports: [{ port, protocol: 'TCP' }] },
    });
  return [service(API_SERVICE, api.port), service(CLUSTERS_SERVICE, clustersPort)];
}
