/** What a workload says about its pods, as far as the testbed plays kubelet. */
export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly securityContext?: SecurityContext & { readonly fsGroup?: number };
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly EnvVar[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly securityContext?: SecurityContext;
  readonly readinessProbe?: {
    readonly httpGet?: { readonly path?: string; readonly port: number | string; readonly scheme?: string };
  };
}

interface SecurityContext {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
}

interface KeyRef {
  readonly name: string;
  readonly key: string;
  readonly optional?: boolean;
}

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: KeyRef;
    readonly configMapKeyRef?: KeyRef;
    readonly fieldRef?: { readonly fieldPath: string };
  };
}

interface FileSource {
  readonly items?: readonly { readonly key: string; readonly path: string }[];
  readonly optional?: boolean;
}

/** Where files of a volume come from: a Secret, a ConfigMap or the ServiceAccount. */
export interface VolumeSource {
  readonly secret?: FileSource & { readonly name?: string; readonly secretName?: string };
  readonly configMap?: FileSource & { readonly name: string };
  readonly serviceAccountToken?: { readonly path: string; readonly audience?: string };
  readonly downwardAPI?: {
    readonly items: readonly { readonly path: string; readonly fieldRef: { readonly fieldPath: string } }[];
  };
}

export interface Volume extends VolumeSource {
  readonly name: string;
  readonly secret?: VolumeSource['secret'] & { readonly defaultMode?: number };
  readonly projected?: { readonly defaultMode?: number; readonly sources: readonly VolumeSource[] };
  readonly emptyDir?: object;
  readonly hostPath?: { readonly path: string };
  readonly persistentVolumeClaim?: { readonly claimName: string };
}

interface PodTemplate {
  readonly spec: PodSpec;
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
}

interface WorkloadSpec {
  readonly template: PodTemplate;
  readonly jobTemplate?: { readonly spec: { readonly template: PodTemplate } };
  readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
}

/** A StatefulSet, DaemonSet, Deployment, Job or CronJob. */
export interface Workload {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: WorkloadSpec;
}

/** Where a pod finds its ServiceAccount, unless it does without. */
export const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The pod of a workload, with the claims of a StatefulSet and the ServiceAccount's token among its volumes. */
export function podSpecOf({ spec }: Workload): PodSpec {
  const { spec: pod } = spec.jobTemplate?.spec.template ?? spec.template;
  const claims = (spec.volumeClaimTemplates ?? []).map(({ metadata: { name } }) => ({
    name,
    persistentVolumeClaim: { claimName: name },
  }));
  const volumes = [...(pod.volumes ?? []), ...claims];
  const mounted = pod.containers.some(({ volumeMounts }) =>
    volumeMounts?.some(({ mountPath }) => mountPath === SERVICE_ACCOUNT),
  );
  if (pod.automountServiceAccountToken === false || mounted) return { ...pod, volumes };
  const token = {
    name: 'kube-api-access',
    projected: {
      sources: [
        { serviceAccountToken: { path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
      ],
    },
  };
  const mount = { name: token.name, mountPath: SERVICE_ACCOUNT, readOnly: true };
  const containers = pod.containers.map((container) => ({
    ...container,
    volumeMounts: [...(container.volumeMounts ?? []), mount],
  }));
  return { ...pod, containers, volumes: [...volumes, token] };
}

/** `$(NAME)` in commands, arguments and values, as kubelet puts them in; `$$` is a `$`, and unknown names stay. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^()]+)\)/g, (found, name: string | undefined) =>
    name === undefined ? '$' : (env[name] ?? found),
  );
}
