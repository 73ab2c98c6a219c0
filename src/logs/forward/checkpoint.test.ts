import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import type { LogTypeName } from '../types/log-type.ts';
import { Checkpoint } from './checkpoint.ts';

const parent = mkdtempSync(join(tmpdir(), 'checkpoint-'));
let folder = '';
let damage: string[] = [];

function load(): Checkpoint {
  return Checkpoint.load(folder, (reason) => damage.push(reason));
}

function at(fileKey: string, type: LogTypeName = 'flows', destination = 'prod-eu') {
  return { destination, type, fileKey };
}

function position(fileKey: string, offset: number, updated = new Date()) {
  return {
    destination: 'prod-eu',
    type: 'flows',
    fileKey,
    offset,
    path: '/var/log/flows.log',
    updated: updated.toISOString(),
  } as const;
}

beforeEach(() => {
  rmSync(parent, { recursive: true, force: true });
  folder = join(parent, 'state');
  damage = [];
});

describe('Checkpoint', () => {
  it('remembers positions by type and file', async () => {
    const checkpoint = load();
    assert.equal(checkpoint.offsetOf(at('a')), 0);
    await checkpoint.advance(position('a', 5));
    await checkpoint.advance(position('b', 6));
    await checkpoint.advance(position('a', 7));
    const again = load();
    assert.deepEqual([again.offsetOf(at('a')), again.offsetOf(at('b')), again.offsetOf(at('a', 'dns'))], [7, 6, 0]);
    assert.equal(again.offsetOf(at('a', 'flows', 'prod-us')), 0, 'another destination has nothing of it');
    assert.deepEqual(damage, []);
  });

  it('leaves one file, that only its owner can read', async () => {
    await load().advance(position('a', 5));
    assert.deepEqual(readdirSync(folder), ['checkpoint.json']);
    assert.equal(statSync(join(folder, 'checkpoint.json')).mode & 0o777, 0o600);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
  });

  it('is not disturbed by a draft that a crash left behind', async () => {
    await load().advance(position('a', 5));
    writeFileSync(join(folder, 'checkpoint.json.new'), '{"vers');
    assert.equal(load().offsetOf(at('a')), 5);
    assert.deepEqual(damage, []);
  });

  it('says so when it is damaged, however it is', async () => {
    await load().advance(position('a', 5));
    const file = join(folder, 'checkpoint.json');
    const whole = readFileSync(file, 'utf8');
    for (const text of [
      '',
      whole.slice(0, 20),
      whole.slice(0, -3),
      '[]',
      '{"version":2,"positions":[]}',
      'null',
      '{"version":1,"positions":[{"type":"flows","offset":"5"}]}',
      '\0\0\0\0',
    ]) {
      damage = [];
      writeFileSync(file, text);
      assert.equal(load().offsetOf(at('a')), 0);
      assert.equal(damage.length, 1, JSON.stringify(text));
    }
  });

  it('forgets files that nobody has read for a month', async () => {
    const checkpoint = load();
    await checkpoint.advance(position('old', 5, new Date(Date.now() - 31 * 86_400_000)));
    await checkpoint.advance(position('new', 6));
    assert.deepEqual([load().offsetOf(at('old')), load().offsetOf(at('new'))], [0, 6]);
  });

  it('names a directory that cannot be used', () => {
    folder = '/dev/null/state';
    assert.throws(() => load(), /^UserError: error: cannot use the state directory: /);
  });
});
