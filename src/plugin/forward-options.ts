import { hostname } from 'node:os';
import { readForwarderCredentials } from '../clusters/forwarder-credentials.ts';
import { isClusterName, MANAGEMENT_CLUSTER } from '../clusters/managed-cluster.ts';
import { UserError } from '../errors.ts';
import type { Compression } from '../logs/forward/compression.ts';
import { type ForwardConfig, type ForwardInput, readForwardConfig, usualInputs } from '../logs/forward/config.ts';
import type { ForwardSettings } from '../logs/forward/crossing.ts';
import type { WhenFull } from '../logs/forward/spool.ts';
import { isHostName } from '../logs/record/source.ts';
import { LOG_TYPES } from '../logs/types/index.ts';
import { durationOf } from './duration.ts';
import { ELASTICSEARCH_FLAGS, type ElasticsearchFlags, elasticsearchOptions } from './elasticsearch-flags.ts';
import { sizeOf } from './size.ts';

/** Where a forwarder remembers what is shipped, unless it is told otherwise. */
export const DEFAULT_STATE = '/var/lib/kubectl-mcm';

/** Flags of `forward` that say what is shipped, from where and to whom; those of log types are lists of files. */
export interface ForwardFlags extends DestinationFlags {
  readonly config: string | undefined;
  readonly state: string | undefined;
  readonly host: string | undefined;
  readonly 'retry-for': string;
  readonly 'chunk-bytes': string;
  readonly 'spool-size': string;
  readonly 'when-full': string;
}

interface DestinationFlags extends ElasticsearchFlags {
  readonly credentials: string | undefined;
  readonly elasticsearch: string | undefined;
  readonly cluster: string | undefined;
  readonly compression: string | undefined;
}

/** Reads the configuration file and the credentials. @throws UserError */
export function readForwardSettings(flags: ForwardFlags, env: NodeJS.ProcessEnv): ForwardSettings {
  const config: ForwardConfig = flags.config === undefined ? { inputs: [] } : readForwardConfig(flags.config);
  return {
    ...destinationOf(flags, config, env),
    retryFor: durationOf('retry-for', flags['retry-for']),
    host: hostOf(flags.host ?? config.host ?? env.NODE_NAME ?? hostname()),
    inputs: inputsOf(flags as unknown as Readonly<Record<string, readonly string[]>>, config),
    stateDirectory: flags.state ?? config.state ?? DEFAULT_STATE,
    chunkBytes: sizeOf('chunk-bytes', flags['chunk-bytes'], '1Ki'),
    spoolSize: sizeOf('spool-size', flags['spool-size']),
    whenFull: flags['when-full'] as WhenFull,
  };
}

/** The manager, unless flags name an Elasticsearch. */
function destinationOf(flags: DestinationFlags, config: ForwardConfig, env: NodeJS.ProcessEnv) {
  const { elasticsearch, cluster, compression = 'gzip' } = flags;
  if (elasticsearch === undefined) {
    for (const name of Object.keys(ELASTICSEARCH_FLAGS) as (keyof ElasticsearchFlags)[]) {
      if (flags[name] !== undefined) throw new UserError(`error: --${name} needs --elasticsearch`);
    }
    if (cluster !== undefined) {
      throw new UserError('error: --cluster needs --elasticsearch: for the manager the credentials say the cluster');
    }
    const credentials = managerCredentials(flags.credentials ?? config.credentials);
    return {
      ...credentials,
      compression: compression as Compression,
      connect: async (signal: AbortSignal) => {
        const { dial } = await import('../tunnel/agent/dial.ts');
        return await dial({ ...credentials, env }, signal);
      },
    };
  }
  if (flags.credentials !== undefined) {
    throw new UserError(
      'error: --credentials is for the manager and --elasticsearch for writing past it: give one of them',
    );
  }
  if (flags.compression !== undefined) {
    throw new UserError('error: --compression is for uploads to the manager, and not for --elasticsearch');
  }
  if (cluster === undefined) {
    throw new UserError('error: --elasticsearch needs --cluster NAME: under which name the records are stored');
  }
  // The management cluster's own logs are stored under a name that no managed cluster may have.
  if (!isClusterName(cluster) && cluster !== MANAGEMENT_CLUSTER) {
    throw new UserError(`error: "${cluster}" cannot be a cluster's name`);
  }
  return { cluster, elasticsearch: elasticsearchOptions(elasticsearch, flags) };
}

function managerCredentials(path: string | undefined) {
  if (path !== undefined) return readForwarderCredentials(path);
  throw new UserError('error: no credentials: give --credentials (or "credentials" in the configuration file)', {
    hint: 'the directory of the forwarder\'s Secret, or the manifest that "kubectl mcm add-cluster NAME -o FILE" writes',
  });
}

function inputsOf(flags: Readonly<Record<string, readonly string[]>>, config: ForwardConfig): readonly ForwardInput[] {
  const given = LOG_TYPES.flatMap((type) => (flags[type.label] ?? []).map((path) => ({ type, path, named: true })));
  if (given.length > 0) return given;
  return config.inputs.length > 0 ? config.inputs : usualInputs();
}

function hostOf(name: string): string {
  if (isHostName(name)) return name;
  throw new UserError(`error: "${name}" cannot be a host's name`, { hint: 'give one with --host' });
}
