import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { mustRun } from '../testbed/processes.ts';
import { eventually, type HttpAnswer, sharedWorkbench } from './harness.ts';
import { indexOf, SpoolingManager } from './spooling-manager.ts';

const workbench = sharedWorkbench();

describe('a manager with a spool', { concurrency: false }, () => {
  let spooling: SpoolingManager;
  before(async () => {
    spooling = await SpoolingManager.start(workbench);
  });
  after(async () => {
    await spooling?.stop();
  });

  it('loses nothing when the manager is killed, while it is filled and while it is emptied', async () => {
    const uploads = await spooling.uploadsOf('spool-killed');
    for (let round = 0; round < 2; round++) {
      await spooling.withoutStore(async () => {
        const sending = (async () => {
          while ((await uploads.post(500, { padding: 2_000 })).code === 200);
        })().catch(() => undefined);
        await eventually(async () => (await spooling.waiting('records', 'spool-killed')) > 5_000);
        await spooling.manager.stop('SIGKILL');
        await sending;
        await spooling.startManager();
        assert.ok((await spooling.waiting('records', 'spool-killed')) > 5_000);
      });
      await eventually(async () => (await spooling.waiting('records', 'spool-killed')) < 4_000, 120_000);
      await spooling.manager.stop('SIGKILL');
      await spooling.startManager();
      // As a sender does that has no answer: the same bytes from the same place.
      assert.equal((await uploads.post(500, { padding: 2_000 })).code, 200);
      await spooling.drained('spool-killed');
      assert.equal(await spooling.elasticsearch.count(indexOf('flows', 'spool-killed')), uploads.sent);
    }
  });

  it('says at once when it is full, and has room for another cluster', async () => {
    const [greedy, modest] = [await spooling.uploadsOf('greedy'), await spooling.uploadsOf('modest')];
    await spooling.withoutStore(async () => {
      const big = { padding: 4_000 };
      let refused: HttpAnswer;
      let started: number;
      do {
        started = performance.now();
        refused = await greedy.post(500, big);
      } while (refused.code === 200);
      assert.ok(performance.now() - started < 4_000);
      assert.deepEqual([refused.code, refused.text], [503, `{"error":"this cluster's share of the spool is full"}\n`]);
      assert.ok((await spooling.waiting('bytes', 'greedy')) > 24 * 1024 * 1024);
      assert.equal((await modest.post(500, big)).code, 200);
      assert.match(await spooling.health('/readyz'), /^\[\+\]log-store ok \(/m);
      const onDisk = spooling.segments().reduce((sum, name) => sum + statSync(join(spooling.directory, name)).size, 0);
      assert.ok(onDisk < 64 * 1024 * 1024);
    });
    await spooling.drained('greedy');
    await spooling.drained('modest');
    for (const { cluster, sent } of [greedy, modest]) {
      assert.equal(await spooling.elasticsearch.count(indexOf('flows', cluster)), sent);
    }
  });

  // A limit on the size of files stands for the full disk, which takes rights to make.
  it('says at once when the disk does not take it, and loses nothing that it had taken', async () => {
    const uploads = await spooling.uploadsOf('full-disk');
    const limit = async (bytes: string) => {
      await mustRun('prlimit', [`--pid=${spooling.manager.pid}`, `--fsize=${bytes}:`]);
    };
    await spooling.withoutStore(async () => {
      const big = { padding: 1_000 };
      assert.equal((await uploads.post(500, big)).code, 200);
      await limit(String(300 * 1024));
      for (let n = 0; n < 3; n++) {
        const refused = await uploads.post(500, big);
        assert.equal(refused.code, 503);
        assert.match(refused.text, /^\{"error":"the spool cannot be written: EFBIG: file too large, write"\}\n$/);
      }
      assert.match(await spooling.health('/readyz'), /^\[-\]log-store failed: .*; the spool cannot be written: EFBIG/m);
      assert.equal((await uploads.post(10)).code, 200);
      await limit('unlimited');
      assert.equal((await uploads.post(500, big)).code, 200);
      await spooling.manager.stop('SIGKILL');
      await spooling.startManager();
    });
    await spooling.drained('full-disk');
    assert.deepEqual([uploads.sent, await spooling.elasticsearch.count(indexOf('flows', 'full-disk'))], [1_010, 1_010]);
    assert.deepEqual(readdirSync(join(spooling.directory, 'quarantine')), []);
  });
});
