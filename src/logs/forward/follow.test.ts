import assert from 'node:assert/strict';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Following, lines, Node, type Peer, textOf, UNAVAILABLE } from '../../../fixtures/ingest-peer.ts';
import { dns } from '../types/dns.ts';
import { flows } from '../types/flows.ts';
import { ForwardMetrics } from './forward-metrics.ts';

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

/** Waits until the peer has exactly these lines, and returns for how long. */
async function arrived(expected: readonly string[], timeout = 8_000): Promise<number> {
  const started = performance.now();
  const sorted = [...expected].sort();
  while (peer.lines.length < sorted.length) {
    if (performance.now() - started > timeout) break;
    await sleep(10);
  }
  assert.deepEqual(peer.lines, sorted);
  return performance.now() - started;
}

function offsetOf(file: string): number | undefined {
  const text = readFileSync(node.file('state/checkpoint.json'), 'utf8');
  const { positions } = JSON.parse(text) as { positions: { path: string; offset: number }[] };
  return positions.find((position) => position.path === file)?.offset;
}

describe('a file that is followed', () => {
  it('has its new lines shipped within a second, and remembered', async () => {
    const all = lines('a', 40);
    writeFileSync(path(), textOf(all.slice(0, 10)));
    following = node.follow([path()]);
    await arrived(all.slice(0, 10));
    const took: number[] = [];
    for (const end of [11, 12, 13, 20, 40]) {
      const from = peer.lines.length;
      await sleep(150);
      appendFileSync(path(), textOf(all.slice(from, end)));
      took.push(await arrived(all.slice(0, end)));
    }
    const [, , middle = Number.NaN] = took.sort((a, b) => a - b);
    assert.ok(middle < 900, `${took.join(', ')} ms`);
    assert.equal(peer.sent, 40, 'nothing was sent again');
    await following.stop();
    assert.equal(offsetOf(path()), 4000);
  });

  it('has a line shipped when it has its end', async () => {
    writeFileSync(path(), textOf(lines('a', 1)));
    following = node.follow([path()]);
    await arrived(lines('a', 1));
    const [, second = ''] = lines('a', 2);
    appendFileSync(path(), second.slice(0, 50));
    await sleep(400);
    assert.equal(peer.uploads.length, 1);
    appendFileSync(path(), `${second.slice(50)}\n`);
    await arrived(lines('a', 2));
  });

  it('may come late, in a directory that comes late, or be empty at first', async () => {
    const late = node.file('late/flows.log');
    const empty = node.file('empty.log');
    writeFileSync(empty, '');
    following = node.follow([node.file('*/flows.log'), empty, node.file('never.log')]);
    await sleep(300);
    mkdirSync(dirname(late));
    writeFileSync(late, textOf(lines('late', 3)));
    appendFileSync(empty, textOf(lines('empty', 3)));
    await arrived([...lines('late', 3), ...lines('empty', 3)]);
  });

  it('may be a symbolic link, also one that is moved on', async () => {
    const [a, b] = [node.file('a'), node.file('b')];
    writeFileSync(a, textOf(lines('a', 3)));
    symlinkSync(a, path());
    following = node.follow([path()]);
    await arrived(lines('a', 3));
    writeFileSync(b, textOf(lines('b', 3)));
    unlinkSync(path());
    symlinkSync(b, path());
    appendFileSync(a, textOf(lines('more', 3)));
    await arrived([...lines('a', 3), ...lines('b', 3), ...lines('more', 3)]);
  });

  it('is read anew when it has shrunk', async () => {
    writeFileSync(path(), textOf(lines('a', 30)));
    following = node.follow([path()]);
    await arrived(lines('a', 30));
    truncateSync(path(), 2000);
    appendFileSync(path(), textOf(lines('b', 2)));
    await arrived([...lines('a', 30), ...lines('b', 2)]);
  });
});

