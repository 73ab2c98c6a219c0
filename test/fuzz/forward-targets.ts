import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Random } from '../../fixtures/random.ts';
import { UserError } from '../../src/errors.ts';
import { Checkpoint, type Position } from '../../src/logs/forward/checkpoint.ts';
import { readForwardConfig } from '../../src/logs/forward/config.ts';
import { type FileChunk, halves } from '../../src/logs/forward/file-chunk.ts';
import { GzipBytes } from '../../src/logs/forward/gzip-bytes.ts';
import { BEGINNING, LogFile, tailHash } from '../../src/logs/forward/log-file.ts';
import { isBlank } from '../../src/logs/record/lines.ts';
import { mutated, mutatedText } from './mutation.ts';
import type { FuzzTarget } from './target.ts';

/** A folder for one round. */
async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function someText(random: Random, longest: number): Buffer {
  const parts = ['line', '\n', '\n', '{"a":1}\n', ' \n', '\r\n', '\xff\n', 'x'.repeat(random.between(0, longest))];
  return Buffer.from(Array.from({ length: random.between(0, 80) }, () => random.pick(parts)).join(''), 'latin1');
}

/** However long chunks are and whichever way they are halved, they are the file's complete lines, and nothing else. */
async function chunksOfFile(random: Random): Promise<void> {
  await inFolder(async (folder) => {
    const path = join(folder, 'flows.log');
    const text = someText(random, 5_000);
    writeFileSync(path, text);
    const file = await LogFile.open(path);
    const complete = text.subarray(0, text.lastIndexOf('\n') + 1);
    const start = text.subarray(0, random.between(0, complete.length)).lastIndexOf('\n') + 1;
    const from = { offset: start, tail: tailHash(text.subarray(Math.max(0, start - 1024), start)) };
    const chunks: FileChunk[] = [];
    for await (const chunk of file.chunks(random.chance(0.5) ? from : BEGINNING, random.between(1, 2_000))) {
      chunks.push(...quartered(chunk, random));
    }
    let at = chunks[0]?.offset ?? complete.length;
    assert.ok(at === 0 || at === start || chunks.length === 0);
    for (const { offset, bytes, end, records, after } of chunks) {
      assert.deepEqual([offset, end], [at, offset + bytes.length]);
      assert.deepEqual(bytes, text.subarray(offset, end));
      assert.equal(bytes.at(-1), 0x0a);
      const lines = bytes.toString('latin1').split('\n').slice(0, -1);
      assert.equal(records, lines.filter((line) => !isBlank(Buffer.from(line, 'latin1'))).length);
      const position = { fileKey: file.key ?? '', offset: end, tail: tailHash(after) };
      assert.equal(await file.holds(position), file.key !== undefined);
      at = end;
    }
    assert.equal(at, complete.length);
    assert.equal(file.unfinished, text.length - complete.length);
    await file.close();
  });
}

function quartered(chunk: FileChunk, random: Random): readonly FileChunk[] {
  const parts = random.chance(0.5) ? halves(chunk) : [];
  return parts.length === 0 ? [chunk] : parts.flatMap((part) => quartered(part, random));
}

/** Whatever is asked for in whatever order is what was compressed; of what is damaged nothing else is ever given. */
async function compressedFile(random: Random): Promise<void> {
  await inFolder(async (folder) => {
    const path = join(folder, 'flows.log.1.gz');
    const text = someText(random, 100_000);
    const cut = random.between(0, text.length);
    // As gzip, or as two of them one behind the other.
    const whole = random.chance(0.7)
      ? gzipSync(text)
      : Buffer.concat([gzipSync(text.subarray(0, cut)), gzipSync(text.subarray(cut))]);
    const isDamaged = random.chance(0.5);
    const packed = isDamaged ? mutated(whole, random) : whole;
    writeFileSync(path, packed);
    const bytes = new GzipBytes(await open(path));
    try {
      const size = await bytes.size();
      if (packed.equals(whole)) assert.equal(size, text.length);
      for (let reads = random.between(1, 6); reads > 0; reads--) {
        const at = random.between(0, text.length);
        const length = random.between(0, text.length - at);
        const read = await bytes.readAt(at, length);
        // Bytes that are appended to the file, or stand in its header, do no damage.
        if (size === text.length) assert.ok(read.equals(text.subarray(at, at + length)), `${length} bytes at ${at}`);
      }
    } catch (error) {
      if (error instanceof assert.AssertionError || !isDamaged) throw error;
    } finally {
      await bytes.close();
    }
  });
}

const CONFIG = `credentials: /etc/kubectl-mcm/forwarder
state: state
host: node-1
files:
  flow: ['/var/log/calico/flowlogs/flows.log*', b.log]
  audit-kube:
    - audit.log
`;

