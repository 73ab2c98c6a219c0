import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../../fixtures/random.ts';
import { flows } from '../types/flows.ts';
import type { Lane } from './lane.ts';
import type { Damage } from './quarantine.ts';
import { Spool } from './spool.ts';

const MIB = 1024 * 1024;
const CLUSTERS = ['a', 'b', 'c'];

describe('Spool', () => {
  let directory: string;
  let damages: Damage[];
  let spool: Spool;

  const open = async (size = 64 * MIB) => {
    damages = [];
    spool = await Spool.open({ directory, size, onDamage: (damage) => damages.push(damage) });
  };
  const lane = (cluster: string): Lane => ({ cluster, type: flows, day: '20261122' });
  const append = async (cluster: string, body: string | Buffer) => {
    const source = { cluster, host: 'node-1', position: undefined };
    await spool.append(lane(cluster), source, 1, [Buffer.from(body)]);
  };
  const segments = () =>
    readdirSync(directory)
      .filter((name) => name.endsWith('.frames'))
      .sort();
  const bytesOnDisk = () => segments().reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
  /** Takes what is there out of the spool, in order; at most so many frames. */
  const drain = async (cluster: string, most = Number.POSITIVE_INFINITY): Promise<string[]> => {
    const bodies: string[] = [];
    for (let backlog = spool.backlogOf(lane(cluster)); backlog?.oldest !== undefined && bodies.length < most; ) {
      const batch = await spool.read(backlog.oldest);
      if (batch === undefined) await spool.giveUp(backlog);
      else {
        bodies.push(batch.body.toString());
        await spool.done(backlog, batch.head);
      }
    }
    return bodies;
  };

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'spool-'));
    await open();
  });
  afterEach(async () => {
    await spool.close();
    rmSync(directory, { recursive: true });
  });

  it('refuses what a newer version has written, and leaves it as it is', async () => {
    await append('a', 'batch');
    await spool.close();
    writeFileSync(join(directory, 'format'), '2\n');
    await assert.rejects(
      open(),
      /^UserError: error: the spool in .* is of format 2, and this version of kubectl-mcm knows 1$/,
    );
    writeFileSync(join(directory, 'format'), '1\n');
    await open();
    assert.deepEqual(await drain('a'), ['batch']);
  });

  it('gives back what it has taken, lane by lane in order, also to the next one', async () => {
    for (let n = 0; n < 100; n++) await append(n % 3 === 0 ? 'a' : 'b', `batch ${n}`);
    assert.deepEqual(await drain('a', 2), ['batch 0', 'batch 3']);
    await spool.close();
    await open();
    const rest = (await drain('a')).concat(await drain('b'));
    const wanted = [...Array(100).keys()].filter((n) => n !== 0 && n !== 3);
    const byLane = [...wanted.filter((n) => n % 3 === 0), ...wanted.filter((n) => n % 3 !== 0)];
    assert.deepEqual(
      rest,
      byLane.map((n) => `batch ${n}`),
    );
    assert.deepEqual([damages, segments(), [...spool.backlogs]], [[], [], []]);
  });

  it('repeats what it has lost the notes of, and loses nothing for notes that are garbled', async () => {
    for (let n = 0; n < 10; n++) await append('a', `batch ${n}`);
    await drain('a', 5);
    await spool.close();
    const notes = join(directory, `${segments()[0]}.done`);
    const bytes = readFileSync(notes);
    assert.equal(bytes.length, 5 * 12);
    const all = [...Array(10).keys()].map((n) => `batch ${n}`);
    for (const garbled of [Buffer.alloc(0), Buffer.alloc(600), Buffer.alloc(600, 0xff), bytes.subarray(1)]) {
      writeFileSync(notes, garbled);
      await open();
      assert.deepEqual([...(spool.backlogOf(lane('a'))?.first() ?? [])].length, all.length);
      await spool.close();
    }
    writeFileSync(notes, bytes.subarray(0, 30));
    await open();
    assert.deepEqual(await drain('a'), all.slice(2));
  });

  it('writes what comes at the same time together', async () => {
    await Promise.all([...Array(1000).keys()].map((n) => append(`c${n}`, `batch ${n}`)));
    assert.equal(segments().length, 1);
    assert.equal([...spool.backlogs].length, 1000);
    assert.deepEqual(await drain('c999'), ['batch 999']);
  });

  it('says at once when it is full, and keeps room for clusters that come new', async () => {
    await open(16 * MIB);
    const body = Buffer.alloc(256 * 1024, 'x');
    const fill = async (cluster: string) => {
      for (let taken = 0; ; taken += body.length) {
        try {
          await append(cluster, body);
        } catch (error) {
          assert.match(
            String(error),
            /^StoreUnavailable: (the spool is full|this cluster's share of the spool is full)$/,
          );
          return taken / MIB;
        }
      }
    };
    const taken = [await fill('a'), await fill('b'), await fill('c')];
    assert.deepEqual(taken.map(Math.floor), [6, 3, 1]);
    assert.ok(bytesOnDisk() < 16 * MIB);
    const small = Buffer.alloc(8000, 'x');
    for (let n = 0; n < 50; n++) await append(`new-${n}`, small);
    // What was sent makes room again.
    assert.equal((await drain('a')).length, (taken[0] as number) * 4);
    assert.ok((await fill('b')) > 1);
  });

  it('does not keep whole segments for what is left in them', async () => {
    await open(16 * MIB);
    const body = Buffer.alloc(200 * 1024, 'x');
    for (let n = 0; n < 30; n++) {
      await append('busy', body);
      await append('held-back', `batch ${n}`);
    }
    await drain('busy');
    assert.ok(segments().length > 5);
    for (let n = 0; n < 200; n++) await append('other', body).catch(() => undefined);
    await drain('other');
    // What is left is moved meanwhile.
    for (const deadline = Date.now() + 10_000; segments().length > 2 && Date.now() < deadline; ) await sleep(10);
    assert.ok(segments().length <= 2, segments().join());
    await spool.close();
    await open(16 * MIB);
    assert.deepEqual(
      await drain('held-back'),
      [...Array(30).keys()].map((n) => `batch ${n}`),
    );
    assert.deepEqual([damages, segments()], [[], []]);
  });

  it('gives back every frame that is whole, wherever files were cut or bytes changed', async () => {
    const random = new Random(20_261_123);
    for (let round = 0; round < 60; round++) {
      await spool.close();
      rmSync(directory, { recursive: true });
      await open(16 * MIB);
      const bodies = Array.from({ length: 20 }, (_, n) =>
        `<${n}>`.padEnd(random.chance(0.2) ? random.between(10, 300_000) : random.between(10, 500), 'x'),
      );
      for (const [n, body] of bodies.entries()) await append(CLUSTERS[n % 3] as string, body);
      await spool.close();
      const lastName = segments().at(-1);
      const name = random.pick(segments());
      const before = readFileSync(join(directory, name));
      const at = random.between(0, before.length - 1);
      const cut = random.chance(0.4);
      if (cut) truncateSync(join(directory, name), at);
      else {
        const changed = Buffer.from(before);
        changed[at] = (changed[at] as number) ^ (1 << random.between(0, 7));
        writeFileSync(join(directory, name), changed);
      }
      const what = `round ${round}: ${name} ${cut ? 'cut' : 'changed'} at ${at}`;
      const ends = bodies.map((body) => (before.includes(body) ? before.indexOf(body) + body.length : -1));
      const lost = ends.findIndex((end) => end > at);
      const isLost = (n: number) => (cut ? n >= lost && (ends[n] as number) > at : n === lost);
      const whole = [...bodies.keys()].filter((n) => !isLost(n));

      await open(16 * MIB);
      const got: number[] = [];
      for (const cluster of CLUSTERS) {
        const numbers = (await drain(cluster)).map((body) => Number(/^<(\d+)>x+$/.exec(body)?.[1]));
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
          what,
        );
        got.push(...numbers);
      }
      assert.deepEqual(
        got.sort((a, b) => a - b),
        whole,
        what,
      );
      // What was cut off at the very end was being written when the process ended: nobody was told that it is there.
      const wasBeingWritten = cut && name === lastName;
      assert.equal(damages.length > 0, !wasBeingWritten && !(cut && whole.length === bodies.length), what);
      assert.equal(readdirSync(join(directory, 'quarantine')).length, damages.length, what);
      assert.deepEqual(segments(), [], what);
    }
  });

  it('takes nothing that a sender wrote for a frame', async () => {
    await append('a', 'first');
    const path = join(directory, segments()[0] as string);
    const frame = readFileSync(path);
    await spool.close();
    // Another segment, and so another marker: what a sender could know at most.
    rmSync(path);
    await open();
    await append('b', Buffer.concat([Buffer.from('xxx'), frame]));
    await spool.close();
    const [name = ''] = segments();
    const bytes = readFileSync(join(directory, name));
    bytes[9] = 0xff;
    writeFileSync(join(directory, name), bytes);
    await open();
    assert.deepEqual([await drain('a'), await drain('b')], [[], []]);
    assert.deepEqual(
      damages.map(({ bytes: count }) => count),
      [bytes.length],
    );
  });
});
