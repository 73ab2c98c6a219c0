import { PROXY_API } from '../install/management.ts';
import type { Schema } from './api-group.ts';

/**
 * `Settled`: everything goes by the one address. `Changing`: another is not confirmed yet, and taken back unless that
 * comes. `Restored`: it was taken back. `Unsettled`: what dials does not (yet) go by what it is told, or it is not known.
 */
export type AddressPhase = 'Settled' | 'Changing' | 'Restored' | 'Unsettled';

/** The address by which a managed cluster reaches its manager, as the API gives and takes it. */
export interface ManagementAddress {
  readonly kind: 'ManagementAddress';
  readonly apiVersion: typeof PROXY_API;
  /** The cluster's. */
  readonly metadata: { readonly name: string };
  readonly spec: {
    /** `HOST:PORT` that it is told to dial. */
    readonly address: string;
    /** In a PUT: after how long the address before comes back, unless this one is confirmed; missing for never. */
    readonly revertAfterSeconds?: number;
    /** In a PUT: the change is good. Taken only where the tunnel that is open was dialled by this very address. */
    readonly confirmed?: boolean;
  };
  readonly status?: AddressStatus;
}

export interface AddressStatus {
  readonly phase: AddressPhase;
  /** By which address the tunnel that is open was dialled; missing where nothing shows it. */
  readonly connectedBy?: string;
  /** What comes back, and when (RFC 3339). */
  readonly previousAddress?: string;
  readonly restoresAt?: string;
  readonly restoredAt?: string;
  /** In words, what is not as it should be. */
  readonly message?: string;
}

/** Path of a cluster's. */
export function addressPath(cluster: string): string {
  return `/apis/${PROXY_API}/managedclusters/${cluster}/address`;
}

const text = (description: string): Schema => ({ type: 'string', description });

export const ADDRESS_SCHEMA: Schema = {
  description: 'The address by which a managed cluster reaches its manager.',
  type: 'object',
  properties: {
    apiVersion: text('The versioned schema of this object.'),
    kind: text('What this object is.'),
    metadata: { type: 'object', description: "The cluster's name." },
    spec: {
      type: 'object',
      properties: {
        address: text('HOST:PORT that it is told to dial.'),
        revertAfterSeconds: {
          type: 'integer',
          description: 'After how long the address before comes back, unless this one is confirmed; missing for never.',
        },
        confirmed: {
          type: 'boolean',
          description: 'The change is good. Taken only where the tunnel that is open was dialled by this address.',
        },
      },
    },
    status: {
      type: 'object',
      properties: {
        phase: text('Settled, Changing, Restored or Unsettled.'),
        connectedBy: text('By which address the tunnel that is open was dialled; missing where nothing shows it.'),
        previousAddress: text('What comes back unless the change is confirmed.'),
        restoresAt: { ...text('When that will be.'), format: 'date-time' },
        restoredAt: { ...text('When that was.'), format: 'date-time' },
        message: text('What is not as it should be.'),
      },
    },
  },
};
