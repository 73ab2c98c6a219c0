import type { KubeObject } from '../kube/objects.ts';
import { MANAGER, PORTS } from './management.ts';
import { LABELS, namespaced, object } from './object.ts';

/** Of the namespace whose pods may read metrics, by the label that Kubernetes itself gives to namespaces. */
const MONITORING = { 'kubernetes.io/metadata.name': 'monitoring' } as const;

/** Where DNS is asked for, whichever pods and nodes answer. */
const DNS = 53;

/**
 * Who gets to the manager: managed clusters and API servers from anywhere (by what they come is nowhere the same, and
 * both have to prove themselves by certificates), metrics only from the namespace `monitoring`; probes come from the
 * node, which is always let through. Nothing gets to anything else in the namespace.
 */
export const NETWORK_POLICIES: readonly KubeObject[] = [
  policy('default-deny', { podSelector: {}, policyTypes: ['Ingress'] }),
  policy(MANAGER, {
    podSelector: { matchLabels: LABELS },
    policyTypes: ['Ingress'],
    ingress: [
      { ports: [tcp(PORTS.clusters), tcp(PORTS.api)] },
      { ports: [tcp(PORTS.health)], from: [{ namespaceSelector: { matchLabels: MONITORING } }] },
    ],
  }),
];

function policy(name: string, spec: object): KubeObject {
  return object('networking.k8s.io/v1', 'NetworkPolicy', namespaced(name), { spec });
}

function tcp(port: number) {
  return { port, protocol: 'TCP' };
}

export const CALICO_API = 'projectcalico.org/v3';
/** Names begin with their tier, which older versions insist on. */
export const CALICO_POLICY = object(CALICO_API, 'NetworkPolicy', namespaced(`default.${MANAGER}`));

/**
 * The same for Calico, which can also name the API server: so where it is there, the manager itself gets nowhere but to
 * that, DNS and Elasticsearch's ports.
 */
export function calicoPolicy(elasticsearch: string): KubeObject {
  const own = `app.kubernetes.io/name == '${LABELS['app.kubernetes.io/name']}' && app.kubernetes.io/component == '${LABELS['app.kubernetes.io/component']}'`;
  const allow = (rule: object, protocol = 'TCP') => ({ action: 'Allow', protocol, ...rule });
  const spec = {
    tier: 'default',
    selector: own,
    types: ['Ingress', 'Egress'],
    ingress: [
      allow({ destination: { ports: [PORTS.clusters, PORTS.api] } }),
      allow({
        source: { namespaceSelector: `kubernetes.io/metadata.name == '${MONITORING['kubernetes.io/metadata.name']}'` },
        destination: { ports: [PORTS.health] },
      }),
    ],
    egress: [
      allow({ destination: { ports: [DNS] } }, 'UDP'),
      allow({ destination: { ports: [DNS] } }),
      allow({ destination: { services: { name: 'kubernetes', namespace: 'default' } } }),
      allow({ destination: { ports: portsOf(elasticsearch) } }),
    ],
  };
  return { ...CALICO_POLICY, spec } as KubeObject;
}

function portsOf(urls: string): number[] {
  const ports = urls.split(',').map((url) => {
    const { port, protocol } = new URL(url);
    return port === '' ? { 'http:': 80, 'https:': 443 }[protocol] : Number(port);
  });
  return [...new Set(ports)].filter((port) => port !== undefined);
}
