import {
  type ConnectionOptions,
  connectionManifest,
  FORWARDER_KEYS,
  FORWARDER_SECRET,
  TUNNEL_KEYS,
  TUNNEL_SECRET,
} from '../clusters/connection-manifest.ts';
import { NAMESPACE } from '../clusters/managed-cluster.ts';
import type { KubeObject, ObjectMeta } from '../kube/objects.ts';
import { boundRole, type Subject } from '../rbac/rbac-objects.ts';
import { RESTORE_JOB } from './address-config.ts';
import { addressChangeObjects, changeableVolume } from './address-objects.ts';
import { type Impersonated, impersonationObjects } from './impersonation.ts';
import { object } from './object.ts';
import { asNobody, CONFINED, NOBODY } from './pod-security.ts';

/** Names of our workloads in a managed cluster, and of what they run as. */
export const FORWARDER = 'forwarder';
export const AGENT = 'agent';

/** Label of what is ours in a managed cluster: the name by which the management cluster knows it. */
export const CLUSTER_LABEL = 'kubectl-mcm.io/cluster';

/** As whom Calico's Guardian asks the managed cluster's API server. */
const GUARDIAN = { kind: 'ServiceAccount', name: 'guardian', namespace: 'calico-system' } as const;

const AGENT_ROLE = 'kubectl-mcm-agent';

/** Where the forwarder serves health and metrics. */
const HEALTH_PORT = 9091;

export interface ManagedOptions {
  readonly cluster: string;
  /** Its operatorNamespace says by whom the tunnel is opened. */
  readonly connection: ConnectionOptions;
  readonly image: string;
  readonly imagePullSecret: string | undefined;
  /** Environment of what connects: HTTPS_PROXY and NO_PROXY. */
  readonly proxy: Readonly<Record<string, string>>;
  /** As whom the management cluster may act. */
  readonly impersonated: Impersonated;
  /** Whether the management cluster may change the address by which it is dialled. */
  readonly lifecycle: boolean;
}

/** Whether our agent opens the tunnel, since there is no tigera-operator to run Guardian. */
export function opensByAgent({ operatorNamespace }: Pick<ConnectionOptions, 'operatorNamespace'>): boolean {
  return operatorNamespace === NAMESPACE;
}

/** The keys, and the namespaces they are in: they have to be there before the management cluster counts on them. */
export function keyObjects({ connection }: ManagedOptions): KubeObject[] {
  const manifest = connectionManifest(connection);
  const those = (kind: string) => manifest.filter((object) => object.kind === kind);
  return [...those('Namespace'), ...those('Secret')];
}

/** What makes use of them, in the order to apply it. */
export function workloadObjects(options: ManagedOptions): KubeObject[] {
  const { connection, impersonated } = options;
  const byAgent = opensByAgent(connection);
  const subject: Subject = byAgent ? { kind: 'ServiceAccount', name: AGENT, namespace: NAMESPACE } : GUARDIAN;
  return [
    ...(options.lifecycle ? lifecycleObjects(options, subject) : []),
    ...(byAgent ? agentObjects(options) : []),
    ...impersonationObjects(impersonated, subject, labelsOf(options)),
    ...connectionManifest(connection).filter(({ kind }) => kind === 'ManagementClusterConnection'),
    object('v1', 'ServiceAccount', namespaced(FORWARDER, options), { automountServiceAccountToken: false }),
    forwarder(options),
  ];
}

/** The address may be changed through the tunnel itself, and comes back by itself where that was a mistake. */
function lifecycleObjects(options: ManagedOptions, subject: Subject): KubeObject[] {
  const { connection, image, cluster } = options;
  return addressChangeObjects({
    ...{ address: connection.address, guardian: !opensByAgent(connection), subject, image },
    pullSecrets: pullSecrets(options),
    labels: labelsOf(options),
    podLabels: { ...podLabels(RESTORE_JOB.metadata.name), [CLUSTER_LABEL]: cluster },
  });
}

/** What the manager asks of every cluster; Guardian has these rights, and more, from tigera-operator. */
function agentObjects(options: ManagedOptions): KubeObject[] {
  const rules = [
    { apiGroups: [''], resources: ['namespaces'], verbs: ['list'] },
    {
      apiGroups: ['projectcalico.org'],
      resources: ['clusterinformations'],
      resourceNames: ['default'],
      verbs: ['get'],
    },
  ];
  const subject = { kind: 'ServiceAccount', name: AGENT, namespace: NAMESPACE };
  return [
    object('v1', 'ServiceAccount', namespaced(AGENT, options)),
    ...boundRole({ name: AGENT_ROLE, labels: labelsOf(options) }, rules, [subject]),
    agent(options),
  ];
}

