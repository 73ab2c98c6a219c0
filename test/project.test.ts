import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { ASSEMBLIES, compiledAssembly } from '../build-wasm.ts';
import { manifests } from '../deploy/manifests.ts';
import { cliReference } from '../src/plugin/reference.ts';
import { run } from '../testbed/processes.ts';

const PROJECT = join(import.meta.dirname, '..');

function read(file: string): string {
  return readFileSync(join(PROJECT, file), 'utf8');
}

/** What knows nothing of any room, and every room may use. */
const SHARED: ReadonlySet<string> = new Set([
  'src/errors.ts',
  'src/formats.ts',
  'src/health-port.ts',
  'src/suggestions.ts',
  'src/turns.ts',
  'src/until-aborted.ts',
]);

/** Which rooms of src/ may use which others. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  kube: [],
  logs: [],
  clusters: ['kube'],
  rbac: ['kube', 'logs'],
  install: ['clusters', 'kube', 'rbac'],
  tunnel: [],
  manager: ['clusters', 'install', 'kube', 'logs', 'rbac', 'tunnel'],
  plugin: ['clusters', 'install', 'kube', 'logs', 'manager', 'rbac', 'tunnel'],
};

describe('the rooms of src/', () => {
  for (const file of globSync('src/*/**/*.ts', { cwd: PROJECT })) {
    if (file.endsWith('.test.ts')) continue;
    const [, room = ''] = file.split('/');
    it(`${file} imports only what ${room} may`, () => {
      const imports = [...read(file).matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, path = '']) =>
        normalize(join(dirname(file), path)),
      );
      for (const path of imports) {
        const [top, used = ''] = path.split('/');
        if (path === 'package.json' || SHARED.has(path)) continue;
        assert.equal(top, 'src', path);
        assert.ok(used === room || MAY_IMPORT[room]?.includes(used), `${file} must not import ${path}`);
      }
    });
  }
});

describe('what a forwarder loads that writes straight into Elasticsearch', () => {
  it("is no client of Elasticsearch's, which takes longer to load than 50,000 lines to ship", () => {
    const seen = new Set<string>();
    const follow = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const [, path = ''] of read(file).matchAll(/^(?:import|export) (?!type )[^;]*?from '([^']+)'/gm)) {
        if (path.startsWith('.')) follow(normalize(join(dirname(file), path)));
        else assert.notEqual(path, '@elastic/elasticsearch', `${file} imports it`);
      }
    };
    for (const file of ['src/plugin/commands/forward.ts', 'src/logs/forward/elasticsearch-uploader.ts']) follow(file);
    assert.ok(seen.has('src/logs/store/elasticsearch/bulk-lines.ts'));
  });
});

describe('WebAssembly', () => {
  for (const folder of Object.keys(ASSEMBLIES) as (keyof typeof ASSEMBLIES)[]) {
    it(`of ${folder} is compiled from its source`, () => {
      assert.equal(read(`${folder}/compiled.ts`), compiledAssembly(folder));
    });
  }
});

describe('src/kube', () => {
  for (const file of globSync('src/kube/*.ts', { cwd: PROJECT })) {
    if (file.endsWith('.test.ts')) continue;
    it(`${file} knows Kubernetes, and no kind of Calico's or ours`, () => {
      assert.deepEqual(read(file).match(/calico|tigera|managed-?cluster|management-?cluster/gi), null);
    });
  }
});

describe('the package', () => {
  const manifest = JSON.parse(read('package.json')) as {
    version: string;
    dependencies: Record<string, string>;
    bin: Record<string, string>;
  };
  const lock = JSON.parse(read('package-lock.json')) as {
    version: string;
    packages: Record<string, { resolved?: string; version?: string }>;
  };

  it('has a lock file that fits it and names no place that packages come from', () => {
    assert.equal(lock.version, manifest.version);
    for (const [name, version] of Object.entries(manifest.dependencies)) {
      assert.equal(lock.packages[`node_modules/${name}`]?.version, version);
    }
    for (const [path, entry] of Object.entries(lock.packages)) assert.equal(entry.resolved, undefined, path);
  });

  it('gives a reason for every dependency', () => {
    const reasons = read('ARCHITECTURE.md');
    for (const name of Object.keys(manifest.dependencies)) assert.ok(reasons.includes(`| \`${name}\` |`), name);
  });

  it('says plainly when Node.js is too old', async () => {
    const old = join(PROJECT, 'test', 'old-node.cjs');
    const { code, stdout, stderr } = await run(process.execPath, [
      '--require',
      old,
      join(PROJECT, 'bin', 'kubectl-mcm'),
      'version',
    ]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.equal(stderr, 'error: kubectl-mcm needs Node.js 22.19 or newer; "node" on the PATH is v20.20.2\n');
  });

  it('installs what the manifests of deploy/ have', () => {
    for (const [file, text] of manifests()) assert.equal(readFileSync(file, 'utf8'), text, 'run: npm run deploy');
  });

  it('prints the help that its documentation shows', async () => {
    assert.equal(read('docs/cli.md'), await cliReference(), 'run: npm run docs');
  });
});
