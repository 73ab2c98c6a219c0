import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { DirectoryInUse, DirectoryLock } from './directory-lock.ts';
import { lockState } from './forward/state-lock.ts';

const parent = mkdtempSync(join(tmpdir(), 'directory-lock-'));
after(() => rmSync(parent, { recursive: true }));

/** Another process that has the lock. */
async function holder(t: TestContext, directory: string): Promise<ChildProcess> {
  const module = JSON.stringify(join(import.meta.dirname, 'directory-lock.ts'));
  const program = `
    const { DirectoryLock } = await import(${module});
    const lock = DirectoryLock.acquire(${JSON.stringify(directory)});
    process.stdout.write('locked');
    process.stdin.once('data', () => { lock.release(); process.stdout.write('released'); });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  assert.equal(String((await once(child.stdout, 'data'))[0]), 'locked');
  return child;
}

describe('DirectoryLock', () => {
  it('is for one process at a time, and writes nothing', async (t) => {
    const directory = join(parent, 'one');
    const child = await holder(t, directory);
    assert.throws(() => DirectoryLock.acquire(directory), DirectoryInUse);
    assert.throws(
      () => lockState(directory),
      /^UserError: error: another "kubectl mcm forward" is at work with the state directory \S+\/one$/,
    );
    assert.deepEqual(readdirSync(directory), ['lock']);
    child.stdin?.write('go');
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    DirectoryLock.acquire(directory).release();
  });

  it('goes with a process that is killed', async (t) => {
    const directory = join(parent, 'killed');
    const child = await holder(t, directory);
    child.kill('SIGKILL');
    await once(child, 'exit');
    DirectoryLock.acquire(directory).release();
  });

  it('can be had again after it was released', () => {
    const directory = join(parent, 'again');
    DirectoryLock.acquire(directory).release();
    DirectoryLock.acquire(directory).release();
  });

  it('names a directory that cannot be used, and what to do', () => {
    const file = join(parent, 'file');
    writeFileSync(file, '');
    for (const directory of [file, join(file, 'state'), '/dev/null/state']) {
      assert.throws(
        () => lockState(directory),
        (error: Error & { hint?: string }) =>
          error.name === 'UserError' &&
          error.message.startsWith(`error: cannot use the state directory ${directory}: `) &&
          error.hint?.includes('--state') === true,
      );
    }
    const garbled = join(parent, 'garbled');
    DirectoryLock.acquire(garbled).release();
    writeFileSync(join(garbled, 'lock'), 'x'.repeat(4096));
    assert.throws(() => DirectoryLock.acquire(garbled), /^Error: file is not a database$/);
  });
});
