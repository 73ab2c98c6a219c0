import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { type Gap, GapLedger } from './gap-ledger.ts';

const parent = mkdtempSync(join(tmpdir(), 'gaps-'));
after(() => rmSync(parent, { recursive: true }));

let folder = '';
let damage: string[] = [];
let told: Gap[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(parent, 'state-'));
  damage = [];
  told = [];
});

function load(): GapLedger {
  return GapLedger.load(
    folder,
    (warning) => damage.push(warning),
    (gap) => told.push(gap),
  );
}

function gap(more: Partial<Gap> = {}): Gap {
  const path = '/var/log/flows.log';
  const times = { from: '2026-11-23T10:00:00.000Z', to: '2026-11-23T11:00:00.000Z' };
  return { type: 'flows', path, input: `${path}*`, ...times, count: 10, bytes: 1000, reason: 'SpoolFull', ...more };
}

describe('GapLedger', () => {
  it('counts a cause once, also after a restart, until that is gone for good', async () => {
    await load().add(gap(), 'a#1');
    const ledger = load();
    await ledger.add(gap(), 'a#1');
    await Promise.all([ledger.add(gap(), 'a#2'), ledger.add(gap(), 'a#2')]);
    assert.deepEqual([load().pending.length, load().pending[0]?.count, told.length], [1, 20, 2]);
    assert.ok(load().has('a#1') && !load().has('a#3'));
    ledger.settle((cause) => cause === 'a#1');
    await ledger.add(gap(), 'b');
    assert.deepEqual([load().has('a#1'), load().has('a#2'), load().pending[0]?.count], [false, true, 30]);
  });

  it('keeps as many gaps as there are inputs, types and reasons, however much is lost', async () => {
    const ledger = load();
    for (let index = 0; index < 50; index++) await ledger.add(gap(), `same-${index}`);
    await ledger.add(gap({ path: '/var/log/flows.log.1', from: '2026-11-23T09:00:00.000Z', count: 1 }), 'other path');
    await ledger.add(gap({ to: '2026-11-23T12:00:00.000Z', count: 0 }), 'later');
    await ledger.add(gap({ reason: 'FileGone' }), 'other reason');
    await ledger.add(gap({ type: 'dns' }), 'other type');
    const { count: _count, ...uncounted } = gap();
    await ledger.add(uncounted, 'nobody has counted them');
    const [first, ...others] = ledger.pending;
    assert.deepEqual(first, {
      ...gap({ path: '/var/log/flows.log*', from: '2026-11-23T09:00:00.000Z', to: '2026-11-23T12:00:00.000Z' }),
      count: 501,
      bytes: 52_000,
    });
    assert.deepEqual(others, [gap({ reason: 'FileGone' }), gap({ type: 'dns' }), uncounted]);
  });

  it('sends a batch as it is until it is acknowledged, and what comes meanwhile after it', async () => {
    const ledger = load();
    assert.equal(await ledger.nextBatch(), undefined);
    await ledger.add(gap(), 'a');
    const batch = await ledger.nextBatch();
    assert.match(batch?.key ?? '', /^[0-9a-f]{32}$/);
    await ledger.add(gap({ count: 5 }), 'b');
    assert.deepEqual(await load().nextBatch(), batch);
    assert.equal(ledger.pending.length, 2);
    await ledger.shipped();
    const next = await load().nextBatch();
    assert.deepEqual(
      next?.gaps.map(({ count }) => count),
      [5],
    );
    assert.notEqual(next?.key, batch?.key);
  });

  it('goes on from the one before when it is damaged, and says so', async () => {
    const ledger = load();
    await ledger.add(gap(), 'a');
    await ledger.add(gap(), 'b');
    const file = join(folder, 'gaps.json');
    const whole = readFileSync(file);
    for (const torn of [whole.subarray(0, 50), Buffer.alloc(0), Buffer.from('{"version":1,"waiting":3,"causes":[]}')]) {
      writeFileSync(file, torn);
      damage = [];
      assert.equal(load().pending[0]?.count, 10);
      assert.match(damage.join(), /^the gaps \S+\/gaps\.json is damaged .*: going on from the one before it/);
    }
    writeFileSync(join(folder, 'gaps.previous.json'), '');
    assert.deepEqual(load().pending, []);
    assert.match(damage.at(-1) ?? '', /gaps that were not shipped are forgotten$/);
  });

  it('has not counted what it could not save', async () => {
    const ledger = load();
    await ledger.add(gap(), 'a');
    rmSync(folder, { recursive: true });
    await assert.rejects(ledger.add(gap(), 'b'), /^UserError: error: cannot use the state directory/);
    assert.deepEqual([ledger.pending[0]?.count, ledger.has('b'), told.length], [10, false, 1]);
    mkdirSync(folder);
    await ledger.add(gap(), 'b');
    assert.equal(load().pending[0]?.count, 20);
  });
});
