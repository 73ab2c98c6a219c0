import { NAMESPACE } from '../clusters/managed-cluster.ts';
import type { ConfigMap } from '../kube/objects.ts';

/**
 * ConfigMap of a managed cluster with the address that its forwarders and our agent dial. Its annotations say how a
 * change of that address gets on, and all who take part in it go by them alone.
 */
export const ADDRESS_CONFIG = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'management-address', namespace: NAMESPACE },
} as const;
export const ADDRESS_KEY = 'address';

/** Suspended unless an address is being changed; its pod restores the one before (restoreAddress). */
export const RESTORE_JOB = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'restore-address', namespace: NAMESPACE },
} as const;

export const CHANGE_ANNOTATIONS = {
  /** The address to go back to, as long as the one of now is not confirmed. */
  previous: 'kubectl-mcm.io/previous-address',
  /** How long to wait before that. */
  seconds: 'kubectl-mcm.io/restore-after-seconds',
  /** RFC 3339; when it will be done. Written by the Job's pod: nothing is changed before that stands there. */
  restoresAt: 'kubectl-mcm.io/restores-at',
  /** RFC 3339; when it was done. */
  restoredAt: 'kubectl-mcm.io/restored-at',
} as const;

/** Seconds that a change may have before it is taken back. */
export const RESTORE_SECONDS = { least: 5, usual: 300, most: 3600 } as const;

/** What the ConfigMap says. */
export interface AddressConfig {
  readonly address: string | undefined;
  readonly previous: string | undefined;
  /** Within RESTORE_SECONDS, whatever stands there. */
  readonly seconds: number;
  /** Milliseconds since 1970. */
  readonly restoresAt: number | undefined;
  readonly restoredAt: number | undefined;
  readonly resourceVersion: string | undefined;
}

export function readAddressConfig({ metadata, data = {} }: ConfigMap): AddressConfig {
  const { annotations = {}, resourceVersion } = metadata;
  const text = (name: keyof typeof CHANGE_ANNOTATIONS) => annotations[CHANGE_ANNOTATIONS[name]];
  return {
    address: data[ADDRESS_KEY],
    previous: text('previous'),
    seconds: secondsOf(text('seconds')),
    restoresAt: timeOf(text('restoresAt')),
    restoredAt: timeOf(text('restoredAt')),
    resourceVersion,
  };
}

/**
 * A merge patch of the ConfigMap as it was read, refused (409) where somebody has written it since: null takes away, what
 * is not named stays.
 */
export function addressPatch(
  { resourceVersion }: AddressConfig,
  {
    address,
    annotations,
  }: {
    readonly address?: string;
    readonly annotations: Partial<Record<keyof typeof CHANGE_ANNOTATIONS, string | null>>;
  },
): object {
  const named = Object.entries(annotations).map(([name, value]) => [
    CHANGE_ANNOTATIONS[name as keyof typeof CHANGE_ANNOTATIONS],
    value,
  ]);
  return {
    metadata: { resourceVersion, annotations: Object.fromEntries(named) },
    ...(address === undefined ? {} : { data: { [ADDRESS_KEY]: address } }),
  };
}

function secondsOf(text: string | undefined): number {
  const seconds = /^\d{1,6}$/.test(text ?? '') ? Number(text) : RESTORE_SECONDS.usual;
  return Math.min(Math.max(seconds, RESTORE_SECONDS.least), RESTORE_SECONDS.most);
}

function timeOf(text: string | undefined): number | undefined {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? undefined : time;
}
