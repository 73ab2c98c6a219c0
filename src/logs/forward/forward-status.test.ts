import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lines, Node, textOf, UNAVAILABLE } from '../../../fixtures/ingest-peer.ts';
import { announce } from './announcement.ts';
import { type ForwardStatus, readForwardStatus } from './forward-status.ts';

let node: Node;

before(async () => {
  node = await Node.start();
});
after(() => node.stop());
beforeEach(() => node.reset());

const path = () => node.file('flows.log');

async function status(): Promise<ForwardStatus> {
  const warnings: string[] = [];
  const read = await readForwardStatus(node.file('state'), (text) => warnings.push(text), new AbortController().signal);
  assert.deepEqual(warnings, []);
  return read;
}

const stateOf = ({ files }: ForwardStatus) => files.map(({ file, state, lag }) => [file, state, lag]);

describe('forward status', () => {
  it('tells what became of each file, by the state directory alone', async () => {
    writeFileSync(path(), textOf(lines('a', 10)));
    await node.run([path()]);
    const [file] = (await status()).files;
    const { lastAcknowledged = '', ...rest } = file ?? {};
    const whole = { file: path(), type: 'flows', size: 1000, acknowledged: 1000, lag: 0, state: 'following' };
    assert.deepEqual(rest, whole);
    assert.ok(Math.abs(Date.now() - Date.parse(lastAcknowledged)) < 10_000);

    appendFileSync(path(), `${textOf(lines('b', 3))}not yet`);
    assert.deepEqual(stateOf(await status()), [[path(), 'following', 300]]);
    const rotated = node.file('flows.log.1');
    renameSync(path(), rotated);
    assert.deepEqual(stateOf(await status()), [[rotated, 'following', 300]]);
    writeFileSync(path(), '');
    await node.run([path()]);
    assert.deepEqual(stateOf(await status()), [[rotated, 'finished', 0]]);
    unlinkSync(rotated);
    assert.deepEqual(
      stateOf(await status()),
      [[path(), 'gone', 0]].map(() => [rotated, 'gone', 0]),
    );
  });

  it('tells why a file is held back, and what is spooled and lost', async () => {
    writeFileSync(path(), textOf(lines('a', 10)));
    node.peer.instead = () => UNAVAILABLE;
    const following = node.follow([path()]);
    while ((await status().catch(() => undefined))?.files[0]?.state !== 'held back') await sleep(20);
    const [held] = (await status()).files;
    assert.match(held?.reason ?? '', /the shards are all taken$/);
    assert.deepEqual([held?.lag, held?.lastAcknowledged], [1000, undefined]);
    unlinkSync(path());
    while ((await status()).spool.segments === 0) await sleep(20);
    await following.stop();
    const { spool, quarantined, gaps } = await status();
    assert.deepEqual([spool.segments, spool.bytes, quarantined, gaps], [1, 16_384, 0, []]);
    assert.ok(Math.abs(Date.now() - Date.parse(spool.oldest ?? '')) < 10_000);
    const [segment = ''] = readdirSync(node.file('state/spool'));
    writeFileSync(join(node.file('state/spool'), segment), 'no segment');
    const { incomplete } = await node.run([], { retryFor: 0 });
    assert.equal(incomplete.length, 1, 'the gap cannot be told');
    const lost = await status();
    assert.deepEqual([lost.spool.segments, lost.quarantined], [0, 1]);
    const [gap] = lost.gaps;
    assert.deepEqual([gap?.type, gap?.count, gap?.reason], ['flows', 10, 'SpoolDamaged']);
  });

  it('believes nobody else who answers where a forwarder was', async () => {
    writeFileSync(path(), textOf(lines('a', 10)));
    await node.run([path()]);
    const answers = ['{"id":"another","files":[]}', 'no JSON', '{"id":"own","files":[]}'];
    const server = createServer((_request, response) => response.end(answers.shift()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    announce(node.file('state'), { url, id: 'own' });
    const live = [(await status()).live, (await status()).live, (await status()).live];
    server.close();
    server.closeAllConnections();
    assert.deepEqual([...live, (await status()).live], [false, false, true, false]);
  });
});
