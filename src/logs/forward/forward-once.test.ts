import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { after, before, beforeEach, describe, it } from 'node:test';
import { lines, Node, type Peer, textOf, UNAVAILABLE } from '../../../fixtures/ingest-peer.ts';
import { dns } from '../types/dns.ts';
import { COMPRESSIONS } from './compression.ts';

let node: Node;
let peer: Peer;

before(async () => {
  node = await Node.start();
  peer = node.peer;
});
after(() => node.stop());
beforeEach(() => node.reset());

describe('an upload', () => {
  for (const compression of [undefined, ...COMPRESSIONS]) {
    it(`is compressed as it is said: ${compression}`, async () => {
      writeFileSync(node.file('flows.log'), textOf(lines('a', 10)));
      await node.run([node.file('flows.log')], compression === undefined ? {} : { compression });
      assert.deepEqual(
        peer.uploads.map(({ encoding, lines: { length } }) => [encoding, length]),
        [[compression ?? 'gzip', 10]],
      );
    });
  }
});

describe('what the manager answers', () => {
  for (const [what, body] of [
    ['fewer records than were sent', '{"accepted":9,"known":0,"setAside":0,"reasons":[]}'],
    ['more records than were sent', '{"accepted":11,"known":0,"setAside":0,"reasons":[]}'],
    ['no counts', '{}'],
    ['null', 'null'],
    ['no JSON', 'fine'],
    ['no list of reasons', '{"accepted":10,"known":0,"setAside":0,"reasons":7}'],
  ] as const) {
    it(`acknowledges nothing when it counts ${what}`, async () => {
      writeFileSync(node.file('flows.log'), textOf(lines('a', 10)));
      peer.instead = () => ({ code: 200, body });
      const summary = await node.run([node.file('flows.log')]);
      assert.match(summary.incomplete.join(), /flows\.log: the manager('s answer| acknowledged).*; the rest is left/);
      assert.deepEqual([summary.types[0]?.shipped, summary.types[0]?.leftBytes], [0, 1000]);
      peer.instead = () => undefined;
      assert.equal((await node.run([node.file('flows.log')])).types[0]?.shipped, 10, 'the next run sends it again');
    });
  }

  for (const retryAfter of [new Date(Date.now() + 1000).toUTCString(), '1', 'soon', '-5', '']) {
    it(`is not waited for for ever after "Retry-After: ${retryAfter.slice(0, 4)}"`, { timeout: 20_000 }, async () => {
      writeFileSync(node.file('flows.log'), textOf(lines('a', 1)));
      peer.instead = () => ({ ...UNAVAILABLE, headers: { 'retry-after': retryAfter } });
      const { incomplete } = await node.run([node.file('flows.log')]);
      assert.match(incomplete.join(), /cannot take records now: the shards are all taken; the rest is left/);
      assert.ok(peer.uploads.length < 20, `${peer.uploads.length} attempts`);
    });
  }
});

describe('a file that is held back', () => {
  it('does not keep the others, and is named', async () => {
    writeFileSync(node.file('held.log'), textOf(lines('held', 50)));
    writeFileSync(node.file('first.log'), textOf(lines('first', 50)));
    writeFileSync(node.file('last.log'), textOf(lines('last', 50)));
    peer.instead = ({ path }) => (path.includes('dns') ? UNAVAILABLE : undefined);
    const held = { type: dns, path: node.file('held.log') };
    const { incomplete, types } = await node.run([node.file('first.log'), held, node.file('last.log')]);
    assert.deepEqual(incomplete, [
      `${node.file('held.log')}: the manager at ${peer.address} cannot take records now: the shards are all taken; the rest is left for the next run`,
    ]);
    assert.deepEqual(
      types.map(({ type, shipped, leftBytes }) => [type.label, shipped, leftBytes]),
      [
        ['flow', 100, 0],
        ['dns', 0, 5000],
      ],
    );
  });

  it('for its type by the manager does not keep those of others, and is not sent again in parts', async () => {
    writeFileSync(node.file('held.log'), textOf(lines('held', 50)));
    writeFileSync(node.file('last.log'), textOf(lines('last', 50)));
    peer.instead = ({ path }) => (path.includes('dns') ? { code: 404, body: '{"error":"no such path"}' } : undefined);
    const { incomplete, types } = await node.run([{ type: dns, path: node.file('held.log') }, node.file('last.log')]);
    assert.match(
      incomplete.join(),
      /held\.log: the manager at .* does not take dns logs: no such path; the rest is left/,
    );
    assert.deepEqual(
      types.map(({ type, shipped, leftBytes }) => [type.label, shipped, leftBytes]),
      [
        ['dns', 0, 5000],
        ['flow', 50, 0],
      ],
    );
    // Those that were under way at once, each only once.
    const sent = peer.uploads.filter(({ path }) => path.includes('dns')).flatMap((upload) => upload.lines);
    assert.equal(new Set(sent).size, sent.length);
  });

  it('is sent in halves when something on the way takes no requests as long', async () => {
    const all = lines('a', 50);
    writeFileSync(node.file('flows.log'), textOf(all));
    peer.instead = (upload) => (upload.lines.length > 3 ? { code: 413, body: 'too large' } : undefined);
    const { incomplete, types } = await node.run([node.file('flows.log')]);
    assert.deepEqual([incomplete, types[0]?.shipped], [[], 50]);
    assert.deepEqual(peer.lines, [...all].sort());
  });

  it('is acknowledged up to the first record that cannot be stored, and not behind it', async () => {
    const all = lines('a', 50);
    writeFileSync(node.file('flows.log'), textOf(all));
    const isBad = (line: string) => line === all[33];
    peer.instead = (upload) => (upload.lines.some(isBad) ? UNAVAILABLE : undefined);
    const { types } = await node.run([node.file('flows.log')]);
    assert.deepEqual([types[0]?.shipped, types[0]?.leftBytes], [33, 1700]);
    peer.instead = () => undefined;
    peer.uploads = [];
    assert.equal((await node.run([node.file('flows.log')])).types[0]?.shipped, 17);
    const sent = peer.uploads.flatMap((upload) => upload.lines);
    assert.deepEqual(sent.toSorted(), all.slice(33).toSorted(), 'goes on with exactly that one');
    assert.deepEqual(peer.lines, [...all].sort());
  });

  it('goes on where smaller uploads are taken', async () => {
    writeFileSync(node.file('flows.log'), textOf(lines('a', 30)));
    peer.instead = (upload) => (upload.lines.length > 4 ? UNAVAILABLE : undefined);
    const { incomplete, types } = await node.run([node.file('flows.log')]);
    assert.deepEqual([incomplete, types[0]?.shipped], [[], 30]);
  });
});

describe('files with the same first line', () => {
  for (const [what, header] of [
    ['a blank line', ''],
    ['a header', '# flows of this node'],
  ] as const) {
    it(`are all shipped when it is ${what}`, async () => {
      const [a, b, c] = ['a', 'b', 'c'].map((name) => [header, ...lines(name, 30)]) as [string[], string[], string[]];
      writeFileSync(node.file('a.log'), textOf(a));
      writeFileSync(node.file('b.log'), textOf(b));
      await node.run([node.file('a.log'), node.file('b.log')]);
      writeFileSync(node.file('c.log'), textOf(c));
      await node.run([node.file('c.log')]);
      const records = [...a, ...b, ...c].filter((line) => line !== header);
      assert.deepEqual(peer.lines, [...records, ...(header === '' ? [] : [header])].sort());
      const warned = node.warnings.filter((text) =>
        /b\.log and \S+a\.log have the same first line: both are shipped/.test(text),
      );
      assert.equal(warned.length, header === '' ? 0 : 1);
      peer.uploads = [];
      await node.run([node.file('a.log'), node.file('b.log'), node.file('c.log')]);
      assert.equal(peer.sent, 0, 'each has a position of its own');
    });
  }

  it('are one file when they are the same one', async () => {
    writeFileSync(node.file('flows.log'), textOf(lines('a', 10)));
    await node.run([node.file('flows.log'), node.file('flows.log'), node.file('flows.*')]);
    assert.deepEqual([peer.sent, node.warnings], [10, []]);
  });

  it('are sent and stored once each when one is a copy of the other', async () => {
    writeFileSync(node.file('flows.log'), textOf(lines('a', 10)));
    await node.run([node.file('flows.log')]);
    copyFileSync(node.file('flows.log'), node.file('copy.log'));
    appendFileSync(node.file('copy.log'), textOf(lines('b', 3)));
    peer.uploads = [];
    await node.run([node.file('copy.log')]);
    assert.equal(peer.sent, 3, 'a copy goes on where the original was');
  });
});

describe('a file that is truncated while it is read', () => {
  for (const [what, change] of [
    ['emptied', (path: string) => truncateSync(path, 0)],
    ['emptied and written anew', (path: string) => writeFileSync(path, textOf(lines('new', 200)))],
    [
      'emptied and written anew behind the same first line',
      (path: string) => writeFileSync(path, textOf([...lines('a', 1), ...lines('new', 200)])),
    ],
  ] as const) {
    it(`is left at that when it is ${what}, and its copy goes on`, async () => {
      const path = node.file('flows.log');
      const [old, other] = [lines('a', 100), lines('b', 10)];
      writeFileSync(path, textOf(old));
      writeFileSync(node.file('other.log'), textOf(other));
      let done = false;
      peer.instead = () => {
        if (!done) {
          copyFileSync(path, `${path}.1`);
          change(path);
        }
        done = true;
        return undefined;
      };
      const { incomplete } = await node.run([path, node.file('other.log')]);
      assert.deepEqual(incomplete, [
        `${path}: it was truncated or overwritten while it was read; the rest is left for the next run`,
      ]);
      const before = peer.lines;
      assert.ok(before.length < 60, `${before.length} lines before it was noticed`);
      assert.deepEqual(
        before.filter((line) => !old.includes(line) && !other.includes(line)),
        [],
        'nothing of the new content under the key of the old',
      );
      const next = await node.run([path, node.file('other.log')]);
      assert.deepEqual(next.incomplete, []);
      const now = textOf(old) + readFileSync(path, 'latin1');
      const expected = new Set([...now.split('\n').slice(0, -1), ...other]);
      assert.deepEqual(peer.lines, [...expected].sort());
    });
  }
});

describe('the checkpoint', () => {
  const age = () => {
    const path = node.file('state/checkpoint.json');
    const old = new Date(Date.now() - 40 * 86_400_000).toISOString();
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"updated":"[^"]*"/g, `"updated":"${old}"`));
  };

  it('remembers a file for as long as it is there, however long nothing is written', async () => {
    writeFileSync(node.file('idle.log'), textOf(lines('idle', 10)));
    await node.run([node.file('idle.log')]);
    age();
    peer.uploads = [];
    for (let again = 0; again < 2; again++) await node.run([node.file('idle.log')]);
    assert.equal(peer.sent, 0);
    age();
    await node.run([]);
    await node.run([node.file('idle.log')]);
    assert.equal(peer.sent, 10, 'nobody has asked for it for a month');
  });

  it('is left alone by a run that finds another at work', async () => {
    writeFileSync(node.file('flows.log'), textOf(lines('a', 10)));
    let second: Promise<unknown> = Promise.resolve();
    const before = () => readFileSync(node.file('state/checkpoint.json'), 'utf8');
    peer.instead = () => {
      const text = before();
      second = assert
        .rejects(node.run([node.file('flows.log')]), /^UserError: error: another "kubectl mcm forward" is at work/)
        .then(() => assert.equal(before(), text));
      return undefined;
    };
    assert.deepEqual((await node.run([node.file('flows.log')])).incomplete, []);
    await second;
    assert.equal(peer.uploads.length, 1, 'nothing was sent by the second');
  });

  it('is saved with what was acknowledged when a run is interrupted', async () => {
    writeFileSync(node.file('flows.log'), textOf(lines('a', 50)));
    const stop = new AbortController();
    peer.instead = () => {
      if (peer.uploads.length >= 4) stop.abort();
      return undefined;
    };
    const { incomplete, types } = await node.run([node.file('flows.log')], { signal: stop.signal });
    assert.deepEqual(incomplete, ['interrupted; the rest is left for the next run']);
    const shipped = types[0]?.shipped ?? 0;
    assert.ok(shipped > 0 && shipped < 50, `${shipped}`);
    peer.instead = () => undefined;
    assert.equal((await node.run([node.file('flows.log')])).types[0]?.shipped, 50 - shipped);
  });
});