async function configFile(random: Random): Promise<void> {
  await inFolder(async (folder) => {
    const path = join(folder, 'forward.yaml');
    writeFileSync(path, mutated(Buffer.from(CONFIG), random));
    try {
      const config = readForwardConfig(path);
      for (const input of config.inputs) assert.equal(typeof input.path, 'string');
      for (const text of [config.credentials, config.state, config.host]) {
        assert.ok(text === undefined || typeof text === 'string');
      }
    } catch (error) {
      assert.ok(error instanceof UserError, `${error}`);
      assert.ok(error.message.startsWith(`error: ${path}: `), error.message);
    }
  });
}

function positionAt(random: Random): Position {
  return {
    destination: random.pick(['a@1', 'b@2']),
    type: random.pick(['flows', 'dns']),
    fileKey: random.pick(['k', 'l', 'm']),
    device: '1',
    inode: random.pick(['1', '18446744073709551615']),
    offset: random.between(0, 2 ** 31),
    tail: 'ab',
    size: 100,
    path: '/var/log/flows.log',
    input: '/var/log/flows.log*',
    updated: new Date().toISOString(),
  };
}

const keyOf = ({ destination, type, fileKey, inode }: Position) => [destination, type, fileKey, inode].join();

function positionsOf(checkpoint: Checkpoint): ReadonlyMap<string, number> {
  const all = [...checkpoint.of('a@1'), ...checkpoint.of('b@2')];
  return new Map(all.map((position) => [keyOf(position), position.offset]));
}

/** Forgets and saves something, in one way or another; returns what there is then. */
async function saveSome(
  random: Random,
  checkpoint: Checkpoint,
  before: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, number>> {
  const now = new Map(before);
  const [gone] = random.chance(0.2) ? checkpoint.of('a@1') : [];
  if (gone !== undefined) {
    checkpoint.forget(gone);
    now.delete(keyOf(gone));
  }
  const positions = Array.from({ length: random.between(1, 3) }, () => positionAt(random));
  for (const position of positions) now.set(keyOf(position), position.offset);
  if (random.chance(0.5)) await Promise.all(positions.map((position) => checkpoint.advance(position)));
  else await checkpoint.advance(...positions);
  return now;
}

/** Whatever is saved when, what is loaded is what was saved last, or before that where the last one is cut off or gone. */
async function checkpointSaves(random: Random): Promise<void> {
  await inFolder(async (folder) => {
    const peek = (told: string[]) => positionsOf(Checkpoint.peek(folder, (warning) => told.push(warning)));
    const states: ReadonlyMap<string, number>[] = [new Map()];
    let checkpoint = Checkpoint.load(folder, () => assert.fail());
    for (let saves = random.between(1, 8); saves > 0; saves--) {
      states.push(await saveSome(random, checkpoint, states.at(-1) ?? new Map()));
      if (random.chance(0.3)) checkpoint = Checkpoint.load(folder, () => assert.fail());
    }
    const warnings: string[] = [];
    assert.deepEqual(peek(warnings), states.at(-1));
    assert.deepEqual(warnings, []);
    const newest = join(folder, 'checkpoint.json');
    if (random.chance(0.5)) rmSync(newest);
    else truncateSync(newest, random.between(0, 40));
    const loaded = peek(warnings);
    // Where positions are saved one by one, there were states between.
    const [last, before] = [states.at(-1) ?? new Map(), states.at(-2) ?? new Map()];
    for (const [key, offset] of loaded) assert.ok([before.get(key), last.get(key)].includes(offset), key);
  });
}

/** Whatever stands in it, positions that are used are whole. */
async function damagedCheckpoint(random: Random): Promise<void> {
  await inFolder(async (folder) => {
    mkdirSync(folder, { recursive: true });
    const positions = Array.from({ length: random.between(0, 4) }, () => positionAt(random));
    for (const name of ['checkpoint.json', 'checkpoint.previous.json']) {
      writeFileSync(join(folder, name), mutatedText(JSON.stringify({ version: 2, positions }), random, 2));
    }
    const loaded = Checkpoint.load(folder, () => undefined);
    for (const position of [...loaded.of('a@1'), ...loaded.of('b@2')]) {
      assert.ok(Number.isSafeInteger(position.offset) && position.offset >= 0);
      assert.ok(!Number.isNaN(Date.parse(position.updated)));
      for (const text of [position.fileKey, position.inode, position.tail, position.path, position.input]) {
        assert.equal(typeof text, 'string');
      }
    }
    await loaded.advance(positionAt(random));
  });
}

export const FORWARD_TARGETS: readonly FuzzTarget[] = [
  { name: 'chunks of a file', rounds: 300, round: chunksOfFile },
  { name: 'a compressed file', rounds: 150, round: compressedFile },
  { name: 'the configuration file', rounds: 400, round: configFile },
  { name: 'saves of the checkpoint', rounds: 30, round: checkpointSaves },
  { name: 'a damaged checkpoint', rounds: 150, round: damagedCheckpoint },
];
