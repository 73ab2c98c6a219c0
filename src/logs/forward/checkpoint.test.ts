import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import fs, { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { Checkpoint, type Position } from './checkpoint.ts';

const DESTINATION = 'prod-eu';
const parent = mkdtempSync(join(tmpdir(), 'checkpoint-'));
let folder = '';
let damage: string[] = [];

function load(): Checkpoint {
  return Checkpoint.load(folder, (warning) => damage.push(warning));
}

function position(fileKey: string, offset: number, more: Partial<Position> = {}): Position {
  const device = '64768';
  const path = '/var/log/flows.log';
  const updated = new Date().toISOString();
  const place = { fileKey, device, inode: '18446744073709551615', offset, tail: 'ab', size: 100 };
  return { destination: DESTINATION, type: 'flows', ...place, path, input: path, updated, ...more };
}

function offsets(checkpoint = load(), destination = DESTINATION): Record<string, number> {
  return Object.fromEntries(checkpoint.of(destination).map(({ fileKey, offset }) => [fileKey, offset]));
}

beforeEach(() => {
  rmSync(parent, { recursive: true, force: true });
  folder = join(parent, 'state');
  mkdirSync(folder, { recursive: true });
  damage = [];
});

describe('Checkpoint', () => {
  it('remembers positions by destination, type and file', async () => {
    const checkpoint = load();
    assert.deepEqual(checkpoint.of(DESTINATION), []);
    await checkpoint.advance(position('a', 5), position('b', 6));
    await checkpoint.advance(position('a', 7));
    const others = [
      position('a', 8, { inode: '2' }),
      position('a', 9, { type: 'dns' }),
      position('a', 10, { destination: 'prod-us' }),
    ];
    await checkpoint.advance(...others);
    assert.deepEqual(
      load()
        .of(DESTINATION)
        .map(({ fileKey, offset }) => [fileKey, offset]),
      [
        ['a', 7],
        ['b', 6],
        ['a', 8],
        ['a', 9],
      ],
    );
    assert.deepEqual(offsets(load(), 'prod-us'), { a: 10 }, 'another destination has nothing of it');
    assert.deepEqual(load().of('prod-us'), [others[2]]);
    assert.deepEqual(damage, []);
  });

  it('leaves itself and the one before, that only their owner can read', async () => {
    const checkpoint = load();
    await checkpoint.advance(position('a', 5));
    assert.deepEqual(readdirSync(folder), ['checkpoint.json']);
    await checkpoint.advance(position('a', 6));
    assert.deepEqual(readdirSync(folder), ['checkpoint.json', 'checkpoint.previous.json']);
    assert.equal(statSync(join(folder, 'checkpoint.json')).mode & 0o777, 0o600);
  });

  it('is on disk under another name before it takes the place of the one before', async (t) => {
    const steps: string[] = [];
    const probe = await open(join(folder, 'probe'), 'w');
    const handles = Object.getPrototypeOf(probe) as typeof probe;
    await probe.close();
    rmSync(join(folder, 'probe'));
    // Everything is done as ever, and noted.
    const note = <T extends object>(target: T, name: keyof T & string) => {
      const real = target[name] as (...args: unknown[]) => unknown;
      t.mock.method(
        target as never,
        name as never,
        function (this: unknown, ...args: unknown[]) {
          const files = args.filter((arg) => typeof arg === 'string' && arg.startsWith(folder)) as string[];
          steps.push(
            [name, ...files.map((file) => file.slice(folder.length + 1).replace(/[0-9a-f-]{36}/, '*'))].join(' '),
          );
          return real.apply(this, args);
        } as never,
      );
    };
    const checkpoint = load();
    await checkpoint.advance(position('a', 5));
    for (const name of ['writeFile', 'datasync', 'sync'] as const) note(handles, name);
    for (const name of ['open', 'link', 'rename'] as const) note(fs, name);
    syncBuiltinESMExports();
    try {
      await checkpoint.advance(position('a', 6));
    } finally {
      t.mock.restoreAll();
      syncBuiltinESMExports();
    }
    assert.deepEqual(
      steps.map((step) => step.replace(/^writeFile .*/s, 'writeFile').trim()),
      [
        'open checkpoint.*.draft',
        'writeFile',
        'datasync',
        'link checkpoint.json checkpoint.previous.json',
        'rename checkpoint.*.draft checkpoint.json',
        'open',
        'sync',
      ],
    );
  });

  it('saves what comes at once at once, and in order', async (t) => {
    const checkpoint = load();
    const probe = await open(join(folder, 'probe'), 'w');
    const syncs = t.mock.method(Object.getPrototypeOf(probe) as typeof probe, 'datasync');
    await probe.close();
    const saves = Array.from({ length: 50 }, (_, at) => checkpoint.advance(position('a', at), position(`b${at}`, 1)));
    await Promise.all(saves);
    assert.deepEqual([offsets().a, Object.keys(offsets()).length], [49, 51]);
    assert.ok(syncs.mock.callCount() <= 2, `${syncs.mock.callCount()} saves`);
  });

  it('is not disturbed by a draft that a crash left behind, and removes it', async () => {
    await load().advance(position('a', 5));
    writeFileSync(join(folder, 'checkpoint.00000000-0000-4000-8000-000000000000.draft'), '{"vers');
    assert.deepEqual(offsets(), { a: 5 });
    assert.deepEqual(readdirSync(folder), ['checkpoint.json']);
    assert.deepEqual(damage, []);
  });

  it('goes on from the one before when it is damaged or missing, and says so', async () => {
    const checkpoint = load();
    await checkpoint.advance(position('a', 5));
    await checkpoint.advance(position('a', 6));
    const file = join(folder, 'checkpoint.json');
    const whole = readFileSync(file, 'utf8');
    for (const text of [
      '',
      whole.slice(0, 20),
      whole.slice(0, -3),
      '[]',
      'null',
      whole.replace('"version":2', '"version":1'),
      whole.replace('"offset":6', '"offset":"6"'),
      whole.replace('"offset":6', '"offset":-6'),
      whole.replace('"tail":"ab",', ''),
      whole.replace(/"updated":"[^"]*"/, '"updated":"then"'),
      '\0\0\0\0',
    ]) {
      damage = [];
      writeFileSync(file, text);
      assert.deepEqual(offsets(), { a: 5 }, JSON.stringify(text));
      assert.equal(damage.length, 1, JSON.stringify(text));
      assert.match(
        damage[0] ?? '',
        /checkpoint\.json is damaged \(.+\): going on from the one before it, \S+\/checkpoint\.previous\.json$/,
      );
    }
    // What a newer version knows must not be forgotten.
    writeFileSync(file, whole.replace('"version":2', '"version":3'));
    assert.throws(
      offsets,
      /^UserError: error: the checkpoint is of format 3, and this version of kubectl-mcm knows 2$/,
    );
    damage = [];
    rmSync(file);
    assert.deepEqual(offsets(), { a: 5 });
    assert.match(damage.join(), /checkpoint\.json is missing: going on from the one before it/);
    await load().advance(position('a', 7));
    damage = [];
    assert.deepEqual([offsets(), damage], [{ a: 7 }, []]);
  });

  it('says that everything is sent again when the one before is no better', async () => {
    const checkpoint = load();
    await checkpoint.advance(position('a', 5));
    await checkpoint.advance(position('a', 6));
    for (const name of readdirSync(folder)) writeFileSync(join(folder, name), '{');
    assert.deepEqual(offsets(), {});
    assert.match(
      damage.join(),
      /is damaged .* and .* is damaged .*: everything is sent again \(nothing gets stored twice\)$/,
    );
    damage = [];
    await load().advance(position('a', 7));
    damage = [];
    assert.deepEqual([offsets(), damage], [{ a: 7 }, []], 'once');
  });

  it('forgets files that nobody has seen for a month', async () => {
    const long = new Date(Date.now() - 31 * 86_400_000).toISOString();
    await load().advance(position('old', 5, { updated: long }), position('seen', 6, { updated: long }));
    const checkpoint = load();
    await checkpoint.advance(position('new', 7), position('seen', 8));
    assert.deepEqual(offsets(), { new: 7, seen: 8 });
  });

  it('forgets nothing that it has seen when the clock is set', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const checkpoint = load();
    await checkpoint.advance(position('a', 5), position('b', 6));
    t.mock.timers.setTime(Date.now() + 40 * 86_400_000);
    await checkpoint.advance(position('a', 7));
    assert.deepEqual(offsets(), { a: 7, b: 6 });
  });

  it('names a directory that cannot be used, before and while it is', async () => {
    const checkpoint = load();
    rmSync(folder, { recursive: true });
    await assert.rejects(
      checkpoint.advance(position('a', 5)),
      /^UserError: error: cannot use the state directory \S+: open \S+: no such file or directory$/,
    );
    writeFileSync(folder, '');
    await assert.rejects(checkpoint.advance(position('a', 5)), /^UserError: .*: not a directory$/);
    assert.throws(() => load(), /^UserError: error: cannot use the state directory \S+: scandir \S+: not a directory$/);
    rmSync(folder);
    mkdirSync(join(folder, 'checkpoint.json'), { recursive: true });
    assert.throws(() => load(), /^UserError: .*: read: is a directory$/);
  });
});
