import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { run } from '../testbed/processes.ts';
import { eventually } from './harness.ts';

const DEMO = join(import.meta.dirname, '..', 'demo', 'main.ts');

/** Processes that have something of that folder in their command line. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const line = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').replaceAll('\0', ' ');
      return line.includes(folder) ? [line] : [];
    } catch {
      return [];
    }
  });
}

describe('the demo', () => {
  it('walks through the main job and stores exactly what was sent', async () => {
    const { code, stdout, stderr } = await run(process.execPath, [DEMO, '--once']);
    assert.equal(code, 0, `${stdout}\n${stderr}`);
    const rows = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
      cluster: string;
      type: string;
      sent: number;
      stored: number;
    }[];
    assert.deepEqual(rows.map(({ cluster, type }) => `${cluster} ${type}`).sort(), [
      'prod-eu audit',
      'prod-eu dns',
      'prod-eu flow',
      'prod-eu goldmane',
      'prod-us audit',
      'prod-us dns',
      'prod-us flow',
      'prod-us goldmane',
    ]);
    for (const { cluster, type, sent, stored } of rows) {
      assert.equal(stored, sent, `${cluster} ${type}`);
      if (type === 'flow') assert.equal(sent, 10_000);
      if (type === 'dns') assert.equal(sent, 5_000);
      if (type === 'audit') assert.ok(sent > 100, `${sent} audit records`);
    }
  });

  it('stays up with new traffic, and leaves nothing behind after Ctrl-C', async (t) => {
    const demo = startDemo(t);
    await demo.until(/^kubectl mcm logs --cluster prod-us --as alice$/m);
    const kubeconfig = demo.said(/^export KUBECONFIG=(.*)$/m);
    const folder = join(kubeconfig, '..');
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    assert.ok(processesOf(folder).length >= 8, 'three API servers, three etcds, Elasticsearch and the manager');
    const PATH = `${demo.said(/^export PATH=(.*):\$PATH$/m)}:${process.env.PATH}`;
    const env = { ...process.env, KUBECONFIG: kubeconfig, PATH };
    const flows = async () =>
      (await run('kubectl', ['mcm', 'logs', '--cluster', 'prod-eu', '--tail', '10000', '-o', 'json'], { env })).stdout
        .length;
    const before = await flows();
    await eventually(async () => (await flows()) !== before, 60_000);
    assert.equal(await demo.end('SIGINT'), 0);
    await eventually(async () => processesOf(folder).length === 0, 60_000);
    assert.equal(existsSync(folder), false, 'its files are gone too');
  });

  it('leaves no process behind when it is killed', async (t) => {
    const demo = startDemo(t);
    await demo.until(/^ready; it logs to .*$/m);
    const folder = join(demo.said(/^ready; it logs to (.*)$/m), '..');
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    assert.ok(processesOf(folder).length >= 8, 'three API servers, three etcds, Elasticsearch and the manager');
    assert.equal(await demo.end('SIGKILL'), null);
    await eventually(async () => processesOf(folder).length === 0, 60_000);
  });
});

/** The demo as people run it, until it is told to end. */
function startDemo(t: TestContext) {
  const demo = spawn(process.execPath, [DEMO], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => demo.kill('SIGKILL'));
  let output = '';
  for (const stream of [demo.stdout, demo.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = new Promise<number | null>((resolve) => demo.once('exit', resolve));
  return {
    until: async (words: RegExp) => await eventually(async () => words.test(output) || demo.exitCode !== null, 500_000),
    said: (words: RegExp) => words.exec(output)?.[1] ?? assert.fail(output),
    end: async (signal: NodeJS.Signals) => {
      demo.kill(signal);
      return await ended;
    },
  };
}
