import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { systemWords, UserError } from '../errors.ts';
import type { ElasticsearchOptions, TlsOptions } from '../logs/store/elasticsearch/elasticsearch-options.ts';
import type { FlagSpec } from './command.ts';

/** Flags beside --elasticsearch that say how to get there. */
export const ELASTICSEARCH_FLAGS = {
  'elasticsearch-credentials': {
    type: 'string',
    value: 'PATH',
    description:
      'YAML file with what Elasticsearch asks for: username and password, or apiKey; or a directory in which a Secret with these keys is mounted, with ca.crt, tls.crt and tls.key where they are needed.',
  },
  'elasticsearch-ca': {
    type: 'string',
    value: 'FILE',
    description: "PEM file with the CA of Elasticsearch's certificate, where the system does not trust it.",
  },
  'elasticsearch-certificate': {
    type: 'string',
    value: 'FILE',
    description: 'PEM file with a certificate to show to Elasticsearch; needs --elasticsearch-key.',
  },
  'elasticsearch-key': { type: 'string', value: 'FILE', description: "PEM file with that certificate's key." },
} as const satisfies Record<string, FlagSpec>;

export type ElasticsearchFlags = Readonly<Record<keyof typeof ELASTICSEARCH_FLAGS, string | undefined>>;

/** `urls` has one, or those of several nodes with commas between them. @throws UserError, without anything secret. */
export function elasticsearchOptions(urls: string, flags: ElasticsearchFlags): ElasticsearchOptions {
  const [url = '', ...otherUrls] = elasticsearchUrls(urls);
  const path = flags['elasticsearch-credentials'];
  const secret = path === undefined ? {} : readSecret(path);
  const tls = readTls(flags, secret);
  if (tls !== undefined && url.startsWith('http:')) {
    throw new UserError('error: --elasticsearch-ca and --elasticsearch-certificate are for an https URL');
  }
  return {
    url,
    ...(otherUrls.length === 0 ? {} : { otherUrls }),
    ...(secret.auth === undefined ? {} : { auth: secret.auth }),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** The URLs of a flag. @throws UserError, without anything secret. */
export function elasticsearchUrls(text: string): string[] {
  const urls = text.split(',').map(httpUrl);
  if (new Set(urls.map((url) => new URL(url).protocol)).size > 1) {
    throw new UserError('error: invalid argument for "--elasticsearch" flag: http and https do not go together');
  }
  return urls;
}

/** What one file of credentials says, or a Secret that is mounted. */
interface GivenSecret {
  readonly auth?: NonNullable<ElasticsearchOptions['auth']>;
  /** Files of PEM. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

function readTls(flags: ElasticsearchFlags, mounted: GivenSecret): TlsOptions | undefined {
  const {
    'elasticsearch-ca': ca = mounted.ca,
    'elasticsearch-certificate': cert = mounted.cert,
    'elasticsearch-key': key = mounted.key,
  } = flags;
  if ((cert === undefined) !== (key === undefined)) {
    throw new UserError('error: --elasticsearch-certificate and --elasticsearch-key need one another');
  }
  const files = Object.entries({ ca, cert, key }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  if (files.length === 0) return undefined;
  const tls = Object.fromEntries(files.map(([name, file]) => [name, readText(file)]));
  try {
    // Loaded only here: it is memory that most forwarders have no use for.
    process.getBuiltinModule('node:tls').createSecureContext(tls);
    // It takes a CA that is none, and trusts nobody then.
    if (tls.ca !== undefined) new X509Certificate(tls.ca);
  } catch {
    // OpenSSL's words would not help, and the files' own are secret.
    const names = files.map(([, file]) => file).join(', ');
    throw new UserError(`error: cannot use ${names} for Elasticsearch: no PEM, or the key is not the certificate's`);
  }
  return tls;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(`error: cannot read ${file}: ${systemWords(error)}`);
  }
}

function httpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    // A password may stand before the @ of what is nearly a URL.
    const shown = text.replace(/^(.*:\/\/)?.*@/, '$1***@');
    throw new UserError(`error: invalid argument "${shown}" for "--elasticsearch" flag: not an http or https URL`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new UserError('error: invalid argument for "--elasticsearch" flag: the URL holds a user name or password', {
      hint: 'everyone on this machine can read them there: write them to a file and give --elasticsearch-credentials FILE',
    });
  }
  return text;
}

function readSecret(path: string): GivenSecret {
  const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  return isDirectory ? readMountedSecret(path) : { auth: authOf(path, readFields(path)) };
}

/** Where a Secret is mounted, each key is a file. */
function readMountedSecret(directory: string): GivenSecret {
  const file = (key: string) => {
    const path = join(directory, key);
    return existsSync(path) ? path : undefined;
  };
  const given = ['username', 'password', 'apiKey'].filter((key) => file(key) !== undefined);
  const fields = given.map((key) => [key, readText(join(directory, key))]);
  const files = { ca: file('ca.crt'), cert: file('tls.crt'), key: file('tls.key') };
  const present = Object.fromEntries(Object.entries(files).filter(([, path]) => path !== undefined));
  return given.length === 0 ? present : { ...present, auth: authOf(directory, Object.fromEntries(fields)) };
}

function authOf(file: string, fields: Readonly<Record<string, unknown>>): NonNullable<ElasticsearchOptions['auth']> {
  const { username, password, apiKey, ...others } = fields;
  const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
  if (Object.keys(others).length === 0) {
    if (isText(apiKey) && username === undefined && password === undefined) return { apiKey };
    if (isText(username) && isText(password) && apiKey === undefined) return { username, password };
  }
  throw invalid(file, 'it must have username and password, or apiKey, each a string, and nothing else');
}

function readFields(file: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw invalid(file, systemWords(error));
  }
  try {
    const fields: unknown = parse(text);
    if (typeof fields === 'object' && fields !== null && !Array.isArray(fields)) return { ...fields };
  } catch {
    // The parser's words would quote the file.
  }
  throw invalid(file, 'it is not YAML of the form "username: NAME"');
}

function invalid(file: string, why: string): UserError {
  return new UserError(`error: cannot use the Elasticsearch credentials in ${file}: ${why}`);
}
