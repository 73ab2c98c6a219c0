import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { createKeyPair, daysFromNow } from '../clusters/key-pair.ts';
import { UserError } from '../errors.ts';
import { type ElasticsearchFlags, elasticsearchOptions } from './elasticsearch-flags.ts';

const folder = mkdtempSync(join(tmpdir(), 'credentials-'));
after(() => rmSync(folder, { recursive: true }));
const URL = 'https://elasticsearch.example.com:9200';

function withFile(text: string) {
  return { 'elasticsearch-credentials': file(text) };
}

function file(text: string): string {
  const path = join(folder, 'credentials');
  writeFileSync(path, text);
  return path;
}

const NO_FLAGS = {
  'elasticsearch-credentials': undefined,
  'elasticsearch-ca': undefined,
  'elasticsearch-certificate': undefined,
  'elasticsearch-key': undefined,
};

function options(url: string, flags: Partial<ElasticsearchFlags> = {}) {
  return elasticsearchOptions(url, { ...NO_FLAGS, ...flags });
}

function refusal(url: string, credentials?: string, flags: Partial<ElasticsearchFlags> = {}): string {
  try {
    options(url, { 'elasticsearch-credentials': credentials, ...flags });
  } catch (error) {
    assert.ok(error instanceof UserError);
    return `${error.message}\n${error.hint}`;
  }
  throw new Error('not refused');
}

describe('elasticsearchOptions', () => {
  it('reads a user name and password, or an API key', () => {
    assert.deepEqual(options(URL), { url: URL });
    assert.deepEqual(options(URL, withFile('username: manager\npassword: "a: b"\n')), {
      url: URL,
      auth: { username: 'manager', password: 'a: b' },
    });
    assert.deepEqual(options(URL, withFile('apiKey: aWQ6a2V5\n')), { url: URL, auth: { apiKey: 'aWQ6a2V5' } });
  });

  it('reads a Secret that is mounted: a file for each key, and TLS where it is there', async () => {
    const { certificate, key } = await createKeyPair({ commonName: 'a', usages: ['client'], notAfter: daysFromNow(1) });
    const mounted = (files: Readonly<Record<string, string>>) => {
      const directory = mkdtempSync(join(folder, 'secret-'));
      for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
      return { 'elasticsearch-credentials': directory };
    };
    assert.deepEqual(options(URL, mounted({ username: 'manager', password: 'a: b' })), {
      url: URL,
      auth: { username: 'manager', password: 'a: b' },
    });
    assert.deepEqual(options(URL, mounted({ apiKey: 'aWQ6a2V5', 'ca.crt': certificate })), {
      url: URL,
      auth: { apiKey: 'aWQ6a2V5' },
      tls: { ca: certificate },
    });
    assert.deepEqual(options(URL, mounted({ 'tls.crt': certificate, 'tls.key': key })), {
      url: URL,
      tls: { cert: certificate, key },
    });
    const half = mounted({ username: 'manager' });
    assert.match(refusal(URL, half['elasticsearch-credentials']), /must have username and password, or apiKey/);
  });

  for (const text of [
    '',
    'hunter2',
    '- hunter2',
    'username: manager',
    'password: hunter2',
    'username: manager\npassword: 12345',
    'username: manager\npassword: hunter2\napiKey: hunter2',
    'username: manager\npassword: hunter2\nother: hunter2',
    'username: "manager\npassword: hunter2: : [',
  ]) {
    it(`refuses ${JSON.stringify(text)} without showing it`, () => {
      const words = refusal(URL, file(text));
      assert.match(words, /^error: cannot use the Elasticsearch credentials in \S+: it (must have|is not YAML)/);
      assert.doesNotMatch(words, /hunter2|12345/);
    });
  }

  it('takes several nodes of one kind', () => {
    const [one, two] = ['https://a:9200', 'https://b:9200'];
    assert.deepEqual(options(`${one},${two}`), { url: one, otherUrls: [two] });
    assert.match(refusal('https://a:9200,http://b:9200'), /http and https do not go together/);
    assert.match(refusal('https://a:9200,b'), /invalid argument "b" for "--elasticsearch" flag: not an http or https/);
    assert.doesNotMatch(refusal('https://a:9200,https://manager:hunter2@b'), /hunter2/);
  });

  it('reads a CA and key pair, and refuses what is none without showing it', async () => {
    const subject = { commonName: 'a', usages: ['client' as const], notAfter: daysFromNow(1) };
    const [keys, others] = [await createKeyPair(subject), await createKeyPair(subject)];
    const written = (name: string, text: string) => {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    };
    const ca = written('ca.crt', keys.certificate);
    const pair = {
      'elasticsearch-certificate': written('tls.crt', keys.certificate),
      'elasticsearch-key': written('tls.key', keys.key),
    };
    assert.deepEqual(options(URL, { 'elasticsearch-ca': ca, ...pair }).tls, {
      ca: keys.certificate,
      cert: keys.certificate,
      key: keys.key,
    });
    assert.deepEqual(options(URL, { 'elasticsearch-ca': ca }).tls, { ca: keys.certificate });
    assert.match(refusal('http://es:9200', undefined, { 'elasticsearch-ca': ca }), /are for an https URL/);
    const lone = { 'elasticsearch-certificate': ca };
    assert.match(refusal(URL, undefined, lone), /--elasticsearch-certificate and --elasticsearch-key need one another/);
    const foreign = { ...pair, 'elasticsearch-key': written('other.key', others.key) };
    assert.match(refusal(URL, undefined, foreign), /cannot use \S+, \S+ for Elasticsearch: no PEM, or the key is not/);
    const none = refusal(URL, undefined, { 'elasticsearch-ca': written('none', '-----BEGIN CERTIFICATE-----hunter2') });
    assert.match(none, /no PEM/);
    assert.doesNotMatch(none, /hunter2/);
    assert.match(refusal(URL, undefined, { 'elasticsearch-ca': '/nowhere' }), /cannot read \/nowhere: no such file/);
  });

  it('says when there is no such file', () => {
    const path = join(folder, 'nothing');
    assert.match(refusal(URL, path), /credentials in \S+: no such file or directory\n/);
  });

  for (const url of ['https://manager:hunter2@es:9200', 'https://hunter2@es:9200', 'http://:hunter2@es']) {
    it(`refuses ${url}, for everyone can see it`, () => {
      const words = refusal(url);
      assert.match(words, /the URL holds a user name or password\n.*--elasticsearch-credentials FILE/);
      assert.doesNotMatch(words, /hunter2/);
    });
  }

  for (const [url, shown] of [
    ['es:9200', 'es:9200'],
    ['ftp://manager:hunter2@es', 'ftp://***@es'],
    ['https://manager:hunter2@es:port', 'https://***@es:port'],
    ['manager:hunter2@es:9200', '***@es:9200'],
  ] as const) {
    it(`refuses ${url}`, () => {
      const words = `error: invalid argument "${shown}" for "--elasticsearch" flag: not an http or https URL\nundefined`;
      assert.equal(refusal(url), words);
    });
  }
});
