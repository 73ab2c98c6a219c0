import { NAMESPACE } from '../clusters/managed-cluster.ts';
import type { KubeObject } from '../kube/objects.ts';
import { API_SERVICE, MANAGER, PORTS } from './management.ts';
import { LABELS, namespaced, object } from './object.ts';
import { asNobody, CONFINED, NOBODY } from './pod-security.ts';

/** How the manager runs in the management cluster. */
export interface ManagerPod {
  readonly image: string;
  readonly imagePullSecret: string | undefined;
  readonly replicas: number;
  /** Of the volume on which the spool is; undefined for the cluster's own default. */
  readonly storageClass: string | undefined;
  /** Bytes. */
  readonly spoolSize: number;
  /** Kubernetes quantities. Of memory it gets no more than it asks for. */
  readonly cpu: string;
  readonly memory: string;
  /** URLs, with commas between them. */
  readonly elasticsearch: string;
  /** Secret in our namespace with what Elasticsearch asks for; its keys are those of --elasticsearch-credentials. */
  readonly elasticsearchSecret: string | undefined;
  /** Where API servers cannot reach pods. */
  readonly hostNetwork: boolean;
}

const SPOOL = { name: 'spool', mountPath: '/var/lib/kubectl-mcm' } as const;
const CREDENTIALS = { name: 'elasticsearch', mountPath: '/etc/kubectl-mcm/elasticsearch' } as const;

/** Seconds in which what is under way is answered; then what is not on disk has not been acknowledged. */
const GRACE = 30;

/** The StatefulSet of the manager, and what keeps enough of several running. */
export function managerWorkload(pod: ManagerPod): KubeObject[] {
  const statefulSet = object('apps/v1', 'StatefulSet', namespaced(MANAGER), {
    spec: {
      replicas: pod.replicas,
      serviceName: API_SERVICE,
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: LABELS },
      // What is spooled has been acknowledged, and is nowhere else.
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
      template: { metadata: { labels: LABELS }, spec: podSpec(pod) },
      volumeClaimTemplates: [spoolClaim(pod)],
    },
  });
  return pod.replicas > 1 ? [statefulSet, DISRUPTION_BUDGET] : [statefulSet];
}

export const DISRUPTION_BUDGET = object('policy/v1', 'PodDisruptionBudget', namespaced(MANAGER), {
  spec: { maxUnavailable: 1, selector: { matchLabels: LABELS } },
});

function podSpec(pod: ManagerPod) {
  const { imagePullSecret, elasticsearchSecret, hostNetwork } = pod;
  return {
    serviceAccountName: MANAGER,
    ...(imagePullSecret === undefined ? {} : { imagePullSecrets: [{ name: imagePullSecret }] }),
    ...(hostNetwork ? { hostNetwork, dnsPolicy: 'ClusterFirstWithHostNet' } : {}),
    ...(pod.replicas > 1 ? { affinity: APART } : {}),
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    terminationGracePeriodSeconds: GRACE,
    // Looking through all of a large spool would hold up each start.
    securityContext: asNobody({ fsGroup: NOBODY, fsGroupChangePolicy: 'OnRootMismatch' }),
    containers: [container(pod)],
    ...(elasticsearchSecret === undefined
      ? {}
      : { volumes: [{ name: CREDENTIALS.name, secret: { secretName: elasticsearchSecret, defaultMode: 0o400 } }] }),
  };
}

function container(pod: ManagerPod) {
  const { image, elasticsearch, elasticsearchSecret, cpu, memory, spoolSize } = pod;
  const probe = (path: string) => ({ httpGet: { path, port: 'health' }, timeoutSeconds: 6 });
  return {
    name: MANAGER,
    image,
    args: [
      'manager',
      `--elasticsearch=${elasticsearch}`,
      ...(elasticsearchSecret === undefined ? [] : [`--elasticsearch-credentials=${CREDENTIALS.mountPath}`]),
      `--spool=${SPOOL.mountPath}/spool`,
      `--spool-size=${spoolSize}`,
      `--listen=$(POD_IP):${PORTS.clusters}`,
      `--api-listen=$(POD_IP):${PORTS.api}`,
      `--health-listen=$(POD_IP):${PORTS.health}`,
    ],
    env: [{ name: 'POD_IP', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' } } }],
    ports: Object.entries(PORTS).map(([name, containerPort]) => ({ name, containerPort, protocol: 'TCP' })),
    resources: { requests: { cpu, memory }, limits: { memory } },
    startupProbe: { ...probe('/livez'), periodSeconds: 2, failureThreshold: 150 },
    livenessProbe: { ...probe('/livez'), periodSeconds: 10, failureThreshold: 6 },
    readinessProbe: { ...probe('/readyz'), periodSeconds: 5 },
    securityContext: CONFINED,
    volumeMounts: elasticsearchSecret === undefined ? [SPOOL] : [SPOOL, { ...CREDENTIALS, readOnly: true }],
  };
}

/** On nodes of their own, as far as there are so many. */
const APART = {
  podAntiAffinity: {
    preferredDuringSchedulingIgnoredDuringExecution: [
      {
        weight: 100,
        podAffinityTerm: { labelSelector: { matchLabels: LABELS }, topologyKey: 'kubernetes.io/hostname' },
      },
    ],
  },
};

function spoolClaim({ storageClass, spoolSize }: ManagerPod) {
  // A file system needs room of its own.
  const storage = `${Math.ceil((spoolSize * 1.25) / 1024 ** 2)}Mi`;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: SPOOL.name },
    // With what the API server would put in: the claim is one value to it, and whoever applies another one conflicts.
    status: { phase: 'Pending' },
    spec: {
      volumeMode: 'Filesystem',
      accessModes: ['ReadWriteOnce'],
      ...(storageClass === undefined ? {} : { storageClassName: storageClass }),
      resources: { requests: { storage } },
    },
  };
}

/**
 * Our namespace: nothing in it may do more than the manager does (Pod Security Standards, restricted). The network of
 * the node is more than that.
 */
export function managementNamespace(pod: ManagerPod | undefined): KubeObject {
  const level = pod?.hostNetwork === true ? 'privileged' : 'restricted';
  const security = { 'pod-security.kubernetes.io/enforce': level, 'pod-security.kubernetes.io/warn': level };
  return object('v1', 'Namespace', { name: NAMESPACE, labels: { ...LABELS, ...(pod === undefined ? {} : security) } });
}
