import { UserError } from '../errors.ts';
import type { FlagSpecs, FlagValues, GlobalOptions } from './command.ts';
import { parseDuration } from './duration.ts';

/** kubectl's own global flags, with its names and meanings; `--cluster` alone is managed clusters here. */
export const GLOBAL_FLAGS = {
  kubeconfig: { type: 'string', value: 'FILE', description: 'Path to the kubeconfig file to use for CLI requests.' },
  context: {
    type: 'string',
    value: 'NAME',
    completes: 'contexts',
    description: 'The name of the kubeconfig context to use.',
  },
  'kube-cluster': {
    type: 'string',
    value: 'NAME',
    completes: 'kube-clusters',
    description:
      "The name of the kubeconfig cluster to use (kubectl's own --cluster; here that means managed clusters).",
  },
  user: {
    type: 'string',
    value: 'NAME',
    completes: 'kube-users',
    description: 'The name of the kubeconfig user to use.',
  },
  'kube-user': {
    type: 'string',
    value: 'NAME',
    completes: 'kube-users',
    description: 'The same, also for commands whose --user is another one (logs, where it is who did something).',
  },
  server: {
    type: 'string',
    short: 's',
    value: 'URL',
    description: 'The address and port of the Kubernetes API server.',
  },
  token: { type: 'string', value: 'TOKEN', description: 'Bearer token for authentication to the API server.' },
  'certificate-authority': {
    type: 'string',
    value: 'FILE',
    description: 'Path to a cert file for the certificate authority.',
  },
  'client-certificate': { type: 'string', value: 'FILE', description: 'Path to a client certificate file for TLS.' },
  'client-key': { type: 'string', value: 'FILE', description: 'Path to a client key file for TLS.' },
  'tls-server-name': {
    type: 'string',
    value: 'NAME',
    description: 'Server name to use for server certificate validation.',
  },
  'insecure-skip-tls-verify': {
    type: 'boolean',
    description: "If true, the server's certificate will not be checked for validity.",
  },
  as: { type: 'string', value: 'USER', description: 'Username to impersonate for the operation.' },
  'as-group': { type: 'strings', value: 'GROUP', description: 'Group to impersonate; can be repeated.' },
  'as-uid': { type: 'string', value: 'UID', description: 'UID to impersonate for the operation.' },
  'request-timeout': {
    type: 'string',
    value: 'DURATION',
    default: '0',
    description: 'The length of time to wait before giving up on a single server request (1s, 2m, 3h; 0: no timeout).',
  },
  v: { type: 'string', value: 'LEVEL', default: '0', description: 'Number for the log level verbosity (6: requests).' },
} as const satisfies FlagSpecs;

export function readGlobalFlags(flags: FlagValues<typeof GLOBAL_FLAGS>): GlobalOptions {
  return {
    kube: {
      kubeconfig: flags.kubeconfig,
      context: flags.context,
      cluster: flags['kube-cluster'],
      user: flags['kube-user'] ?? flags.user,
      server: flags.server,
      token: flags.token,
      certificateAuthority: flags['certificate-authority'],
      clientCertificate: flags['client-certificate'],
      clientKey: flags['client-key'],
      tlsServerName: flags['tls-server-name'],
      // Unset and false differ: only what was given overrides the kubeconfig.
      insecureSkipTlsVerify: flags['insecure-skip-tls-verify'] ? true : undefined,
      as: flags.as,
      asGroups: flags['as-group'],
      asUid: flags['as-uid'],
    },
    requestTimeout: parseTimeout(flags['request-timeout']),
    verbosity: parseVerbosity(flags.v),
  };
}

function parseTimeout(text: string): number {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const duration = parseDuration(text);
  if (duration === undefined) {
    throw new UserError(
      'error: Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a corresponding time unit (e.g. 1s | 2m | 3h)',
    );
  }
  return duration;
}

function parseVerbosity(text: string): number {
  if (!/^\d+$/.test(text)) {
    throw new UserError(`error: invalid argument "${text}" for "-v, --v" flag: not a number`);
  }
  return Number(text);
}
