import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { messageOf, UserError } from '../../errors.ts';
import { LOG_TYPES } from '../types/index.ts';
import type { LogType } from '../types/log-type.ts';

/** A file to ship. */
export interface ForwardInput {
  readonly type: LogType;
  readonly path: string;
  /** Somebody named it: that it is missing is an error. The usual places of log files may be empty. */
  readonly named: boolean;
}

/** What a forwarder's configuration file can say; flags say the same and win. */
export interface ForwardConfig {
  readonly credentials?: string;
  readonly state?: string;
  readonly host?: string;
  readonly inputs: readonly ForwardInput[];
}

const KEYS = ['credentials', 'state', 'host', 'files'];

/**
 * Reads a configuration file:
 *
 *     credentials: /etc/kubectl-mcm/forwarder
 *     state: /var/lib/kubectl-mcm
 *     files:
 *       flow: [/var/log/calico/flowlogs/flows.log]
 *
 * Relative paths are from the folder the file is in, since cron runs it from anywhere.
 *
 * @throws UserError naming the file and the key that is not as it should be.
 */
export function readForwardConfig(file: string): ForwardConfig {
  const fail = (what: string) => new UserError(`error: ${file}: ${what}`);
  let document: unknown;
  try {
    document = parse(readFileSync(file, 'utf8'), { logLevel: 'error' }) ?? {};
  } catch (error) {
    throw fail(messageOf(error));
  }
  if (!isMap(document)) throw fail('not a YAML mapping');
  const unknown = Object.keys(document).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw fail(`unknown key "${unknown}"; there are ${KEYS.join(', ')}`);
  const text = (key: string, read = (value: string) => value) => {
    const value = document[key];
    if (value === undefined) return {};
    if (typeof value === 'string') return { [key]: read(value) };
    throw fail(`"${key}" must be a string`);
  };
  const fromHere = (path: string) => resolve(dirname(file), path);
  return {
    ...text('credentials', fromHere),
    ...text('state', fromHere),
    ...text('host'),
    inputs: inputsOf(document.files ?? {}, fail).map((input) => ({ ...input, path: fromHere(input.path) })),
  };
}

function inputsOf(files: unknown, fail: (what: string) => UserError): ForwardInput[] {
  if (!isMap(files)) throw fail('"files" must map log types to lists of files');
  return Object.entries(files).flatMap(([label, paths]) => {
    const type = LOG_TYPES.find((candidate) => candidate.label === label);
    if (type === undefined) {
      throw fail(`unknown log type "${label}"; there are ${LOG_TYPES.map((known) => known.label).join(', ')}`);
    }
    if (!Array.isArray(paths) || !paths.every((path) => typeof path === 'string')) {
      throw fail(`"files.${label}" must be a list of files`);
    }
    return (paths as string[]).map((path) => ({ type, path, named: true }));
  });
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Where Calico's nodes keep their logs. */
export function usualInputs(): ForwardInput[] {
  return LOG_TYPES.flatMap((type) => type.files.map((path) => ({ type, path, named: false })));
}
