import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { limitRoom } from '../../../fixtures/full-disk.ts';
import { type Following, lines, Node, type Peer, textOf, UNAVAILABLE } from '../../../fixtures/ingest-peer.ts';
import { Random } from '../../../fixtures/random.ts';
import type { FollowOptions } from './follow.ts';
import { ForwardMetrics } from './forward-metrics.ts';
import { tailHash } from './log-file.ts';

let node: Node;
let peer: Peer;
let following: Following | undefined;

before(async () => {
  node = await Node.start();
  peer = node.peer;
});
after(() => node.stop());
beforeEach(() => node.reset());
afterEach(async () => {
  await following?.stop();
  following = undefined;
});

const path = () => node.file('flows.log');
const away = () => {
  peer.instead = () => UNAVAILABLE;
};
const back = () => {
  peer.instead = () => undefined;
};

function files(directory: string, state = node.file('state')): string[] {
  return readdirSync(join(state, directory)).sort();
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 30_000; !condition(); await sleep(20)) assert.ok(Date.now() < end, what);
}

async function arrived(expected: readonly string[]): Promise<void> {
  await until(() => peer.lines.length >= expected.length, 'everything arrives').catch(() => undefined);
  assert.deepEqual(peer.lines, [...expected].sort());
}

const heldBack = () => until(() => node.warnings.some((text) => /held back/.test(text)), 'it is held back');
const spooled = (text: RegExp) => until(() => node.warnings.some((warning) => text.test(warning)), `${text}`);

/** Follows a file of which only the first ten lines can be shipped. */
async function followUnread(all: readonly string[], options: Partial<FollowOptions> = {}): Promise<void> {
  writeFileSync(path(), textOf(all.slice(0, 10)));
  following = node.follow([path()], options);
  await arrived(all.slice(0, 10));
  away();
  appendFileSync(path(), textOf(all.slice(10)));
  await heldBack();
}

/** A state directory with `count` lines in the spool, whose file is gone. */
async function spool(all: readonly string[], options: Partial<FollowOptions> = {}): Promise<void> {
  await followUnread(all, options);
  unlinkSync(path());
  await spooled(new RegExp(`up to offset ${all.length * 100} it is in the spool`));
  await following?.stop();
  back();
}

