import { hostname } from 'node:os';
import { readForwarderCredentials } from '../clusters/forwarder-credentials.ts';
import { UserError } from '../errors.ts';
import { type ForwardConfig, type ForwardInput, readForwardConfig, usualInputs } from '../logs/forward/config.ts';
import type { ForwardOptions } from '../logs/forward/crossing.ts';
import { isHostName } from '../logs/record/source.ts';
import { LOG_TYPES } from '../logs/types/index.ts';
import { parseDuration } from './duration.ts';

/** Flags of `forward` that say what is shipped, from where and to whom; those of log types are lists of files. */
export interface ForwardFlags {
  readonly config: string | undefined;
  readonly credentials: string | undefined;
  readonly state: string | undefined;
  readonly host: string | undefined;
  readonly 'retry-for': string;
  readonly 'chunk-bytes': string;
}

/** What flags and the configuration file say; what runs with it adds the rest. */
export type ForwardSettings = Omit<ForwardOptions, 'signal' | 'events' | 'metrics'>;

/** Reads the configuration file and the credentials. @throws UserError */
export function readForwardSettings(flags: ForwardFlags, env: NodeJS.ProcessEnv): ForwardSettings {
  const config: ForwardConfig = flags.config === undefined ? { inputs: [] } : readForwardConfig(flags.config);
  const credentialsPath = flags.credentials ?? config.credentials;
  if (credentialsPath === undefined) {
    throw new UserError('error: no credentials: give --credentials (or "credentials" in the configuration file)', {
      hint: 'the directory of the forwarder\'s Secret, or the manifest that "kubectl mcm add-cluster NAME -o FILE" writes',
    });
  }
  return {
    ...readForwarderCredentials(credentialsPath),
    host: hostOf(flags.host ?? config.host ?? env.NODE_NAME ?? hostname()),
    inputs: inputsOf(flags as unknown as Readonly<Record<string, readonly string[]>>, config),
    stateDirectory: flags.state ?? config.state ?? '/var/lib/kubectl-mcm',
    retryFor: durationOf('retry-for', flags['retry-for']),
    chunkBytes: bytesOf(flags['chunk-bytes']),
  };
}

/** Milliseconds. @throws UserError */
export function durationOf(flag: string, text: string): number {
  const duration = parseDuration(text);
  if (duration !== undefined) return duration;
  throw new UserError(`error: invalid argument "${text}" for "--${flag}" flag: time: invalid duration "${text}"`);
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

function bytesOf(text: string): number {
  const bytes = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (bytes >= 1024) return bytes;
  throw new UserError(`error: invalid argument "${text}" for "--chunk-bytes" flag: must be a number of at least 1024`);
}
