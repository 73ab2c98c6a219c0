import { CONNECTION_NAME } from '../clusters/connection-manifest.ts';
import { NAMESPACE } from '../clusters/managed-cluster.ts';
import type { KubeObject } from '../kube/objects.ts';
import { boundRole, type PolicyRule, type Subject } from '../rbac/rbac-objects.ts';
import { ADDRESS_CONFIG, ADDRESS_KEY, RESTORE_JOB } from './address-config.ts';
import { object } from './object.ts';
import { asNobody, CONFINED } from './pod-security.ts';

const LIFECYCLE_ROLE = 'kubectl-mcm-lifecycle';
const RESTORE_ROLE = 'kubectl-mcm-restore-address';

/** As whom the Job's pod asks the API server. */
const RESTORER = { kind: 'ServiceAccount', ...RESTORE_JOB.metadata } as const;

export interface AddressChangeOptions {
  /** `HOST:PORT` that is dialled now. */
  readonly address: string;
  /** Whether Guardian opens the tunnel, by an address of its own in the ManagementClusterConnection. */
  readonly guardian: boolean;
  /** As whom the management cluster asks, by the tunnel. */
  readonly subject: Subject;
  readonly image: string;
  readonly pullSecrets: object;
  readonly labels: Readonly<Record<string, string>>;
  readonly podLabels: Readonly<Record<string, string>>;
}

/**
 * By what the management cluster can change the address that it is dialled by, through the tunnel itself: the address in
 * a ConfigMap of its own, the suspended Job whose pod takes a change back that nobody confirms, and the rights to these
 * by name. The Job is there beforehand, and can be let run but not changed: whoever might create one in this namespace
 * could run any pod on any node.
 */
export function addressChangeObjects(options: AddressChangeOptions): KubeObject[] {
  const { address, guardian, subject, labels } = options;
  const connection = rule('operator.tigera.io', 'managementclusterconnections', CONNECTION_NAME);
  const config = rule('', 'configmaps', ADDRESS_CONFIG.metadata.name);
  const job = rule('batch', 'jobs', RESTORE_JOB.metadata.name);
  const inNamespace = (name: string) => ({ name, namespace: NAMESPACE, labels });
  return [
    object('v1', 'ConfigMap', { ...ADDRESS_CONFIG.metadata, labels }, { data: { [ADDRESS_KEY]: address } }),
    ...boundRole(inNamespace(LIFECYCLE_ROLE), [config, job], [subject]),
    ...(guardian ? boundRole({ name: LIFECYCLE_ROLE, labels }, [connection], [subject]) : []),
    object('v1', 'ServiceAccount', inNamespace(RESTORER.name)),
    ...boundRole(inNamespace(RESTORE_ROLE), [config], [RESTORER]),
    ...(guardian ? boundRole({ name: RESTORE_ROLE, labels }, [connection], [RESTORER]) : []),
    restoreJob(options),
  ];
}

/** A volume with the files of a Secret, in which the address is the ConfigMap's instead of the Secret's own. */
export function changeableVolume(
  name: string,
  secret: string,
  keys: { readonly address: string; readonly ca: string; readonly certificate: string; readonly key: string },
  defaultMode: number,
): object {
  const files = [keys.ca, keys.certificate, keys.key].map((path) => ({ key: path, path }));
  const address = { name: ADDRESS_CONFIG.metadata.name, items: [{ key: ADDRESS_KEY, path: keys.address }] };
  return {
    name,
    projected: { defaultMode, sources: [{ secret: { name: secret, items: files } }, { configMap: address }] },
  };
}

function restoreJob({ guardian, image, pullSecrets, labels, podLabels }: AddressChangeOptions): KubeObject {
  return object(
    RESTORE_JOB.apiVersion,
    RESTORE_JOB.kind,
    { ...RESTORE_JOB.metadata, labels },
    {
      spec: {
        suspend: true,
        // It is ended by being suspended, which is no failure; and nothing else may end it.
        backoffLimit: 2_147_483_647,
        template: {
          metadata: { labels: podLabels },
          spec: {
            serviceAccountName: RESTORER.name,
            restartPolicy: 'OnFailure',
            tolerations: TOLERATIONS,
            ...pullSecrets,
            securityContext: asNobody(),
            containers: [
              {
                name: RESTORE_JOB.metadata.name,
                image,
                args: ['restore-address', ...(guardian ? ['--guardian'] : [])],
                resources: { requests: { cpu: '5m', memory: '64Mi' }, limits: { memory: '256Mi' } },
                securityContext: CONFINED,
              },
            ],
          },
        },
      },
    },
  );
}

/** It runs where there are no other nodes, and is soon replaced where its node is lost: the time to restore goes on. */
const TOLERATIONS = [
  { key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' },
  ...['not-ready', 'unreachable'].map((state) => ({
    key: `node.kubernetes.io/${state}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 10,
  })),
];

/** To read and to change the one object of that name. */
function rule(group: string, resource: string, name: string): PolicyRule {
  return { apiGroups: [group], resources: [resource], resourceNames: [name], verbs: ['get', 'patch'] };
}