describe('rotation while a file is followed', () => {
  const [old, tail, fresh] = [lines('old', 30), lines('tail', 20), lines('fresh', 10)];

  for (const pattern of ['', '*']) {
    it(`by renaming, with "flows.log${pattern}", loses nothing of a writer that goes on`, async () => {
      writeFileSync(path(), textOf(old));
      following = node.follow([`${path()}${pattern}`]);
      await arrived(old);
      appendFileSync(path(), textOf(tail.slice(0, 5)));
      renameSync(path(), `${path()}.1`);
      writeFileSync(path(), textOf(fresh));
      await sleep(300);
      appendFileSync(`${path()}.1`, textOf(tail.slice(5)));
      await arrived([...old, ...tail, ...fresh]);
      assert.equal(peer.sent, old.length + tail.length + fresh.length);
      // Longer than it takes until the old file is let go.
      await sleep(1_500);
      await following.stop();
      assert.deepEqual([node.errors, node.warnings], [[], []]);
      assert.equal(offsetOf(`${path()}.1`), 5000, 'known where it is now');
      unlinkSync(`${path()}.1`);
      assert.deepEqual([(await node.run([`${path()}${pattern}`])).incomplete, node.warnings], [[], []]);
    });

    it(`by copying and truncating, with "flows.log${pattern}", ships the rest from the copy`, async () => {
      writeFileSync(path(), textOf(old));
      following = node.follow([`${path()}${pattern}`]);
      await arrived(old);
      peer.instead = () => UNAVAILABLE;
      appendFileSync(path(), textOf(tail));
      await sleep(300);
      peer.instead = () => undefined;
      copyFileSync(path(), `${path()}.1`);
      writeFileSync(path(), textOf(fresh));
      await arrived([...old, ...tail, ...fresh]);
      assert.deepEqual(node.errors, []);
    });
  }

  it('is all the same when the rotated file is deleted at once: it is held until it is shipped', async () => {
    writeFileSync(path(), textOf(old));
    following = node.follow([path()]);
    await arrived(old);
    peer.instead = () => UNAVAILABLE;
    appendFileSync(path(), textOf(tail));
    await sleep(300);
    unlinkSync(path());
    writeFileSync(path(), textOf(fresh));
    await sleep(1_500);
    peer.instead = () => undefined;
    await arrived([...old, ...tail, ...fresh]);
    assert.deepEqual(node.errors, []);
  });

  it('and with its inode used again, by a file of another first line or of the same', async () => {
    writeFileSync(path(), textOf(old));
    following = node.follow([path()]);
    await arrived(old);
    for (const [round, first] of [lines('x', 1), old.slice(0, 1)].entries()) {
      const next = [...first, ...lines(`round${round}`, 50)];
      writeFileSync(path(), textOf(next));
      await arrived([...new Set([...peer.lines.filter((line) => !next.includes(line)), ...next])]);
    }
    assert.deepEqual(node.errors, []);
  });
});

describe('a clock that is set back by a day', () => {
  it('keeps no file waiting, and lets go of one that was rotated away', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const [old, more] = [lines('old', 30), lines('more', 10)];
    writeFileSync(path(), textOf(old));
    const metrics = new ForwardMetrics();
    following = node.follow([`${path()}*`], { metrics });
    await arrived(old);
    // Begins alike, so it may be a copy that is being made.
    writeFileSync(node.file('flows.log.2'), textOf([...old.slice(0, 1), ...more]));
    unlinkSync(path());
    await sleep(500);
    t.mock.timers.setTime(Date.now() - 86_400_000);
    await arrived([...old, ...more]);
    // One for each file: the one that is gone is not held any more.
    const open = async () =>
      /kubectl_mcm_forward_open_files\{type="flows"\} (\d)/.exec(await metrics.registry.metrics())?.[1];
    for (let waited = 0; (await open()) !== '1' && waited < 100; waited++) await sleep(50);
    assert.equal(await open(), '1');
  });
});

