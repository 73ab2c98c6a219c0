import { OPERATOR_NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { type Impersonated, requireImpersonable } from '../../install/impersonation.ts';
import type { ManagedOptions } from '../../install/managed-objects.ts';
import type { FlagSpecs, FlagValues } from '../command.ts';
import { isNamespaceName } from '../connection/registration.ts';
import { DRY_RUN_FLAG } from '../dry-run.ts';
import { durationOf } from '../duration.ts';

export const MANAGED_FLAGS = {
  'managed-context': {
    type: 'string',
    value: 'NAME',
    completes: 'contexts',
    description: 'The kubeconfig context of the cluster to connect.',
  },
  image: { type: 'string', value: 'IMAGE', required: true, description: 'The image of kubectl-mcm.' },
  'image-pull-secret': {
    type: 'string',
    value: 'NAME',
    description: 'A Secret in the namespace kubectl-mcm with which nodes pull the image; it is not made here.',
  },
  'operator-namespace': {
    type: 'string',
    value: 'NAME',
    default: OPERATOR_NAMESPACE,
    description: 'Namespace of tigera-operator in the managed cluster.',
  },
  agent: {
    type: 'boolean',
    description:
      'With -o and no --managed-context: the cluster has no tigera-operator, and our agent opens the tunnel.',
  },
  'https-proxy': {
    type: 'string',
    value: 'URL',
    description:
      'Proxy through which forwarders and the agent reach the management cluster. Guardian has its own from tigera-operator.',
  },
  'no-proxy': {
    type: 'string',
    value: 'LIST',
    description: 'What forwarders and the agent reach without that proxy, with commas between.',
  },
  'impersonate-user': {
    type: 'strings',
    value: 'NAME',
    description: 'A user as whom the management cluster may act there; can be repeated. Nobody by default.',
  },
  'impersonate-group': {
    type: 'strings',
    value: 'NAME',
    description: 'A group as which the management cluster may act there, like --impersonate-user.',
  },
  'impersonate-serviceaccount': {
    type: 'strings',
    value: 'NAMESPACE/NAME',
    description: 'A ServiceAccount as which the management cluster may act there, like --impersonate-user.',
  },
  'no-impersonation': {
    type: 'boolean',
    description: 'Let the management cluster act as nobody, which is so where nobody is named.',
  },
  'no-lifecycle': {
    type: 'boolean',
    description: "Leave out what the address is changed by from the management cluster ('kubectl mcm set-address').",
  },
  'dns-logs': {
    type: 'boolean',
    description:
      "Turn CoreDNS's plugin 'log' on, of which the forwarder makes DNS logs: shows the change of its configuration, and asks.",
  },
  yes: { type: 'boolean', short: 'y', description: 'Ask nothing.' },
  'audit-logs': {
    type: 'boolean',
    description:
      'Print what to set for audit logs of the API server, or what to do where a cloud gives no file of them.',
  },
  'no-wait': { type: 'boolean', description: 'Do not wait until the cluster is connected and its first records came.' },
  timeout: {
    type: 'string',
    value: 'DURATION',
    default: '10m',
    description:
      "How long to wait for all of it. Goldmane's first flows come up to five and a half minutes after the traffic.",
  },
  'force-conflicts': {
    type: 'boolean',
    description: 'Take over fields that were written by other means (kubectl apply, a GitOps tool).',
  },
  output: {
    type: 'string',
    short: 'o',
    value: 'DIR',
    completes: 'directories',
    description:
      'Write everything for the managed cluster as files (mode 0600) into this new directory, for GitOps, instead of applying it.',
  },
  ...DRY_RUN_FLAG,
} as const satisfies FlagSpecs;

export type ManagedFlags = FlagValues<typeof MANAGED_FLAGS>;

/** What the flags say of what is to be there. */
export interface AskedManaged extends Omit<ManagedOptions, 'cluster' | 'connection'> {
  readonly operatorNamespace: string;
  /** Milliseconds. */
  readonly timeout: number;
}

/** @throws UserError for what can be refused without looking at any cluster. */
export function readManagedFlags(flags: ManagedFlags): AskedManaged {
  const operatorNamespace = flags['operator-namespace'];
  if (!isNamespaceName(operatorNamespace)) {
    throw new UserError(
      `error: invalid argument "${operatorNamespace}" for "--operator-namespace" flag: not a namespace's name`,
    );
  }
  if (flags['managed-context'] === undefined && flags.output === undefined) {
    throw new UserError('error: --managed-context or --output is needed', {
      hint: 'the context of the cluster to connect, or a directory to write everything for it to',
    });
  }
  if (flags.agent && flags['managed-context'] !== undefined) {
    throw new UserError('error: --agent is for --output without --managed-context', {
      hint: 'with the context it is seen whether there is a tigera-operator',
    });
  }
  for (const name of ['dns-logs', 'audit-logs'] as const) {
    if (flags[name] && flags['managed-context'] === undefined) {
      throw new UserError(`error: --${name} needs --managed-context`, { hint: 'it looks into that cluster' });
    }
  }
  if (flags['dns-logs'] && flags.output !== undefined) {
    throw new UserError('error: --dns-logs changes the cluster, and --output does not', { hint: 'run it without -o' });
  }
  return {
    operatorNamespace,
    image: imageOf(flags.image),
    imagePullSecret: flags['image-pull-secret'],
    proxy: {
      ...(flags['https-proxy'] === undefined ? {} : { HTTPS_PROXY: proxyOf(flags['https-proxy']) }),
      ...(flags['no-proxy'] === undefined ? {} : { NO_PROXY: flags['no-proxy'] }),
    },
    impersonated: impersonatedOf(flags),
    lifecycle: !flags['no-lifecycle'],
    timeout: durationOf('timeout', flags.timeout),
  };
}

/** What kubelet would refuse only on every node. */
function imageOf(image: string): string {
  if (/^[a-z0-9][-a-zA-Z0-9._:/]*(@sha256:[0-9a-f]{64})?$/.test(image)) return image;
  throw new UserError(`error: invalid argument "${image}" for "--image" flag: not the name of an image`, {
    hint: 'for example registry.example.com/kubectl-mcm:0.1.0',
  });
}

function proxyOf(url: string): string {
  // Without the value: there may be a password in it.
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new UserError('error: invalid argument for "--https-proxy" flag: not the URL of an http or https proxy');
  }
  return url;
}

function impersonatedOf(flags: ManagedFlags): Impersonated {
  const impersonated = {
    users: flags['impersonate-user'],
    groups: flags['impersonate-group'],
    serviceAccounts: flags['impersonate-serviceaccount'],
  };
  requireImpersonable(impersonated);
  if (flags['no-impersonation'] && Object.values(impersonated).some((names) => names.length > 0)) {
    throw new UserError('error: --no-impersonation excludes --impersonate-user and its like');
  }
  return impersonated;
}