describe('the spool', () => {
  const all = lines('a', 300);

  it('ships what a file had that is deleted, in order and under the same ids', async () => {
    await spool(all, { spoolSize: 128 * 1024 });
    assert.ok(files('spool').length > 1, 'in several segments');
    assert.equal(statSync(join(node.file('state/spool'), files('spool')[0] ?? '')).mode & 0o777, 0o600);
    peer.uploads = [];
    following = node.follow([path()]);
    await arrived(all);
    assert.deepEqual(
      peer.uploads.flatMap((upload) => upload.lines),
      all.slice(10),
    );
    await until(() => files('spool').length === 0, 'the spool is empty');
    await following.stop();
    // Whoever sends the file itself stores nothing twice.
    writeFileSync(path(), textOf(all));
    const { types } = await node.run([path()], { stateDirectory: node.file('other') });
    assert.deepEqual([types[0]?.shipped, types[0]?.known], [all.length, all.length]);
    assert.deepEqual(node.errors, []);
  });

  it('is taken up where nothing can be saved, and shipped once there is room', async () => {
    await followUnread(all);
    // As if the forwarder had been killed before it was saved that the rest is in the spool.
    copyFileSync(node.file('state/checkpoint.json'), node.file('before.json'));
    unlinkSync(path());
    await spooled(/it is in the spool/);
    await following?.stop();
    copyFileSync(node.file('before.json'), node.file('state/checkpoint.json'));
    const mayWrite = (bytes: string) =>
      execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`]);
    mayWrite('0');
    try {
      node.warnings = [];
      following = node.follow([path()]);
      await until(() => node.warnings.some((text) => /cannot use the state directory/.test(text)), 'it is said');
    } finally {
      mayWrite('unlimited');
    }
    back();
    await arrived(all);
    await until(() => files('spool').length === 0, 'the spool is empty');
  });

  it('is shipped by a forwarder that goes on, and by --once', async () => {
    await followUnread(all);
    unlinkSync(path());
    await spooled(/it is in the spool/);
    back();
    await arrived(all);
    await until(() => files('spool').length === 0, 'the spool is empty');
    assert.deepEqual(peer.lost.size, 0);
    await following?.stop();
    node.reset();
    await spool(all);
    const { incomplete, leftBytes } = await node.run([]);
    assert.deepEqual([incomplete, leftBytes, files('spool')], [[], 0, []]);
    await arrived(all);
  });

  it('takes a file that no pattern covers any more, and none that is looked for where it is', async () => {
    await followUnread(all);
    renameSync(path(), node.file('flows.log.1'));
    writeFileSync(path(), textOf(lines('b', 50)));
    await spooled(/flows\.log: it was deleted or moved away; up to offset 30000/);
    await sleep(300);
    assert.equal(files('spool').length, 1);
    await following?.stop();
    unlinkSync(node.file('flows.log.1'));
    back();
    following = node.follow([path()]);
    await arrived([...all, ...lines('b', 50)]);
    assert.deepEqual(node.errors, []);
  });

  it('takes what a writer adds to a file that is deleted already', async () => {
    await followUnread(all.slice(0, 100));
    renameSync(path(), node.file('flows.log.1'));
    await spooled(/up to offset 10000 it is in the spool/);
    appendFileSync(node.file('flows.log.1'), textOf(all.slice(100)));
    await spooled(/up to offset 30000 it is in the spool/);
    await following?.stop();
    unlinkSync(node.file('flows.log.1'));
    back();
    await node.run([]);
    await arrived(all);
  });

  it('takes what is left when the forwarder is asked to end at once', async () => {
    await followUnread(all);
    renameSync(path(), node.file('flows.log.1'));
    await following?.stop();
    unlinkSync(node.file('flows.log.1'));
    back();
    await node.run([]);
    await arrived(all);
  });

  it('takes a file while the manager takes long to answer', async () => {
    writeFileSync(path(), textOf(all.slice(0, 10)));
    following = node.follow([path()]);
    await arrived(all.slice(0, 10));
    peer.delay = 8_000;
    appendFileSync(path(), textOf(all.slice(10)));
    await sleep(300);
    unlinkSync(path());
    await spooled(/no answer for 5 s; it is held back/);
    await spooled(/up to offset 30000 it is in the spool/);
  });

  it('takes what a run leaves of a file that was rotated away', async () => {
    writeFileSync(path(), textOf(all.slice(0, 10)));
    await node.run([path()]);
    appendFileSync(path(), textOf(all.slice(10)));
    renameSync(path(), node.file('flows.log.1'));
    writeFileSync(path(), textOf(lines('b', 10)));
    away();
    const { incomplete } = await node.run([path()]);
    assert.equal(incomplete.length, 2, incomplete.join());
    unlinkSync(node.file('flows.log.1'));
    back();
    assert.deepEqual((await node.run([path()])).incomplete, []);
    await arrived([...all, ...lines('b', 10)]);
  });

  it('is not shipped again from a file whose position was not saved before a crash', async () => {
    await followUnread(all);
    renameSync(path(), node.file('flows.log.1'));
    await spooled(/up to offset 30000/);
    await following?.stop();
    back();
    const checkpoint = node.file('state/checkpoint.json');
    const saved = JSON.parse(readFileSync(checkpoint, 'utf8')) as { positions: { offset: number; tail: string }[] };
    assert.equal(saved.positions[0]?.offset, 30_000);
    // As it was when the first ten lines were acknowledged.
    const tail = tailHash(Buffer.from(textOf(all.slice(0, 10)).slice(-1024)));
    writeFileSync(checkpoint, JSON.stringify({ ...saved, positions: [{ ...saved.positions[0], offset: 1000, tail }] }));
    peer.uploads = [];
    await node.run([path()]);
    await arrived(all);
    assert.equal(peer.sent, all.length - 10);
  });

  it('keeps a file that is held back, and none of the others', async () => {
    await followUnread(all);
    unlinkSync(path());
    await spooled(/up to offset 30000/);
    const other = lines('other', 50);
    writeFileSync(path(), textOf(other));
    await until(() => peer.uploads.some((upload) => upload.lines.includes(other[0] ?? '')), 'it is tried');
    renameSync(path(), node.file('gone.log'));
    await spooled(/up to offset 5000 it is in the spool/);
    unlinkSync(node.file('gone.log'));
    peer.instead = (upload) => (upload.lines.some((line) => all.includes(line)) ? UNAVAILABLE : undefined);
    await until(() => other.every((line) => peer.lines.includes(line)), 'the other file');
    peer.instead = (upload) => (upload.lines.some((line) => line === all[250]) ? UNAVAILABLE : undefined);
    await until(() => peer.lines.includes(all[249] ?? ''), 'what comes before the record that cannot be stored');
    assert.equal(peer.lines.length, 250 + other.length);
    back();
    await arrived([...all, ...other]);
  });
});

describe('a spool that is full', () => {
  const all = lines('a', 2_000);
  const size = 64 * 1024;

  it('blocks: the file is held open, and nothing is lost', async () => {
    await followUnread(all, { spoolSize: size });
    unlinkSync(path());
    await spooled(/takes no more: its 65536 bytes are taken; files that were deleted or moved away are held open/);
    await sleep(1_200);
    assert.equal(node.warnings.filter((text) => /takes no more/.test(text)).length, 1, 'said once');
    assert.equal(files('spool').length, 4);
    back();
    await arrived(all);
    assert.equal(peer.lost.size, 0);
    assert.deepEqual(node.errors, []);
  });

  it('is none at all with a size of 0', async () => {
    await followUnread(all, { spoolSize: 0 });
    unlinkSync(path());
    await sleep(1_200);
    assert.deepEqual(files('spool'), []);
    back();
    await arrived(all);
  });

  it('drops the oldest where that is asked for, and tells exactly what is missing', async () => {
    const metrics = new ForwardMetrics();
    await followUnread(all, { spoolSize: size, whenFull: 'drop-oldest', metrics });
    unlinkSync(path());
    await spooled(/up to offset 200000 it is in the spool/);
    const text = await metrics.registry.metrics();
    assert.match(text, /kubectl_mcm_forward_spool_segments [34]\n/);
    assert.match(text, /kubectl_mcm_forward_spool_bytes (49152|65536)\n/);
    assert.match(text, /kubectl_mcm_forward_spool_oldest_seconds 0?\.?\d+\n/);
    assert.match(text, /kubectl_mcm_forward_gaps [12]\n/);
    const dropped = Number(/lost_records_total\{type="flows",reason="SpoolFull"\} (\d+)/.exec(text)?.[1]);
    assert.ok(dropped > 1_000, `${dropped}`);
    await following?.stop();
    back();
    following = node.follow([path()]);
    await until(() => peer.lost.size > 0 && files('spool').length === 0, 'everything is shipped');
    assert.equal(peer.stored.size + dropped, all.length);
    assert.deepEqual(peer.lostRecords, { SpoolFull: dropped });
    for (const gap of peer.lost.values()) {
      const { from, to, count, bytes, ...told } = JSON.parse(gap);
      assert.deepEqual(told, { type: 'flows', path: path(), reason: 'SpoolFull' });
      assert.equal(bytes, count * 100);
      assert.ok(Date.parse(from) <= Date.parse(to) && Date.now() - Date.parse(from) < 20_000);
    }
    // What is left is the newest, and the segment that was on its way.
    assert.ok(peer.lines.includes(all.at(-1) ?? ''));
    assert.match(await metrics.registry.metrics(), /kubectl_mcm_forward_spool_segments \d/);
  });

  it('tells of a gap until it is acknowledged, under one id', async () => {
    let unheard = 0;
    peer.unheard = ({ path: to }) => to === '/api/v1/gaps/bulk' && unheard++ < 3;
    await followUnread(all, { spoolSize: size, whenFull: 'drop-oldest' });
    unlinkSync(path());
    await spooled(/up to offset 200000 it is in the spool/);
    back();
    const isEmpty = () => !readFileSync(node.file('state/gaps.json'), 'utf8').includes('SpoolFull');
    await until(() => isEmpty() && files('spool').length === 0, 'everything is shipped');
    assert.ok(unheard > 3);
    assert.equal(peer.stored.size + (peer.lostRecords.SpoolFull ?? 0), all.length);
  });

  for (const whenFull of ['block', 'drop-oldest'] as const) {
    it(`is what a full disk is: nothing is lost that is not counted, with ${whenFull}`, async () => {
      const state = node.file('small');
      mkdirSync(state);
      // A mebibyte is left free for what else has to be saved.
      const room = limitRoom(state, 2 ** 20 + 128 * 1024);
      try {
        await followUnread(all, { stateDirectory: state, spoolSize: 2 ** 18, whenFull });
        room.tighten();
        unlinkSync(path());
        await spooled(whenFull === 'block' ? /takes no more: / : /takes no more: |up to offset 200000 /);
        back();
        const counted = () => peer.lostRecords.SpoolFull ?? 0;
        await until(() => peer.stored.size + counted() >= all.length, 'everything arrives or is counted');
        await sleep(500);
        assert.equal(peer.stored.size + counted(), all.length);
        assert.deepEqual(files('spool', state), []);
        if (whenFull === 'block') assert.equal(counted(), 0);
      } finally {
        await following?.stop();
        room.release();
      }
    });
  }
});

/** Cuts a file somewhere or turns a bit in it; as often in its first bytes as in all of them. */
function damage(file: string, random: Random): string {
  const at = random.between(0, (random.chance(0.5) ? 1_000 : statSync(file).size) - 1);
  if (random.chance(0.5)) {
    truncateSync(file, at);
    return `cut at ${at}`;
  }
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.between(0, 7));
  writeFileSync(file, bytes);
  return `turned at ${at}`;
}

describe('a spool that is damaged', () => {
  it('ships what is whole and counts the rest, whichever byte is cut or flipped', async () => {
    const all = lines('a', 3_000);
    await spool(all, { spoolSize: 1024 * 1024 });
    const spare = node.file('spare');
    cpSync(node.file('state'), spare, { recursive: true });
    const random = new Random(20_261_123);
    let [lost, whole] = [0, 0];
    for (let round = 0; round < 60; round++) {
      const state = node.file(`state-${round}`);
      cpSync(spare, state, { recursive: true });
      const what = damage(join(state, 'spool', random.pick(files('spool', state))), random);
      peer.reset();
      const summary = await node.run([], { stateDirectory: state });
      assert.deepEqual(summary.incomplete, []);
      const counted = peer.lostRecords.SpoolDamaged ?? 0;
      assert.equal(peer.stored.size + counted, all.length - 10, `round ${round}: ${what}`);
      assert.ok(counted > 0);
      lost += counted;
      if (peer.stored.size > 0) whole++;
      assert.deepEqual([files('spool', state), files('quarantine', state).length], [[], 1]);
      const again = await node.run([], { stateDirectory: state });
      assert.deepEqual([again.types, peer.lost.size], [[], 1], 'and nothing is told twice');
    }
    assert.ok(lost > 0 && whole > 30, `${lost} ${whole}`);
  });

  it('lets the frames around a broken one through', async () => {
    const all = lines('a', 3_000);
    await spool(all);
    const [segment = ''] = files('spool');
    const file = join(node.file('state/spool'), segment);
    const bytes = readFileSync(file);
    bytes[150_000] = (bytes[150_000] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    following = node.follow([path()]);
    await until(() => peer.lost.size > 0, 'the gap is told');
    const [lost = 0] = Object.values(peer.lostRecords);
    assert.ok(lost < 700, `${lost}`);
    await until(() => files('spool').length === 0, 'the spool is empty');
    assert.equal(peer.stored.size + lost, all.length);
    assert.deepEqual(files('quarantine'), [segment]);
    assert.match(node.warnings.join('\n'), /records from offset \d+ on were damaged in the spool: they are lost/);
  });
});

describe('a file that is overwritten before it is shipped', () => {
  const all = lines('a', 100);

  it('is a gap of as many records as were seen, if there is no copy', async () => {
    await followUnread(all);
    await until(() => readFileSync(node.file('state/checkpoint.json'), 'utf8').includes('"records":90'), 'counted');
    writeFileSync(path(), textOf(lines('b', 5)));
    await until(() => node.errors.length > 0, 'it is said');
    back();
    await until(() => peer.lost.size > 0, 'it is told');
    await arrived([...all.slice(0, 10), ...lines('b', 5)]);
    assert.deepEqual(peer.lostRecords, { FileGone: 90 });
  });

  it('is none where the copy is found', async () => {
    await followUnread(all);
    copyFileSync(path(), node.file('flows.log.1'));
    writeFileSync(path(), textOf(lines('b', 5)));
    await sleep(500);
    back();
    await arrived([...all, ...lines('b', 5)]);
    assert.equal(peer.lost.size, 0);
  });

  it('is known after a restart, also where nobody has counted', async () => {
    await followUnread(all);
    await until(() => readFileSync(node.file('state/checkpoint.json'), 'utf8').includes('"records":90'), 'counted');
    await following?.stop();
    unlinkSync(path());
    back();
    const { incomplete } = await node.run([path()]);
    assert.match(incomplete.join(), /9000 bytes of it were not shipped/);
    assert.deepEqual(peer.lostRecords, { FileGone: 90 });
    await node.run([path()]);
    assert.equal(peer.lost.size, 1, 'told once');
  });
});
