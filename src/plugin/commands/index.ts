import type { Command } from '../command.ts';

/** A verb as the list of commands shows it; the rest is loaded when it is asked for. */
export interface CommandEntry {
  readonly words: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: Command }>;
}

export interface CommandGroup {
  readonly title: string;
  readonly commands: readonly CommandEntry[];
}

/** Every command there is, as help lists them. */
export const COMMAND_GROUPS: readonly CommandGroup[] = [
  {
    title: 'Set up',
    commands: [
      {
        words: 'install management',
        summary: 'Turn the current cluster into a management cluster',
        load: () => import('./install-management.ts'),
      },
      {
        words: 'install managed',
        summary: 'Connect a cluster, with everything that belongs to it on both sides',
        load: () => import('./install-managed.ts'),
      },
      {
        words: 'type',
        summary: 'Say whether a cluster is a management, managed or standalone one',
        load: () => import('./type.ts'),
      },
      {
        words: 'upgrade',
        summary: 'Install this version of the management plane over the one that is there',
        load: () => import('./upgrade.ts'),
      },
      {
        words: 'uninstall',
        summary: 'Take the management plane away, or all of it but its data',
        load: () => import('./uninstall.ts'),
      },
    ],
  },
  {
    title: 'Clusters',
    commands: [
      {
        words: 'add-cluster',
        summary: 'Register a managed cluster and make the manifest that connects it',
        load: () => import('./add-cluster.ts'),
      },
      { words: 'clusters', summary: 'List the managed clusters and their state', load: () => import('./clusters.ts') },
      { words: 'reissue', summary: 'Give a managed cluster new keys', load: () => import('./reissue.ts') },
      {
        words: 'set-address',
        summary: 'Change the address by which managed clusters reach their manager',
        load: () => import('./set-address.ts'),
      },
      {
        words: 'revoke',
        summary: "Take a managed cluster's certificates away at once",
        load: () => import('./revoke.ts'),
      },
      {
        words: 'remove-cluster',
        summary: 'Disconnect a managed cluster for good',
        load: () => import('./remove-cluster.ts'),
      },
    ],
  },
  {
    title: 'Logs',
    commands: [
      { words: 'logs', summary: 'Show flow, DNS, audit and other logs of clusters', load: () => import('./logs.ts') },
      { words: 'top', summary: 'Show what there is most of in logs', load: () => import('./top.ts') },
      {
        words: 'why-denied',
        summary: 'Show which policies denied connections, and who changed them',
        load: () => import('./why-denied.ts'),
      },
      {
        words: 'retention',
        summary: 'Show how long logs are kept, and what goes next',
        load: () => import('./retention.ts'),
      },
      { words: 'retention set', summary: 'Keep logs for so many days', load: () => import('./retention-set.ts') },
      { words: 'layout', summary: 'Show which indices logs are stored in', load: () => import('./layout.ts') },
      { words: 'layout set', summary: 'Store logs in other indices', load: () => import('./layout-set.ts') },
    ],
  },
  {
    title: 'Access',
    commands: [
      {
        words: 'can-i logs',
        summary: 'Say whether you, or somebody else, may read logs, and why',
        load: () => import('./can-i-logs.ts'),
      },
      {
        words: 'who-can logs',
        summary: 'List who may read logs, and by which binding',
        load: () => import('./who-can-logs.ts'),
      },
      { words: 'grant', summary: 'Let somebody read logs', load: () => import('./grant.ts') },
      {
        words: 'create-user',
        summary: 'Create a user where there are no others: a ServiceAccount',
        load: () => import('./create-user.ts'),
      },
      { words: 'token', summary: 'Print what such a user logs in with', load: () => import('./token.ts') },
      {
        words: 'bind-user',
        summary: 'Give somebody rights on both sides: logs here, resources there',
        load: () => import('./bind-user.ts'),
      },
    ],
  },
  {
    title: 'Health',
    commands: [
      {
        words: 'check',
        summary: 'Check the management plane, or a cluster, step by step, and say what mends it',
        load: () => import('./check.ts'),
      },
      {
        words: 'status',
        summary: 'Show how the management plane is, what is wrong, and what to do',
        load: () => import('./status.ts'),
      },
    ],
  },
  {
    title: 'Roles',
    commands: [
      {
        words: 'manager',
        summary: 'Run the server that managed clusters connect to',
        load: () => import('./manager.ts'),
      },
      {
        words: 'forward',
        summary: "Ship a managed cluster's log files to the manager",
        load: () => import('./forward.ts'),
      },
      {
        words: 'forward status',
        summary: "Show how far a node's forwarder is",
        load: () => import('./forward-status.ts'),
      },
      {
        words: 'agent',
        summary: "Connect a managed cluster to its manager by a tunnel, where Calico's Guardian does not",
        load: () => import('./agent.ts'),
      },
      {
        words: 'restore-address',
        summary: "Take a change of the manager's address back that is not confirmed in time",
        load: () => import('./restore-address.ts'),
      },
    ],
  },
  {
    title: 'The rest',
    commands: [
      {
        words: 'completion',
        summary: 'Print a script by which a shell completes commands, flags and names',
        load: () => import('./completion.ts'),
      },
      { words: 'options', summary: 'List the flags that every command takes', load: () => import('./options.ts') },
      { words: 'version', summary: 'Print the version', load: () => import('./version.ts') },
    ],
  },
];

export const COMMANDS: readonly CommandEntry[] = COMMAND_GROUPS.flatMap(({ commands }) => commands);

/** Whether a command has these words, or begins with them. */
export function isCommand(words: string): boolean {
  return COMMANDS.some((entry) => entry.words === words || entry.words.startsWith(`${words} `));
}
