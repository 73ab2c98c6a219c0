import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { systemWords, UserError } from '../errors.ts';
import type { ElasticsearchOptions } from '../logs/store/elasticsearch/elasticsearch-options.ts';

/** @throws UserError naming what is wrong, without anything secret. */
export function elasticsearchOptions(url: string, credentials: string | undefined): ElasticsearchOptions {
  const auth = credentials === undefined ? undefined : readCredentials(credentials);
  return { url: httpUrl(url), ...(auth === undefined ? {} : { auth }) };
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

function readCredentials(file: string): NonNullable<ElasticsearchOptions['auth']> {
  const { username, password, apiKey, ...others } = readFields(file);
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
