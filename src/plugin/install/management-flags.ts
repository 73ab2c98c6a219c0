import { isIP } from 'node:net';
import { UserError } from '../../errors.ts';
import type { Cloud } from '../../install/clouds/cloud.ts';
import { CLOUDS } from '../../install/clouds/index.ts';
import { CLUSTERS_NODE_PORT, type HostPort } from '../../install/management.ts';
import type { ClusterManager, ManagementOptions } from '../../install/management-objects.ts';
import type { Exposure } from '../../install/manager-services.ts';
import type { FlagSpec, FlagValues } from '../command.ts';
import { elasticsearchUrls } from '../elasticsearch-flags.ts';
import { parseHostPort } from '../host-port.ts';
import { sizeOf } from '../size.ts';

/** Flags of what runs in the management cluster. */
const POD_FLAGS = {
  image: {
    type: 'string',
    value: 'IMAGE',
    description: "The manager's image, as the Dockerfile makes it. Needed where the manager runs in the cluster.",
  },
  'image-pull-secret': {
    type: 'string',
    value: 'NAME',
    description: 'Secret in the namespace kubectl-mcm by which nodes may pull the image.',
  },
  elasticsearch: {
    type: 'string',
    value: 'URL',
    description:
      'The central Elasticsearch, 8 or 9, as pods reach it; several nodes with commas between their URLs. Needed where the manager runs in the cluster.',
  },
  'elasticsearch-secret': {
    type: 'string',
    value: 'NAME',
    description:
      'Secret in the namespace kubectl-mcm with what Elasticsearch asks for, by the keys username and password, or apiKey; ca.crt, tls.crt and tls.key where it takes them.',
  },
  replicas: { type: 'string', value: 'NUMBER', description: 'How many managers share the work (default 1).' },
  cpu: { type: 'string', value: 'QUANTITY', description: 'Processor time that each manager asks for (default 500m).' },
  memory: {
    type: 'string',
    value: 'QUANTITY',
    description: 'Memory that each manager asks for, and the most that it gets (default 1Gi).',
  },
  'spool-size': {
    type: 'string',
    value: 'SIZE',
    description:
      'How much each manager may keep on disk while Elasticsearch does not take it (default 10Gi); its volume is a quarter larger.',
  },
  'storage-class': {
    type: 'string',
    value: 'NAME',
    description: "StorageClass of the managers' volumes (default: the cluster's own default).",
  },
  expose: {
    type: 'string',
    value: 'HOW',
    choices: ['nodeport', 'loadbalancer'],
    description: 'How managed clusters get to the manager: a port of each node (the default), or a load balancer.',
  },
  'node-port': {
    type: 'string',
    value: 'PORT',
    description: `The port of each node by which managed clusters get to the manager (default ${CLUSTERS_NODE_PORT}).`,
  },
  'host-network': {
    type: 'boolean',
    description:
      'Run the manager in the network of its node, where API servers cannot reach pods. NetworkPolicies do not hold there.',
  },
  cloud: {
    type: 'string',
    value: 'NAME',
    choices: Object.keys(CLOUDS),
    description: 'Where the cluster runs: decides what other flags leave open, and says what does not work there.',
  },
} as const satisfies Record<string, FlagSpec>;

export const MANAGEMENT_FLAGS = {
  address: {
    type: 'string',
    value: 'HOST:PORT',
    description:
      'Where managed clusters reach the manager; it stands in every manifest that add-cluster makes. Default: what it was, else the address of the load balancer.',
  },
  'external-manager': {
    type: 'string',
    value: 'HOST:PORT',
    description:
      'Where kube-apiserver reaches the API of a manager that runs outside this cluster. Both Services then point there; managed clusters dial it directly.',
  },
  ...POD_FLAGS,
} as const satisfies Record<string, FlagSpec>;

export type ManagementFlags = FlagValues<typeof MANAGEMENT_FLAGS>;

/** These flags and no others. */
export function onlyFlags(flags: Partial<ManagementFlags>): ManagementFlags {
  const absent = Object.entries(MANAGEMENT_FLAGS).map(([name, { type }]) => [
    name,
    type === 'boolean' ? false : undefined,
  ]);
  return { ...Object.fromEntries(absent), ...flags };
}

/** Those that were given. */
export function givenFlags(flags: ManagementFlags): Partial<ManagementFlags> {
  const given = Object.entries(flags).filter(([name, value]) => name in MANAGEMENT_FLAGS && isGiven(value));
  return Object.fromEntries(given);
}

/** What was asked for; what only the cluster can say is not in it. */
export interface ManagementRequest extends ManagementOptions {
  readonly cloud: Cloud | undefined;
}

