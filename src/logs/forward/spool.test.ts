import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Following, lines, Node, type Peer, textOf, UNAVAILABLE } from '../../../fixtures/ingest-peer.ts';
import type { FollowOptions } from './follow.ts';

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

function segments(): string[] {
  return readdirSync(node.file('state/spool'));
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 10_000; !condition(); await sleep(20)) assert.ok(Date.now() < end, what);
}

async function arrived(expected: readonly string[]): Promise<void> {
  await until(() => peer.lines.length >= expected.length, 'everything arrives').catch(() => undefined);
  assert.deepEqual(peer.lines, [...expected].sort());
}

/** Follows a file that is deleted while nobody takes what is in it. */
async function deletedUnread(all: readonly string[], options: Partial<FollowOptions> = {}): Promise<void> {
  writeFileSync(path(), textOf(all.slice(0, 10)));
  following = node.follow([path()], options);
  await arrived(all.slice(0, 10));
  away();
  appendFileSync(path(), textOf(all.slice(10)));
  await until(() => node.warnings.some((text) => /held back/.test(text)), 'it is held back');
  unlinkSync(path());
}

describe('a file that is deleted before it is shipped', () => {
  const all = lines('a', 100);

  it('is in the spool, and shipped from there by another forwarder', async () => {
    await deletedUnread(all);
    await until(() => segments().length > 0, 'it is spooled');
    await following?.stop();
    assert.equal(peer.stored.size, 10);
    back();
    following = node.follow([path()]);
    await arrived(all);
    await until(() => segments().length === 0, 'the spool is empty');
    assert.deepEqual(node.errors, []);
  });
});
