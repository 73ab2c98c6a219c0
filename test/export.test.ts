import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import type { Manifest } from '../src/plugin/export/manifest.ts';
import { type Outcome, run } from '../testbed/processes.ts';
import { addSender, eventually, forward, grant, mcm, newFolder, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const NOW = Math.floor(Date.now() / 1000) * 1000;
const SINCE = new Date(NOW - 3_600_000).toISOString();

/** So many that they are several files. */
const FLOWS = 75_000;
const ALL = ['--cluster', 'exported', '--since', SINCE, '--until', new Date(NOW).toISOString()];

before(async () => {
  for (const [cluster, count] of [
    ['exported', FLOWS],
    ['exported-too', 300],
  ] as const) {
    const sender = await addSender(workbench, cluster);
    const range = { seed: 5, from: NOW - 3_000_000, to: NOW - 60_000 };
    const [flows, dns] = ['flows.log', 'dns.log'].map((name) => join(sender.folder, name)) as [string, string];
    await pipeline(Readable.from(lines(generateFlows({ ...range, count }))), createWriteStream(flows));
    await pipeline(Readable.from(lines(generateDns({ ...range, count: 300 }))), createWriteStream(dns));
    const { code, stderr } = await forward(workbench, sender, ['--flow', flows, '--dns', dns]);
    assert.equal(code, 0, stderr);
  }
  await workbench.elasticsearch.request('POST', '/_refresh');
});

function* lines(records: Iterable<string>): Generator<string, void, void> {
  for (const record of records) yield `${record}\n`;
}

function newExport(): string {
  return join(newFolder(workbench, 'export'), 'logs');
}

async function exportInto(folder: string, args: readonly string[], onStart?: (pid: number) => void): Promise<Outcome> {
  const outcome = await run('kubectl-mcm', ['logs', '--export', folder, ...args], {
    env: workbench.env,
    cwd: workbench.directory,
    onStart: ({ pid }) => onStart?.(pid ?? 0),
  });
  return { ...outcome, stderr: withoutProgress(outcome.stderr) };
}

/** Ends it as soon as its first file is whole. */
async function exportUntilFile(folder: string, signal: NodeJS.Signals): Promise<Outcome> {
  const file = join(folder, 'flow', 'exported.00001.ndjson');
  return await exportInto(folder, ALL, (pid) => {
    eventually(async () => existsSync(file), 120_000).then(
      () => process.kill(pid, signal),
      () => undefined,
    );
  });
}

/** On a busy machine there is some. */
function withoutProgress(stderr: string): string {
  return stderr.replace(/^\d+ records exported, \d+\/s, \d+ of \d+ logs done\n/gm, '');
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
}

/** The bytes of a log's files, one behind the other; each must be as the manifest says. */
function contentOf(folder: string, type: string, cluster: string): Buffer {
  const log = manifestOf(folder).logs.find((one) => one.type === type && one.cluster === cluster);
  const parts = (log?.files ?? []).map(({ name, records, bytes, sha256 }) => {
    const stored = readFileSync(join(folder, name));
    const text = name.endsWith('.gz') ? gunzipSync(stored) : stored;
    assert.equal(stored.length, bytes, name);
    assert.equal(createHash('sha256').update(stored).digest('hex'), sha256, name);
    assert.equal(text.toString('latin1').split('\n').length - 1, records, name);
    return text;
  });
  return Buffer.concat(parts);
}

/** What `logs -o json` prints for the same question. */
async function printed(args: readonly string[]): Promise<Buffer> {
  const { code, stdout, stderr } = await mcm(workbench, ['logs', ...args, '--tail', '-1', '-o', 'json']);
  assert.equal(code, 0, stderr);
  return Buffer.from(stdout);
}

describe('an export', () => {
  it('that was killed goes on where it was', async () => {
    const folder = newExport();
    assert.equal((await exportUntilFile(folder, 'SIGKILL')).signal, 'SIGKILL');
    const before = manifestOf(folder);
    assert.equal(before.finished, false);
    assert.ok(before.records < FLOWS);
    const { code, stdout, stderr } = await exportInto(folder, ALL);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, new RegExp(`^${FLOWS} records of 1 cluster exported into ${folder}: \\d+MiB in 3 files\n$`));
    assert.equal(manifestOf(folder).finished, true);
    assert.deepEqual(readdirSync(folder).sort(), ['flow', 'manifest.json']);
    assert.equal(readdirSync(join(folder, 'flow')).length, 3);
    // assert.equal would print them.
    assert.ok(contentOf(folder, 'flow', 'exported').equals(await printed(ALL)));
    const again = await exportInto(folder, ALL);
    assert.deepEqual([again.code, again.stdout], [0, stdout]);
  });

  it('that is interrupted ends at once, and goes on as well', async () => {
    const folder = newExport();
    const { signal, stderr } = await exportUntilFile(folder, 'SIGINT');
    assert.deepEqual([signal, stderr], ['SIGINT', '']);
    assert.equal(manifestOf(folder).finished, false);
    const again = await exportInto(folder, ALL);
    assert.deepEqual([again.code, again.stderr, manifestOf(folder).records], [0, '', FLOWS]);
    assert.deepEqual(readdirSync(folder).sort(), ['flow', 'manifest.json']);
  });

  it('says what it is of', async () => {
    const folder = newExport();
    const args = [
      '--cluster',
      'exported*',
      '--type',
      'flow,dns',
      '--since',
      '50m',
      '--to-namespace',
      'store',
      '--gzip',
    ];
    const { code, stderr } = await exportInto(folder, args);
    assert.deepEqual([code, stderr], [0, '']);
    const { logs, records, bytes, clusters, query, since, until, finished } = manifestOf(folder);
    assert.deepEqual([clusters, finished], [['exported', 'exported-too'], true]);
    const span = Date.parse(until) - Date.parse(String(since));
    assert.ok(span >= 50 * 60_000 && span < 51 * 60_000, String(span));
    const times = `since: "${since}"\nuntil: "${until}"\norder: asc\n`;
    assert.equal(
      query,
      `type: flow\n${times}query: dest_namespace = "store"\n---\ntype: dns\n${times}query: '"servers.namespace" = "store"'\n`,
    );
    const sum = (of: 'records' | 'bytes') => logs.reduce((total, log) => total + log[of], 0);
    assert.deepEqual([sum('records'), sum('bytes')], [records, bytes]);
    const range = ['--since', String(since), '--until', until, '--to-namespace', 'store'];
    for (const [type, cluster] of [
      ['flow', 'exported-too'],
      ['dns', 'exported-too'],
    ] as const) {
      const content = contentOf(folder, type, cluster);
      assert.equal(content.toString(), (await printed(['--cluster', cluster, '--type', type, ...range])).toString());
    }
    assert.deepEqual(readdirSync(join(folder, 'flow')), [
      'exported-too.00001.ndjson.gz',
      'exported.00001.ndjson.gz',
      'exported.00002.ndjson.gz',
    ]);
    // The same words are the same question, an hour later as well.
    assert.equal((await exportInto(folder, args)).code, 0);
    assert.equal(manifestOf(folder).until, until);
  });

  it('leaves out what is refused, until it is granted', async () => {
    await grant(workbench, 'exporter', { resources: ['exported-too'], resourceNames: ['flows'] });
    const folder = newExport();
    const args = ['--as', 'exporter', '--cluster', 'exported-too', '--type', 'flow,dns', '--since', SINCE];
    const { code, stderr } = await exportInto(folder, args);
    assert.equal(code, 3);
    assert.match(
      stderr,
      /^warning: dns logs of cluster "exported-too" are not shown: exported-too\.lma\.tigera\.io "dns" is forbidden: .*\n$/,
    );
    const strict = await exportInto(folder, [...args, '--strict']);
    assert.deepEqual([strict.code, strict.stdout], [1, '']);
    const [flow, dns] = manifestOf(folder).logs;
    assert.deepEqual([flow?.finished, flow?.shortcomings, dns?.finished], [true, [], false]);
    assert.deepEqual(
      dns?.shortcomings.map((one) => [one.kind, one.cluster]),
      [['Refused', 'exported-too']],
    );
    await grant(workbench, 'exporter', { resources: ['exported-too'] });
    // The manager remembers for ten seconds what was not allowed.
    await eventually(async () => (await exportInto(folder, args)).code === 0);
    assert.equal(contentOf(folder, 'dns', 'exported-too').toString().split('\n').length, 301);
  });

  it('goes on once there is room on disk', async () => {
    const folder = newExport();
    const args = ['--cluster', 'exported-too', '--since', SINCE, '--until', new Date(NOW).toISOString()];
    const command = ['--fsize=100000', 'kubectl-mcm', 'logs', '--export', folder, ...args];
    const limited = await run('prlimit', command, { env: workbench.env });
    assert.equal(limited.code, 1);
    assert.match(
      limited.stderr,
      /^error: EFBIG: file too large, write\nmake room and run the same command again: it goes on where it was\n$/,
    );
    assert.deepEqual(readdirSync(join(folder, 'flow')), []);
    assert.equal((await exportInto(folder, args)).code, 0);
    assert.ok(contentOf(folder, 'flow', 'exported-too').equals(await printed(args)));
  });

  it('refuses what would mix it with something else', async () => {
    const folder = newExport();
    const first = ['--cluster', 'exported-too', '--since', '1h'];
    assert.equal((await exportInto(folder, first)).code, 0);
    const hint = 'name another folder, or ask as before';
    for (const [args, words] of [
      [['--cluster', 'exported-too', '--since', '2h'], 'since was "1h", is "2h"'],
      [['--cluster', 'exported', '--since', '1h'], 'cluster was exported-too, is exported'],
      [[...first, '--gzip'], 'gzip was false, is true'],
      [[...first, '--action', 'deny'], 'query of flow was none, is "action = \\"deny\\""'],
      [[...first, '--type', 'dns,flow'], 'type was flow, is dns,flow'],
    ] as const) {
      const { code, stderr } = await exportInto(folder, args);
      assert.deepEqual([code, stderr], [1, `error: ${folder} has an export of another question: ${words}\n${hint}\n`]);
    }
    const other = newFolder(workbench, 'other');
    writeFileSync(join(other, 'thesis.tex'), '');
    const notEmpty = await exportInto(other, first);
    assert.deepEqual(
      [notEmpty.code, notEmpty.stderr],
      [1, `error: ${other} is not empty, and has no export\nname a new folder\n`],
    );
    assert.deepEqual(readdirSync(other), ['thesis.tex']);
    const mistakes = await exportInto(newExport(), [...first, '--tail', '5', '--order', 'desc', '-o', 'csv']);
    assert.match(mistakes.stderr, /^error: an export is all records, .*: --tail, --order desc, -o csv cannot be had\n/);
    const damaged = newExport();
    mkdirSync(damaged);
    writeFileSync(join(damaged, 'manifest.json'), '{');
    assert.match(
      (await exportInto(damaged, first)).stderr,
      /^error: .*manifest\.json is not the manifest of an export/,
    );
  });

  it('is one process at a time', async () => {
    const folder = newExport();
    let running = 0;
    const first = exportInto(folder, ALL, (pid) => {
      running = pid;
    });
    await eventually(async () => existsSync(join(folder, 'manifest.json')));
    const second = await exportInto(folder, ALL);
    assert.deepEqual([second.code, second.stderr], [1, `error: another process is exporting into ${folder}\n`]);
    process.kill(running, 'SIGKILL');
    assert.equal((await first).signal, 'SIGKILL');
  });
});