/** @throws UserError */
export function readManagementRequest(flags: ManagementFlags): ManagementRequest {
  const address = flags.address === undefined ? undefined : hostPortText(parseHostPort('address', flags.address));
  const cloud = flags.cloud === undefined ? undefined : CLOUDS[flags.cloud];
  // The address is kept by itself, wherever it comes from.
  const { address: _address, ...kept } = givenFlags(flags);
  if (flags['external-manager'] === undefined)
    return { address, cloud, flags: kept, manager: clusterManager(flags, cloud) };
  const manager = externalManager(flags['external-manager']);
  const given = Object.keys(POD_FLAGS).find((name) => isGiven(flags[name as keyof typeof POD_FLAGS]));
  if (given !== undefined) {
    throw new UserError(
      `error: --${given} is for a manager in this cluster, and --external-manager says it runs outside`,
    );
  }
  if (address === undefined) throw new UserError('error: --external-manager needs --address HOST:PORT');
  return { address, cloud, flags: kept, manager };
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false;
}

function externalManager(text: string): HostPort {
  const manager = parseHostPort('external-manager', text);
  if (isIP(manager.host) !== 6) return manager;
  throw new UserError(
    `error: invalid argument "${text}" for "--external-manager" flag: a Service cannot point to an IPv6 address`,
    { hint: 'give a host name that resolves to it' },
  );
}

/** An image reference: registry, path, tag and digest. */
const IMAGE =
  /^[a-z0-9]([-a-z0-9_.:]*[a-z0-9])?(\/[a-z0-9]+([-._]+[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?(@[a-z0-9]+:[0-9a-f]{32,})?$/;
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const QUANTITY = /^\d+(\.\d+)?(m|[kMGT]i?)?$/;

function clusterManager(flags: ManagementFlags, cloud: Cloud | undefined): ClusterManager {
  const { image, elasticsearch } = flags;
  if (image === undefined) throw notSet('image');
  if (elasticsearch === undefined) throw notSet('elasticsearch');
  elasticsearchUrls(elasticsearch);
  return {
    pod: {
      image: matching('image', image, IMAGE, 'not the name of an image'),
      imagePullSecret: optionalName('image-pull-secret', flags),
      elasticsearch,
      elasticsearchSecret: optionalName('elasticsearch-secret', flags),
      replicas: wholeNumber('replicas', flags.replicas ?? '1', 9),
      cpu: matching('cpu', flags.cpu ?? '500m', QUANTITY, 'not a quantity, as 500m or 2'),
      memory: matching('memory', flags.memory ?? '1Gi', QUANTITY, 'not a quantity, as 512Mi or 2Gi'),
      spoolSize: sizeOf('spool-size', flags['spool-size'] ?? '10Gi', '64Mi'),
      storageClass: optionalName('storage-class', flags) ?? cloud?.storageClass,
      hostNetwork: flags['host-network'],
    },
    exposure: exposureOf(flags, cloud),
    calico: false,
  };
}

function notSet(flag: string): UserError {
  return new UserError(`error: required flag(s) "${flag}" not set`, {
    hint: 'or give --external-manager HOST:PORT, where the manager runs outside this cluster',
  });
}

function exposureOf(flags: ManagementFlags, cloud: Cloud | undefined): Exposure {
  const port = flags['node-port'];
  if ((flags.expose ?? cloud?.expose) !== 'loadbalancer') {
    const nodePort = wholeNumber('node-port', port ?? String(CLUSTERS_NODE_PORT), 65535);
    return { type: 'NodePort', nodePort, annotations: {} };
  }
  if (port !== undefined) throw new UserError('error: --node-port is for --expose nodeport');
  return { type: 'LoadBalancer', nodePort: undefined, annotations: cloud?.annotations ?? {} };
}

function optionalName(
  flag: 'image-pull-secret' | 'elasticsearch-secret' | 'storage-class',
  flags: ManagementFlags,
): string | undefined {
  const name = flags[flag];
  return name === undefined ? undefined : matching(flag, name, NAME, 'not a name of Kubernetes (RFC 1123)');
}

function matching(flag: string, text: string, pattern: RegExp, otherwise: string): string {
  if (pattern.test(text)) return text;
  throw new UserError(`error: invalid argument "${text}" for "--${flag}" flag: ${otherwise}`);
}

function wholeNumber(flag: string, text: string, most: number): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= most) return number;
  throw new UserError(`error: invalid argument "${text}" for "--${flag}" flag: must be 1 to ${most}`);
}

/** As manifests have it: an IPv6 address in brackets. */
export function hostPortText({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
