import type { Schema } from './api-group.ts';
import type { ManagerItem } from './manager-status.ts';
import type { TableColumn } from './table.ts';

/** A manager as `kubectl get managers` shows it; `kubectl mcm status` tells more, and what to do. */
export const MANAGER_COLUMNS: readonly TableColumn<ManagerItem>[] = [
  {
    name: 'Ready',
    type: 'string',
    description: 'Whether it can do its work.',
    cell: ({ status }) => readyWord(status),
  },
  {
    name: 'Store',
    type: 'string',
    description: 'How the store is.',
    cell: ({ status: { store } }) => store.trouble?.reason ?? store.health,
  },
  {
    name: 'Spooled',
    type: 'integer',
    description: 'Records that wait.',
    cell: ({ status: { spool } }) => spool?.records,
  },
  { name: 'Version', type: 'string', description: 'Its version.', cell: ({ status: { version } }) => version },
  {
    name: 'Started',
    type: 'date',
    description: 'When it was started.',
    cell: ({ metadata }) => metadata.creationTimestamp,
    wide: true,
  },
];

function readyWord({ checks }: ManagerItem['status']): string {
  return checks.every(({ ok, optional }) => ok || optional === true) ? 'True' : 'False';
}

const more = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } as const;

/** The same as ManagerStatus, as far as `kubectl explain` needs it. */
export const MANAGER_SCHEMA: Schema = {
  description: 'A manager: how it is itself, and what is behind it. Nothing in it is of any record.',
  properties: {
    status: {
      type: 'object',
      properties: {
        version: { type: 'string' },
        checks: { type: 'array', items: more, description: 'What has to be in order, and whether it is.' },
        certificateExpires: { type: 'string', format: 'date-time' },
        store: { ...more, description: 'The store: where it is, how it is, why it cannot be used.' },
        layout: { ...more, description: "Where today's records go." },
        retention: { ...more, description: 'When the days were last looked after.' },
        refusedSettings: {
          type: 'array',
          items: { type: 'string' },
          description: 'What of the ConfigMap is not in order.',
        },
        spool: { ...more, description: 'What waits on disk, of which clusters, and why.' },
        turnedAway: { type: 'array', items: more, description: 'Uploads that were not taken in the last minutes.' },
        deadLetters: { ...more, description: 'What was set aside in the last 24 hours, and why.' },
      },
    },
  },
};
