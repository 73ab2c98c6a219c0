import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { StateLock } from './state-lock.ts';

const parent = mkdtempSync(join(tmpdir(), 'state-lock-'));
after(() => rmSync(parent, { recursive: true }));

/** Another process that has the lock. */
async function holder(t: TestContext, directory: string): Promise<ChildProcess> {
  const module = JSON.stringify(join(import.meta.dirname, 'state-lock.ts'));
  const program = `
    const { StateLock } = await import(${module});
    const lock = StateLock.acquire(${JSON.stringify(directory)});
    process.stdout.write('locked');
    process.stdin.once('data', () => { lock.release(); process.stdout.write('released'); });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  assert.equal(String((await once(child.stdout, 'data'))[0]), 'locked');
  return child;
}

describe('StateLock', () => {
  it('is for one process at a time, and writes nothing', async (t) => {
    const directory = join(parent, 'one');
    const child = await holder(t, directory);
    assert.throws(
      () => StateLock.acquire(directory),
      /^UserError: error: another "kubectl mcm forward" is at work with the state directory \S+\/one$/,
    );
    assert.deepEqual(readdirSync(directory), ['lock']);
    child.stdin?.write('go');
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    StateLock.acquire(directory).release();
  });

  it('goes with a process that is killed', async (t) => {
    const directory = join(parent, 'killed');
    const child = await holder(t, directory);
    child.kill('SIGKILL');
    await once(child, 'exit');
    StateLock.acquire(directory).release();
  });

  it('can be had again after it was released', () => {
    const directory = join(parent, 'again');
    StateLock.acquire(directory).release();
    StateLock.acquire(directory).release();
  });

  it('names a directory that cannot be used, and what to do', () => {
    const file = join(parent, 'file');
    writeFileSync(file, '');
    for (const directory of [file, join(file, 'state'), '/dev/null/state']) {
      assert.throws(
        () => StateLock.acquire(directory),
        (error: Error & { hint?: string }) =>
          error.name === 'UserError' &&
          error.message.startsWith(`error: cannot use the state directory ${directory}: `) &&
          error.hint?.includes('--state') === true,
      );
    }
    const garbled = join(parent, 'garbled');
    StateLock.acquire(garbled).release();
    writeFileSync(join(garbled, 'lock'), 'x'.repeat(4096));
    assert.throws(() => StateLock.acquire(garbled), /^UserError: .*: file is not a database$/);
  });
});
