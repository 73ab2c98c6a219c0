import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { parse } from 'yaml';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { Random } from '../fixtures/random.ts';
import type { ForwardStatus } from '../src/logs/forward/forward-status.ts';
import { freePorts, type ServerProcess } from '../testbed/processes.ts';
import { ForwarderProcess } from './forwarder-process.ts';
import { addSender, credentialsFolder, eventually, mcm, newFolder, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();

/** A program that writes a log, rotates it, and deletes what it has rotated. */
class Writer {
  written = 0;
  readonly log: string;

  constructor(folder: string) {
    this.log = join(folder, 'flows.log');
    writeFileSync(this.log, '');
  }

  write(count: number): void {
    const now = Date.now();
    const records = [...generateFlows({ seed: this.written + 1, count, from: now - 60_000, to: now })];
    appendFileSync(this.log, `${records.join('\n')}\n`);
    this.written += count;
  }

  rotate(): void {
    rmSync(this.log);
    writeFileSync(this.log, '');
  }
}

interface GapDocument {
  readonly cluster: string;
  readonly host: string;
  readonly type: string;
  readonly path: string;
  readonly reason: string;
  readonly count: number;
  readonly from: string;
  readonly to: string;
  readonly '@timestamp': number;
}

async function gapsOf(cluster: string): Promise<readonly GapDocument[]> {
  await workbench.elasticsearch.request('POST', '/_refresh');
  const search = `/kubectl_mcm_gaps.${cluster}.*/_search`;
  const answer = await workbench.elasticsearch.request('POST', search, { sort: ['from'] });
  return (answer as { hits: { hits: { _source: GapDocument }[] } }).hits.hits.map(({ _source }) => _source);
}

function lostIn(gaps: readonly GapDocument[]): number {
  return gaps.reduce((sum, { count }) => sum + count, 0);
}

describe('files that are gone before they are shipped', { concurrency: false }, () => {
  let forwarder: ForwarderProcess | undefined;
  let manager: ServerProcess | undefined;

  afterEach(async () => {
    await forwarder?.end('SIGKILL').catch(() => undefined);
    await manager?.stop();
    manager = undefined;
  });

  const follow = async (args: readonly string[]) => {
    forwarder = new ForwarderProcess(workbench, args);
    await forwarder.says(/^forwarding$/);
    return forwarder;
  };
  const isSpooled = (state: string) => () => Promise.resolve(readdirSync(join(state, 'spool')).length > 0);
  const isEmpty = (state: string) => async () => !(await isSpooled(state)());

  /** A cluster with a manager of its own, so that it can be away. */
  const setUp = async (cluster: string) => {
    const [clusters = 0, api = 0, managerHealth = 0, health = 0] = await freePorts(4);
    const start = async () => {
      manager = await workbench.startManager({ ports: { clusters, api, health: managerHealth } });
    };
    await start();
    const sender = await addSender(workbench, cluster);
    const credentials = credentialsFolder(sender.folder, sender.credentials, { address: `127.0.0.1:${clusters}` });
    const state = join(sender.folder, 'state');
    const writer = new Writer(sender.folder);
    const args = ['--credentials', credentials, '--state', state, '--host', 'node-1', '--flow', writer.log];
    // An index that is new has no shard for a moment.
    const count = () => workbench.elasticsearch.count(`tigera_secure_ee_flows.${cluster}.*`).catch(() => 0);
    const stop = async () => {
      await manager?.stop();
      manager = undefined;
    };
    return { start, stop, args, state, writer, count, health: `127.0.0.1:${health}` };
  };

  it('are shipped from the spool, whoever is killed meanwhile', async () => {
    const { start, stop, args, state, writer, count } = await setUp('gone-files');
    const random = new Random(20_261_123);
    writer.write(500);
    await follow([...args, '--chunk-bytes', '65536']);
    await eventually(async () => (await count()) === writer.written);
    for (let round = 0; round < 3; round++) {
      await stop();
      writer.write(random.between(1_000, 4_000));
      await forwarder?.says(/is held back/);
      const before = readdirSync(join(state, 'spool')).length;
      writer.rotate();
      await eventually(() => Promise.resolve(readdirSync(join(state, 'spool')).length > before));
      // Once all of it is there: what is in a deleted file alone goes with the process.
      await forwarder?.says(/up to offset \d+ it is in the spool/);
      await forwarder?.end('SIGKILL');
      await follow([...args, '--chunk-bytes', '65536']);
      await start();
      // In the middle of shipping, or not.
      await new Promise((resolve) => setTimeout(resolve, random.between(0, 600)));
      await forwarder?.end('SIGKILL');
      await follow([...args, '--chunk-bytes', '65536']);
      await eventually(isEmpty(state), 60_000);
      await eventually(async () => (await count()) >= writer.written);
      assert.equal(await count(), writer.written, forwarder?.trouble.join('\n'));
    }
    assert.deepEqual(await gapsOf('gone-files').catch(() => []), []);
  });

  it('are dropped where that is asked for, and every record of them is counted in a gap', async () => {
    const { start, stop, args, state, writer, count } = await setUp('dropping');
    writer.write(100);
    const own = [...args, '--spool-size', '512Ki', '--when-full', 'drop-oldest'];
    await follow(own);
    await eventually(async () => (await count()) === writer.written);
    await stop();
    writer.write(3_000);
    await forwarder?.says(/is held back/);
    writer.rotate();
    await eventually(isSpooled(state));
    await forwarder?.says(/up to offset \d+ it is in the spool/);
    await forwarder?.end('SIGKILL');
    await start();
    await follow(own);
    await eventually(isEmpty(state));
    await eventually(async () => (await count()) + lostIn(await gapsOf('dropping').catch(() => [])) >= writer.written);
    const gaps = await gapsOf('dropping');
    assert.equal((await count()) + lostIn(gaps), writer.written);
    assert.ok(lostIn(gaps) > 0);
    for (const { '@timestamp': time, from, to, count: records, ...gap } of gaps) {
      assert.equal(time, Date.parse(to));
      assert.ok(from <= to && records > 0);
      const told = { cluster: gap.cluster, host: gap.host, type: gap.type, path: gap.path, reason: gap.reason };
      const expected = { cluster: 'dropping', host: 'node-1', type: 'flows', path: writer.log, reason: 'SpoolFull' };
      assert.deepEqual(told, expected);
    }
  });

  it('and the gap is stored also without a manager', async () => {
    const folder = newFolder(workbench, 'dropping-direct');
    const [nobody = 0] = await freePorts(1);
    const writer = new Writer(folder);
    const state = join(folder, 'state');
    const own = ['--cluster', 'dropping-direct', '--state', state, '--host', 'node-1', '--flow', writer.log];
    const small = ['--spool-size', '512Ki', '--when-full', 'drop-oldest'];
    writer.write(3_000);
    await follow([...own, ...small, '--elasticsearch', `http://127.0.0.1:${nobody}`]);
    await forwarder?.says(/is held back/);
    writer.rotate();
    await forwarder?.says(/up to offset \d+ it is in the spool/);
    await forwarder?.end();
    const { code, stderr } = await mcm(workbench, [
      ...['forward', '--once', ...own, '--elasticsearch', workbench.facts.elasticsearchUrl],
    ]);
    assert.equal(code, 0, stderr);
    const gaps = await gapsOf('dropping-direct');
    assert.ok(lostIn(gaps) > 0);
    const stored = await workbench.elasticsearch.count('tigera_secure_ee_flows.dropping-direct.*');
    assert.equal(stored + lostIn(gaps), writer.written);
    assert.deepEqual([gaps[0]?.cluster, gaps[0]?.host], ['dropping-direct', 'node-1']);
  });

  it('are in "forward status", beside a forwarder at work and without one', async () => {
    const { stop, args, state, writer, count, health } = await setUp('status-files');
    writer.write(200);
    appendFileSync(writer.log, 'this is no record\n');
    await follow([...args, '--health-listen', health, '--stalled-after', '1s']);
    await eventually(async () => (await count()) === writer.written);
    const status = async (...more: readonly string[]) => {
      const { code, stdout, stderr } = await mcm(workbench, ['forward', 'status', '--state', state, ...more]);
      assert.deepEqual([code, stderr], [0, '']);
      return stdout;
    };
    const json = async () => JSON.parse(await status('-o', 'json')) as ForwardStatus;
    await eventually(async () => (await json()).files[0]?.lag === 0);
    const following = await json();
    const [file] = following.files;
    assert.deepEqual([file?.file, file?.state, file?.type, following.live], [writer.log, 'following', 'flows', true]);
    assert.ok(file !== undefined && file.acknowledged === file.size && file.lastAcknowledged !== undefined);
    assert.deepEqual(following.deadLetters, { flows: 1 });
    assert.deepEqual(parse(await status('-o', 'yaml')).files[0].file, writer.log);

    await stop();
    writer.write(100);
    await forwarder?.says(/is held back/);
    const [held] = (await json()).files;
    assert.equal(held?.state, 'held back');
    assert.match(held?.reason ?? '', /^the manager at \S+ cannot be reached: connection refused$/);
    assert.ok(held !== undefined && held.lag > 0 && held.lag === held.size - held.acknowledged);
    writer.rotate();
    await forwarder?.says(/up to offset \d+ it is in the spool/);
    const table = await status();
    assert.match(table, /^FILE +TYPE +SIZE +ACKNOWLEDGED +LAG +AGE +STATE\n/);
    assert.match(
      table,
      /\nForwarder: +at work\nSpool: +\d+ bytes in 1 segment, oldest \d+s\nQuarantine: +0 segments\n/,
    );
    assert.match(table, /\nDead letters: +1 flows\nGaps not shipped: +0\n$/);
    await eventually(async () => (await fetch(`http://${health}/readyz`)).status === 503);
    assert.match(await (await fetch(`http://${health}/readyz`)).text(), /the spool is not empty/);
    assert.match(await (await fetch(`http://${health}/metrics`)).text(), /kubectl_mcm_forward_spool_segments 1\n/);

    // Another forwarder says so, and disturbs neither.
    const second = await mcm(workbench, ['forward', ...args]);
    assert.equal(second.code, 3);
    assert.match(second.stderr, /^error: another "kubectl mcm forward" is at work with the state directory /);
    await forwarder?.end('SIGKILL');
    const left = await json();
    assert.deepEqual([left.live, left.spool.segments], [false, 1]);
    assert.ok(left.files.some(({ state: found }) => found === 'gone'));
    assert.match(await status(), /Forwarder: +not asked: none answers/);
    const { code, stderr } = await mcm(workbench, ['forward', 'status', '--state', join(state, 'nowhere')]);
    assert.deepEqual([code, stderr.split('\n')[0]], [1, `error: there is no state directory ${state}/nowhere`]);
  });
});
