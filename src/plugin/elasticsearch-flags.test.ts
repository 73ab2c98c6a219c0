import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { UserError } from '../errors.ts';
import { elasticsearchOptions } from './elasticsearch-flags.ts';

const folder = mkdtempSync(join(tmpdir(), 'credentials-'));
after(() => rmSync(folder, { recursive: true }));
const URL = 'https://elasticsearch.example.com:9200';

function file(text: string): string {
  const path = join(folder, 'credentials');
  writeFileSync(path, text);
  return path;
}

function refusal(url: string, credentials?: string): string {
  try {
    elasticsearchOptions(url, credentials);
  } catch (error) {
    assert.ok(error instanceof UserError);
    return `${error.message}\n${error.hint}`;
  }
  throw new Error('not refused');
}

describe('elasticsearchOptions', () => {
  it('reads a user name and password, or an API key', () => {
    assert.deepEqual(elasticsearchOptions(URL, undefined), { url: URL });
    assert.deepEqual(elasticsearchOptions(URL, file('username: manager\npassword: "a: b"\n')), {
      url: URL,
      auth: { username: 'manager', password: 'a: b' },
    });
    assert.deepEqual(elasticsearchOptions(URL, file('apiKey: aWQ6a2V5\n')), { url: URL, auth: { apiKey: 'aWQ6a2V5' } });
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
