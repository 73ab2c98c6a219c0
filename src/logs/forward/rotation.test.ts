import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, copyFileSync, existsSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { after, before, beforeEach, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { lines, Node, type Peer, textOf, UNAVAILABLE } from '../../../fixtures/ingest-peer.ts';
import { flows } from '../types/flows.ts';
import { Checkpoint, type Position } from './checkpoint.ts';
import { InputOpener } from './open-inputs.ts';
import { findRotated } from './rotation.ts';
import { ForwardSummary } from './summary.ts';

let node: Node;
let peer: Peer;

before(async () => {
  node = await Node.start();
  peer = node.peer;
});
after(() => node.stop());
beforeEach(() => node.reset());

describe('rotation between two runs', () => {
  const path = () => node.file('flows.log');
  const [old, tail, fresh] = [lines('old', 30), lines('tail', 20), lines('fresh', 10)];

  for (const [what, rotate] of [
    [
      'renamed',
      () => {
        renameSync(path(), `${path()}.1`);
        writeFileSync(path(), textOf(fresh));
      },
    ],
    [
      'renamed to another name, with nothing in its place yet',
      () => {
        renameSync(path(), node.file('archive-7'));
        writeFileSync(path(), '');
      },
    ],
    [
      'renamed as lumberjack does',
      () => {
        renameSync(path(), node.file('flows-2026-11-22T10-00-00.000.log'));
        writeFileSync(path(), textOf(fresh));
      },
    ],
    [
      'copied and truncated',
      () => {
        copyFileSync(path(), `${path()}.1`);
        writeFileSync(path(), textOf(fresh));
      },
    ],
    [
      'copied, and truncated to the same first line',
      () => {
        copyFileSync(path(), `${path()}.1`);
        writeFileSync(path(), textOf([...old.slice(0, 1), ...fresh]));
      },
    ],
  ] as const) {
    it(`loses nothing when the file was ${what}`, async () => {
      writeFileSync(path(), textOf(old));
      await node.run([path()]);
      appendFileSync(path(), textOf(tail));
      rotate();
      peer.uploads = [];
      const { incomplete, types } = await node.run([path()]);
      assert.deepEqual([incomplete, types[0]?.leftBytes], [[], 0]);
      // Two uploads are under way at once, and either may arrive first.
      const first = peer.uploads.slice(0, 2).flatMap((upload) => upload.lines);
      assert.deepEqual(first.sort(), tail.toSorted(), 'the rest of the old one first');
      const now = readFileSync(path(), 'latin1').split('\n').slice(0, -1);
      assert.deepEqual(peer.lines, [...new Set([...old, ...tail, ...now])].sort());
      peer.uploads = [];
      for (let again = 0; again < 2; again++) assert.deepEqual((await node.run([path()])).incomplete, []);
      assert.equal(peer.sent, 0);
    });
  }

  it('looks after a rotated file for as long as it is there', async () => {
    writeFileSync(path(), textOf(old));
    peer.instead = () => UNAVAILABLE;
    await node.run([path()]);
    renameSync(path(), `${path()}.1`);
    writeFileSync(path(), textOf(fresh));
    await node.run([path()]);
    renameSync(`${path()}.1`, `${path()}.2`);
    renameSync(path(), `${path()}.1`);
    peer.instead = () => undefined;
    assert.deepEqual((await node.run([path()])).unreadable, [`${path()}: no such file or directory`]);
    assert.deepEqual(peer.lines, [...old, ...fresh].sort());
    writeFileSync(path(), textOf(lines('third', 5)));
    appendFileSync(`${path()}.1`, textOf(tail));
    await node.run([path()]);
    assert.deepEqual(peer.lines, [...old, ...fresh, ...tail, ...lines('third', 5)].sort());
    for (const name of ['.1', '.2']) unlinkSync(`${path()}${name}`);
    node.warnings = [];
    assert.deepEqual([(await node.run([path()])).incomplete, node.warnings], [[], []]);
  });

  it('says what is lost when the old file is nowhere', async () => {
    writeFileSync(path(), textOf(old));
    peer.instead = () => UNAVAILABLE;
    await node.run([path()]);
    peer.instead = () => undefined;
    unlinkSync(path());
    writeFileSync(path(), textOf(fresh));
    const { incomplete, types } = await node.run([path()]);
    assert.equal(types[0]?.shipped, fresh.length);
    assert.equal(incomplete.length, 1);
    assert.match(
      incomplete[0] ?? '',
      /^the file that was at \S+\/flows\.log on \S+Z is not there any more, nor beside it under another name: 3000 bytes of it were not shipped$/,
    );
    assert.deepEqual([(await node.run([path()])).incomplete, node.warnings], [[], []], 'once');
    writeFileSync(path(), textOf(lines('another', 10)));
    assert.deepEqual((await node.run([path()])).incomplete, []);
    assert.match(node.warnings.join(), /: what was written to it after that, if anything, was not shipped$/);
  });

  it('does not take a file for gone that it may not read, or that another input is', async (t) => {
    writeFileSync(path(), textOf(old));
    await node.run([path()]);
    unlinkSync(path());
    // Root may read everything, so what is there instead is something that nobody can.
    execFileSync('mkfifo', [path()]);
    t.after(() => unlinkSync(path()));
    assert.match((await node.run([path()])).unreadable.join(), /is not a regular file/);
    assert.deepEqual(node.warnings, []);
    await node.run([node.file('else.log')]);
    assert.deepEqual(node.warnings, []);
  });

  it('needs no search where a pattern finds the rotated files', async () => {
    const pattern = `${path()}*`;
    writeFileSync(path(), textOf(old));
    await node.run([pattern]);
    for (const name of ['second', 'third']) {
      if (existsSync(`${path()}.1`)) renameSync(`${path()}.1`, `${path()}.2`);
      renameSync(path(), `${path()}.1`);
      writeFileSync(path(), textOf(lines(name, 10)));
    }
    appendFileSync(`${path()}.2`, textOf(tail));
    writeFileSync(`${path()}.3.gz`, 'not for reading\n');
    assert.deepEqual((await node.run([pattern])).incomplete, []);
    assert.deepEqual(peer.lines, [...old, ...tail, ...lines('second', 10), ...lines('third', 10)].sort());
    copyFileSync(`${path()}.2`, `${path()}.4`);
    unlinkSync(`${path()}.2`);
    await node.run([pattern]);
    for (const name of ['.1', '.4']) unlinkSync(`${path()}${name}`);
    peer.uploads = [];
    assert.deepEqual([(await node.run([pattern])).incomplete, node.warnings, peer.sent], [[], [], 0]);
  });

  it('ships the rest of a file that was compressed before it was shipped to its end', async () => {
    writeFileSync(path(), textOf(old));
    await node.run([path()]);
    writeFileSync(`${path()}.2.gz`, gzipSync(textOf(lines('another', 1000))));
    writeFileSync(`${path()}.1.gz`, gzipSync(textOf([...old, ...tail])));
    unlinkSync(path());
    writeFileSync(path(), textOf(fresh));
    peer.uploads = [];
    assert.deepEqual((await node.run([path()])).incomplete, []);
    assert.deepEqual(peer.lines, [...old, ...tail, ...fresh].sort());
    assert.equal(peer.sent, tail.length + fresh.length);
    unlinkSync(`${path()}.1.gz`);
    assert.deepEqual([(await node.run([path()])).incomplete, node.warnings], [[], []], 'it was done');
  });

  it('says what is lost when the compressed file is damaged', async () => {
    writeFileSync(path(), textOf(old));
    peer.instead = () => UNAVAILABLE;
    await node.run([path()]);
    peer.instead = () => undefined;
    writeFileSync(`${path()}.1.gz`, gzipSync(textOf(old)).subarray(0, -4));
    unlinkSync(path());
    writeFileSync(path(), textOf(fresh));
    assert.match((await node.run([path()])).incomplete.join(), /: 3000 bytes of it were not shipped$/);
  });
});

describe('a rotated file that is looked for', () => {
  it('is found while its name changes', async (t) => {
    const log = node.file('flows.log');
    writeFileSync(log, textOf(lines('old', 30)));
    await node.run([log]);
    const [position] = savedPositions();
    assert.ok(position !== undefined);
    for (let other = 0; other < 20; other++) writeFileSync(node.file(`flows-${other}.log`), textOf(lines('other', 5)));
    renameSync(log, node.file('flows-a'));
    const program = `
      const { renameSync } = require('node:fs');
      const [a, b] = ${JSON.stringify([node.file('flows-a'), node.file('flows-z')])};
      setInterval(() => { renameSync(a, b); setTimeout(() => renameSync(b, a), 3); }, 6);
      process.stdout.write('renaming');`;
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill());
    await once(child.stdout, 'data');
    let missed = 0;
    for (let look = 0; look < 100; look++) {
      const file = await findRotated(position);
      if (file === undefined) missed++;
      await file?.close();
    }
    assert.equal(missed, 0);
  });

  it('is in every checkpoint meanwhile', async () => {
    const log = node.file('flows.log');
    const [old, tail] = [lines('old', 30), lines('tail', 20)];
    writeFileSync(log, textOf(old));
    await node.run([log]);
    const [position] = savedPositions();
    assert.ok(position !== undefined);
    // Unpacking it takes a while.
    writeFileSync(`${log}.1.gz`, gzipSync(textOf([...old, ...tail, ...lines('more', 300_000)])));
    unlinkSync(log);
    writeFileSync(log, textOf(lines('fresh', 10)));
    const checkpoint = Checkpoint.load(node.file('state'), assert.fail);
    const { destination } = position;
    const events = { warning: assert.fail, detail: () => undefined };
    const opener = new InputOpener({ destination, checkpoint, events, copying: 0 });
    let isOpen = false;
    const opening = opener.open([{ type: flows, path: log, named: true }], new ForwardSummary()).then(() => {
      isOpen = true;
    });
    let saves = 0;
    do {
      await checkpoint.advance({ ...position, fileKey: 'another' });
      assert.ok(
        savedPositions().some(({ fileKey }) => fileKey === position.fileKey),
        `save ${saves}`,
      );
      saves++;
    } while (!isOpen || saves < 3);
    await opening;
    await checkpoint.advance({ ...position, fileKey: 'another' });
    assert.deepEqual(
      savedPositions()
        .filter(({ fileKey }) => fileKey === position.fileKey)
        .map(({ path, offset }) => [path, offset]),
      [[`${log}.1.gz`, 3000]],
    );
    for (const { file } of opener.opened) await file.close();
  });
});

function savedPositions(): readonly Position[] {
  const text = readFileSync(node.file('state/checkpoint.json'), 'utf8');
  return (JSON.parse(text) as { positions: Position[] }).positions;
}
