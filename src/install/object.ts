import { NAMESPACE } from '../clusters/managed-cluster.ts';
import type { KubeObject, ObjectMeta } from '../kube/objects.ts';

const NAME_LABEL = 'app.kubernetes.io/name';
const OURS = 'kubectl-mcm';

/** On everything that we install: by it what is ours is told from what others have by the same name. */
export const LABELS = { [NAME_LABEL]: OURS, 'app.kubernetes.io/component': 'manager' } as const;

export function isOurs({ metadata }: KubeObject): boolean {
  return metadata.labels?.[NAME_LABEL] === OURS;
}

export function object(apiVersion: string, kind: string, metadata: ObjectMeta, rest: object = {}): KubeObject {
  return { apiVersion, kind, metadata, ...rest };
}

/** Metadata of what is in our namespace. */
export function namespaced(name: string): ObjectMeta {
  return { name, namespace: NAMESPACE, labels: LABELS };
}

/** Metadata of what is in no namespace. */
export function clusterWide(name: string): ObjectMeta {
  return { name, labels: LABELS };
}
