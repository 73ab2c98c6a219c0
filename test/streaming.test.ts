import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { freePorts, type ServerProcess } from '../testbed/processes.ts';
import { ForwarderProcess } from './forwarder-process.ts';
import { addSender, credentialsFolder, eventually, forward, mcm, type Sender, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();

// A manager of its own, so that it can be away.
describe('forward, following files', { concurrency: false }, () => {
  let sender: Sender;
  let manager: ServerProcess;
  let forwarder: ForwarderProcess;
  let always: readonly string[];
  let health: string;
  let startManager: () => Promise<ServerProcess>;
  let log = '';
  let seed = 100;
  let written = 0;

  before(async () => {
    const [clusters = 0, api = 0, managerHealth = 0, ownHealth = 0] = await freePorts(4);
    startManager = () => workbench.startManager({ ports: { clusters, api, health: managerHealth } });
    manager = await startManager();
    sender = await addSender(workbench, 'streaming');
    const credentials = credentialsFolder(sender.folder, sender.credentials, { address: `127.0.0.1:${clusters}` });
    health = `127.0.0.1:${ownHealth}`;
    always = ['--credentials', credentials, '--state', join(sender.folder, 'state'), '--host', 'node-1'];
    log = join(sender.folder, 'flows.log');
  });
  after(async () => await manager.stop());
  afterEach(async () => void (await forwarder.end().catch(() => undefined)));

  const start = (...args: readonly string[]) => {
    forwarder = new ForwarderProcess(workbench, [...always, ...args]);
    return forwarder;
  };
  const write = (count: number, path = log) => {
    const now = Date.now();
    const records = [...generateFlows({ seed: ++seed, count, from: now - 60_000, to: now })];
    appendFileSync(path, `${records.join('\n')}\n`);
    written += count;
  };
  /** Everything that was ever written is in Elasticsearch, and nothing of it twice; returns for how long that took. */
  const arrives = async (): Promise<number> => {
    const started = performance.now();
    const index = 'tigera_secure_ee_flows.streaming.*';
    // It refuses to count while an index is being made.
    const all = async () => (await workbench.elasticsearch.count(index).catch(() => 0)) >= written;
    await eventually(all, 60_000).catch(() => undefined);
    const took = performance.now() - started;
    assert.equal(await workbench.elasticsearch.count(index), written, forwarder.trouble.join('\n'));
    return took;
  };
  const get = async (path: string) => {
    const answer = await fetch(`http://${health}${path}`);
    return { code: answer.status, text: await answer.text() };
  };

  it('ships new lines within two seconds, through rotation, and ends cleanly', async () => {
    write(200);
    start('--flow', `${log}*`, '--health-listen', health);
    await arrives();
    const took: number[] = [];
    for (let turn = 0; turn < 20 && Math.min(...took) >= 2_000; turn++) {
      write(20);
      took.push(await arrives());
    }
    // The fastest of some: the others may have waited for what else goes on here.
    assert.ok(Math.min(...took) < 2_000, `${took} ms`);
    write(10);
    renameSync(log, `${log}.1`);
    write(10);
    write(5, `${log}.1`);
    await arrives();
    assert.deepEqual((await get('/readyz')).code, 200);
    const { text } = await get('/metrics');
    assert.match(
      text,
      new RegExp(`^kubectl_mcm_forward_records_total{type="flows",verdict="stored"} ${written}$`, 'm'),
    );
    assert.match(text, /^kubectl_mcm_forward_lag_bytes\{type="flows",file="\S+flows\.log"\} 0$/m);
    assert.match(text, /^process_resident_memory_bytes /m);
    const started = performance.now();
    const { code, stderr } = await forwarder.end();
    assert.deepEqual([code, stderr, forwarder.errors], [0, '', []]);
    assert.ok(performance.now() - started < 15_000);
    assert.equal(forwarder.log.at(-1)?.msg, 'forwarder stopped');
  });

  it('goes on by itself when the manager was away, and says meanwhile that it is not ready', async () => {
    start('--flow', log, '--health-listen', health, '--stalled-after', '500ms');
    await forwarder.says(/forwarding/);
    await manager.stop();
    write(50);
    await forwarder.says(/flows\.log: the manager at \S+ cannot be reached: connection refused; it is held back/);
    await eventually(async () => (await get('/readyz')).code === 503);
    assert.match(
      (await get('/readyz')).text,
      /^\[-\]progress failed: \S+flows\.log: \d+ bytes, and nothing acknowledged/,
    );
    assert.equal((await get('/livez')).code, 200);
    manager = await startManager();
    await arrives();
    await eventually(async () => (await get('/readyz')).code === 200);
    // Asked to end with the manager away: given up within some seconds, and left for the next one.
    await manager.stop();
    write(10);
    await sleep(500);
    const started = performance.now();
    assert.equal((await forwarder.end()).code, 0);
    assert.ok(performance.now() - started < 20_000);
    manager = await startManager();
    start('--flow', log);
    await arrives();
  });

  it('goes on where it was after SIGKILL in the middle, also with what was compressed meanwhile', async () => {
    start('--flow', log, '--chunk-bytes', '20000', '-v', '2');
    write(3_000);
    await forwarder.says(/acknowledged up to offset/);
    const { signal } = await forwarder.end('SIGKILL');
    assert.equal(signal, 'SIGKILL');
    writeFileSync(`${log}.2.gz`, gzipSync(readFileSync(log)));
    rmSync(log);
    write(10);
    start('--flow', log);
    await arrives();
    assert.deepEqual(forwarder.errors, []);
  });

  it('reads its configuration again on SIGHUP, and goes on with the old one where that is bad', async () => {
    const config = join(sender.folder, 'forward.yaml');
    writeFileSync(config, 'files:\n  flow: [flows.log]\n');
    start('--config', config);
    write(10);
    await arrives();
    writeFileSync(config, 'files:\n  flows: [flows.log]\n');
    forwarder.signal('SIGHUP');
    await forwarder.says(/forward\.yaml: unknown log type "flows".*; going on with the configuration as it was$/);
    write(10);
    await arrives();
    const now = Date.now();
    const dns = [...generateDns({ seed: 1, count: 30, from: now - 60_000, to: now })];
    mkdirSync(join(sender.folder, 'late'));
    writeFileSync(join(sender.folder, 'late', 'dns.log'), `${dns.join('\n')}\n`);
    writeFileSync(config, 'files:\n  flow: [flows.log]\n  dns: [late/*.log]\n');
    forwarder.signal('SIGHUP');
    write(10);
    await arrives();
    await eventually(async () => (await workbench.elasticsearch.count('tigera_secure_ee_dns.streaming.*')) === 30);
    assert.equal((await forwarder.end()).code, 0);
  });

  it('runs every so often with --every', async () => {
    start('--flow', log, '--every', '1s');
    write(10);
    await arrives();
    write(10);
    await arrives();
    const other = await mcm(workbench, ['forward', '--every', '5', ...always]);
    assert.match(other.stderr, /invalid argument "5" for "--every" flag: time: invalid duration "5"/);
    assert.equal((await forwarder.end()).code, 0);
  });

  it('prints with --dry-run what a run would ship, and ships nothing', async () => {
    const { code } = await forward(workbench, sender, [...always, '--flow', log]);
    assert.equal(code, 0);
    const before = readFileSync(log).length;
    write(10);
    appendFileSync(log, 'unfinished');
    const bytes = readFileSync(log).length - before - 'unfinished'.length;
    const dryRun = ['forward', '--dry-run', ...always, '--flow', log];
    const table = await mcm(workbench, dryRun);
    assert.equal(table.code, 0, table.stderr);
    assert.match(
      table.stdout,
      new RegExp(`^TYPE +KEY +OFFSET +BYTES +FILE\nflow +[0-9a-f]{12} +${before} +${bytes} +${log}\n`),
    );
    const { files } = JSON.parse((await mcm(workbench, [...dryRun, '-o', 'json'])).stdout) as { files: object[] };
    assert.deepEqual(
      files.map((file) => ({ ...file, fileKey: '' })),
      [{ type: 'flow', path: log, fileKey: '', offset: before, bytes }],
    );
    const elsewhere = await mcm(workbench, [...dryRun, '--state', join(sender.folder, 'none'), '-o', 'json']);
    assert.equal((JSON.parse(elsewhere.stdout) as { files: { offset: number }[] }).files[0]?.offset, 0);
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_flows.streaming.*'), written - 10);
  });
});
