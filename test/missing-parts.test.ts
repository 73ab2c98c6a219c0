import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { findJava } from '../testbed/elasticsearch/installation.ts';
import { run } from '../testbed/processes.ts';
import { newFolder, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const PROJECT = join(import.meta.dirname, '..');

/** The demo on a machine whose PATH holds nothing but these scripts, and that has built nothing yet. */
async function demo(scripts: Readonly<Record<string, string>>) {
  const folder = newFolder(workbench, 'machine');
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const [name, text] of Object.entries(scripts)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  const env = { PATH: bin, HOME: folder };
  return await run(process.execPath, [join(PROJECT, 'demo', 'main.ts'), '--once'], { env });
}

describe('a machine without', () => {
  it('Go is told what to install', async () => {
    const { code, stderr } = await demo({});
    assert.equal(code, 1);
    assert.match(stderr, /^error: Go is missing: install Go 1\.\d+ or newer/m);
  });

  it('a Go that can build is shown what is built, and why it failed', async () => {
    const { code, stderr } = await demo({
      go: 'test "$1" = version && echo go version go1.26.0 || { echo no space left >&2; exit 1; }',
    });
    assert.equal(code, 1);
    assert.match(stderr, /^Building etcd, kube-apiserver and kubectl v\S+: about five minutes, once on this machine$/m);
    assert.match(stderr, /^error: .*no space left/ms);
  });

  it('a JDK is told what to install', () => {
    assert.throws(() => findJava(['/nowhere']), {
      message: 'A JDK is missing: install JDK 21 or newer, or set JAVA_HOME to one (it runs Elasticsearch)',
    });
  });
});