function agent(options: ManagedOptions): KubeObject {
  const labels = podLabels(AGENT);
  return object('apps/v1', 'Deployment', namespaced(AGENT, options), {
    spec: {
      replicas: 1,
      // Two would take the tunnel from one another.
      strategy: { type: 'Recreate' },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels: { ...labels, [CLUSTER_LABEL]: options.cluster } },
        spec: {
          serviceAccountName: AGENT,
          ...pullSecrets(options),
          // It needs no file of the node's.
          securityContext: asNobody({ fsGroup: NOBODY }),
          containers: [
            {
              name: AGENT,
              image: options.image,
              args: ['agent', '--credentials=/etc/kubectl-mcm/tunnel'],
              env: environment(options),
              resources: { requests: { cpu: '10m', memory: '96Mi' }, limits: { memory: '256Mi' } },
              securityContext: CONFINED,
              volumeMounts: [{ name: 'tunnel', mountPath: '/etc/kubectl-mcm/tunnel', readOnly: true }],
            },
          ],
          volumes: [credentialsVolume('tunnel', TUNNEL_SECRET, TUNNEL_KEYS, 0o440, options)],
        },
      },
    },
  });
}

function forwarder(options: ManagedOptions): KubeObject {
  const labels = podLabels(FORWARDER);
  const probe = (path: string) => ({ httpGet: { path, port: 'health' }, periodSeconds: 10, timeoutSeconds: 5 });
  return object('apps/v1', 'DaemonSet', namespaced(FORWARDER, options), {
    spec: {
      selector: { matchLabels: labels },
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%' } },
      template: {
        metadata: { labels: { ...labels, [CLUSTER_LABEL]: options.cluster } },
        spec: {
          serviceAccountName: FORWARDER,
          automountServiceAccountToken: false,
          // Every node has logs.
          tolerations: [{ operator: 'Exists' }],
          ...pullSecrets(options),
          // kube-audit.log is its owner's alone.
          securityContext: { runAsUser: 0, runAsGroup: 0, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              name: FORWARDER,
              image: options.image,
              args: [
                'forward',
                '--credentials=/etc/kubectl-mcm/forwarder',
                '--state=/var/lib/kubectl-mcm',
                `--health-listen=$(POD_IP):${HEALTH_PORT}`,
              ],
              env: [field('NODE_NAME', 'spec.nodeName'), field('POD_IP', 'status.podIP'), ...environment(options)],
              ports: [{ name: 'health', containerPort: HEALTH_PORT, protocol: 'TCP' }],
              readinessProbe: probe('/readyz'),
              livenessProbe: { ...probe('/livez'), initialDelaySeconds: 10 },
              resources: { requests: { cpu: '25m', memory: '96Mi' }, limits: { memory: '256Mi' } },
              securityContext: CONFINED,
              volumeMounts: [
                { name: 'credentials', mountPath: '/etc/kubectl-mcm/forwarder', readOnly: true },
                { name: 'logs', mountPath: '/var/log', readOnly: true },
                { name: 'state', mountPath: '/var/lib/kubectl-mcm' },
              ],
            },
          ],
          volumes: [
            credentialsVolume('credentials', FORWARDER_SECRET, FORWARDER_KEYS, 0o400, options),
            { name: 'logs', hostPath: { path: '/var/log', type: 'Directory' } },
            { name: 'state', hostPath: { path: '/var/lib/kubectl-mcm', type: 'DirectoryOrCreate' } },
          ],
        },
      },
    },
  });
}

/** Where no address is changed from outside, the Secret's own is all there is. */
function credentialsVolume(
  name: string,
  secretName: string,
  keys: typeof TUNNEL_KEYS | typeof FORWARDER_KEYS,
  defaultMode: number,
  { lifecycle }: ManagedOptions,
): object {
  return lifecycle
    ? changeableVolume(name, secretName, keys, defaultMode)
    : { name, secret: { secretName, defaultMode } };
}

function environment({ proxy }: ManagedOptions) {
  return Object.entries(proxy).map(([name, value]) => ({ name, value }));
}

/** With what the API server would add: whoever applies the same again must not differ in it. */
function field(name: string, fieldPath: string) {
  return { name, valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } };
}

function pullSecrets({ imagePullSecret: name }: ManagedOptions) {
  return name === undefined ? {} : { imagePullSecrets: [{ name }] };
}

function podLabels(component: string) {
  return { 'app.kubernetes.io/name': 'kubectl-mcm', 'app.kubernetes.io/component': component };
}

function labelsOf({ cluster }: Pick<ManagedOptions, 'cluster'>) {
  return { 'app.kubernetes.io/name': 'kubectl-mcm', [CLUSTER_LABEL]: cluster };
}

function namespaced(name: string, options: ManagedOptions): ObjectMeta {
  return { name, namespace: NAMESPACE, labels: labelsOf(options) };
}