describe('a manager that is away', () => {
  it('gets everything once, in order, as soon as it is back', async () => {
    const all = lines('a', 200);
    writeFileSync(path(), textOf(all.slice(0, 100)));
    peer.instead = () => UNAVAILABLE;
    following = node.follow([path()]);
    await sleep(500);
    appendFileSync(path(), textOf(all.slice(100)));
    assert.equal(peer.stored.size, 0);
    peer.instead = () => undefined;
    await arrived(all);
    // It is said when the acknowledgement has come, which is a moment after the lines are stored.
    while (node.warnings.length < 2) await sleep(10);
    await following.stop();
    assert.deepEqual(
      node.warnings.map((text) => /it is held back|is shipped again$/.exec(text)?.[0]),
      ['it is held back', 'is shipped again'],
    );
    assert.match(node.warnings[0] ?? '', /the shards are all taken/);
  });

  it('is not left alone for longer and longer while every now and then it takes something', async () => {
    const all = lines('a', 1_000);
    writeFileSync(path(), textOf(all));
    peer.instead = () => (peer.uploads.length % 4 === 0 ? UNAVAILABLE : undefined);
    following = node.follow([path()]);
    await arrived(all, 60_000);
  });

  it('is left alone for as long as it asks', async () => {
    writeFileSync(path(), textOf(lines('a', 5)));
    peer.instead = () => ({ ...UNAVAILABLE, headers: { 'retry-after': '2' } });
    following = node.follow([path()]);
    await sleep(1_500);
    assert.equal(peer.uploads.length, 1);
    peer.instead = () => undefined;
    await arrived(lines('a', 5));
    assert.equal(peer.uploads.length, 2);
  });

  it('holds back one file only, up to the record that it cannot take', async () => {
    const bad = lines('bad', 20);
    const held = node.file('dns.log');
    writeFileSync(held, textOf(bad));
    writeFileSync(path(), textOf(lines('a', 30)));
    const isBad = (line: string) => line === bad[17];
    peer.instead = (upload) => (upload.lines.some(isBad) ? UNAVAILABLE : undefined);
    const metrics = new ForwardMetrics();
    following = node.follow(
      [
        { type: dns, path: held },
        { type: flows, path: path() },
      ],
      { metrics },
    );
    await arrived([...lines('a', 30), ...bad.slice(0, 17)]);
    appendFileSync(path(), textOf(lines('b', 30)));
    await arrived([...lines('a', 30), ...lines('b', 30), ...bad.slice(0, 17)]);
    await sleep(300);
    assert.deepEqual(
      metrics.stalled(0.2).map(({ path: file }) => file),
      [held],
    );
    const text = await metrics.registry.metrics();
    assert.match(text, /kubectl_mcm_forward_lag_bytes\{type="dns",file="\S+dns\.log"\} 300\n/);
    assert.match(text, /kubectl_mcm_forward_lag_bytes\{type="flows",file="\S+flows\.log"\} 0\n/);
    assert.match(text, /kubectl_mcm_forward_open_files\{type="dns"\} 1\n/);
    assert.match(text, /kubectl_mcm_forward_records_total\{type="dns",verdict="stored"\} 17\n/);
    peer.instead = () => undefined;
    await arrived([...lines('a', 30), ...lines('b', 30), ...bad]);
  });

  it('that refuses this forwarder is asked again', async () => {
    writeFileSync(path(), textOf(lines('a', 5)));
    peer.instead = () => ({ code: 403, body: '{"error":"the certificate was revoked"}' });
    following = node.follow([path()]);
    await sleep(300);
    assert.match(node.warnings.join(), /refused this forwarder: the certificate was revoked; it is held back/);
    peer.instead = () => undefined;
    await arrived(lines('a', 5));
  });
});

describe('a forwarder that is asked to end', () => {
  it('does so at once where nothing is under way, and goes on where it was', async () => {
    writeFileSync(path(), textOf(lines('a', 50)));
    following = node.follow([path()]);
    await arrived(lines('a', 50));
    const started = performance.now();
    await following.stop();
    assert.ok(performance.now() - started < 2_500, 'it does not wait until it gives up');
    appendFileSync(path(), textOf(lines('b', 5)));
    peer.uploads = [];
    following = node.follow([path()]);
    await arrived([...lines('a', 50), ...lines('b', 5)]);
    assert.equal(peer.sent, 5);
  });

  it('reads no more, and takes the acknowledgements of what is under way', async () => {
    writeFileSync(path(), textOf(lines('a', 500)));
    peer.delay = 300;
    following = node.follow([path()]);
    while (peer.uploads.length === 0) await sleep(10);
    await following.stop();
    assert.ok(peer.stored.size > 0 && peer.stored.size <= 50, `${peer.stored.size}`);
    assert.equal(offsetOf(path()), peer.stored.size * 100);
  });
});
