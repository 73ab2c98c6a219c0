import type { LogTypeName } from '../types/log-type.ts';

/**
 * What keeps an answer from being whole, as it stands in a LogList: of one cluster, and of what the caller may read alone.
 * Times are RFC 3339.
 */
export type Shortcoming = Refused | Disconnected | Unsent | Behind | Gap;

/** The caller may not read it, or it is not there: in the words of an API server's Status. */
export interface Refused {
  readonly kind: 'Refused';
  readonly cluster: string;
  readonly type: LogTypeName;
  readonly reason: 'Forbidden' | 'NotFound';
  readonly message: string;
}

/** What is newer may still be in the cluster. */
export interface Disconnected {
  readonly kind: 'Disconnected';
  readonly cluster: string;
  readonly since: string;
}

/** Forwarders have said that they have more to send than has come, which is newer than `newest`. */
export interface Unsent {
  readonly kind: 'Unsent';
  readonly cluster: string;
  readonly type: LogTypeName;
  readonly newest: string;
  readonly bytes: number;
}

/** Records wait in the manager's spool, the oldest since then: the store does not have them yet. */
export interface Behind {
  readonly kind: 'Behind';
  readonly cluster: string;
  readonly type: LogTypeName;
  readonly since: string;
  readonly records: number;
}

/** Records of that time were lost before they could be stored. */
export interface Gap {
  readonly kind: 'Gap';
  readonly cluster: string;
  readonly type: LogTypeName;
  readonly from: string;
  readonly to: string;
  /** undefined where nobody has counted them. */
  readonly count?: number | undefined;
  /** Why, as the forwarder has said. */
  readonly reason: string;
}
