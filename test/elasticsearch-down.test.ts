import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { Elasticsearch } from '../testbed/elasticsearch/elasticsearch.ts';
import { freePorts } from '../testbed/processes.ts';
import { addSender, credentialsFolder, mcm, newFolder, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const RECORDS = 20_000;
const PATTERN = 'tigera_secure_ee_flows.storeless.*';

describe('when Elasticsearch is down', () => {
  it('nothing is lost: not before it was ever there, and not in the middle of a run', async (t) => {
    const folder = newFolder(workbench, 'storeless');
    const [clusters = 0, api = 0, health = 0, port = 0] = await freePorts(4);
    // A second manager of the same management cluster, with an Elasticsearch that is not there yet.
    const manager = await workbench.startManager({
      ports: { clusters, api, health },
      elasticsearchUrl: `http://127.0.0.1:${port}`,
      readyPath: '/livez',
    });
    t.after(() => manager.stop());
    const sender = await addSender(workbench, 'storeless');
    const credentials = credentialsFolder(folder, sender.credentials, { address: `127.0.0.1:${clusters}` });
    const log = join(folder, 'flows.log');
    const now = Date.now();
    writeFileSync(log, `${[...generateFlows({ seed: 6, count: RECORDS, from: now - 60_000, to: now })].join('\n')}\n`);
    const args = ['forward', '--once', '--credentials', credentials, '--state', join(folder, 'state'), '--flow', log];
    const small = ['--chunk-bytes', '65536', '--retry-for', '1s', '-v', '2'];

    const ready = await fetch(`http://127.0.0.1:${health}/readyz`);
    assert.equal(ready.status, 503);
    assert.match(
      await ready.text(),
      /^\[-\]log-store failed: Elasticsearch cannot be reached: connect ECONNREFUSED 127\.0\.0\.1:\d+$/m,
    );
    const never = await mcm(workbench, [...args, ...small]);
    assert.equal(never.code, 3);
    assert.match(never.stdout, /^storeless: 0 records shipped/);
    assert.match(
      never.stderr,
      /cannot take records now: Elasticsearch cannot be reached: connect ECONNREFUSED \S+; the rest is left for the next run\n$/,
    );

    const first = await Elasticsearch.start(join(folder, 'elasticsearch'), () => undefined, { port });
    t.after(() => first.stop());
    let acknowledged = 0;
    const cut = await mcm(workbench, [...args, ...small], {
      onOutput: (text) => {
        acknowledged += text.match(/acknowledged up to/g)?.length ?? 0;
        if (acknowledged >= 20) first.stop('SIGKILL');
      },
    });
    assert.equal(cut.code, 3, cut.stdout);
    const shipped = Number(/^storeless: (\d+) records shipped/.exec(cut.stdout)?.[1]);
    assert.ok(shipped > 0 && shipped < RECORDS, `${shipped} of ${RECORDS} in the run that was cut`);

    const second = await Elasticsearch.start(join(folder, 'elasticsearch'), () => undefined, { port });
    t.after(() => second.stop());
    const next = await mcm(workbench, args);
    assert.equal(next.code, 0, next.stderr);
    assert.match(next.stdout, new RegExp(`^storeless: ${RECORDS - shipped} records shipped`));
    assert.equal(await second.count(PATTERN), RECORDS);
  });
});
