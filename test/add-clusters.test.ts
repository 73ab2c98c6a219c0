// Many clusters by one command: all of them or none to begin with, and each of them once however often it is killed.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { readForwarderCredentials } from '../src/clusters/forwarder-credentials.ts';
import type { ManagedCluster } from '../src/clusters/managed-cluster.ts';
import { readTunnelCredentials } from '../src/clusters/tunnel-credentials.ts';
import type { KubeList } from '../src/kube/objects.ts';
import { certificateContext, writeKubeconfig } from '../testbed/kubernetes/cluster.ts';
import { mcm, newFolder, sharedWorkbench } from './harness.ts';
import { OwnCluster } from './own-cluster.ts';
import { startOwnManagement } from './own-management.ts';
import { ApiProxy } from './proxies.ts';

const workbench = sharedWorkbench();

/** A file that lists clusters, and a directory for the manifests that is not there yet. */
function listOf(name: string, lines: readonly string[]) {
  const folder = newFolder(workbench, name);
  const file = join(folder, 'clusters.csv');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return { file, directory: join(folder, 'manifests') };
}

async function clustersNamed(...names: readonly string[]): Promise<readonly ManagedCluster[]> {
  const list = await workbench.mustKubectl(['get', 'managedclusters', ...names, '-o', 'json']);
  return (JSON.parse(list) as KubeList<ManagedCluster>).items;
}

async function clustersOf(selector: string, own = workbench): Promise<readonly ManagedCluster[]> {
  const list = await own.mustKubectl(['get', 'managedclusters', '-l', selector, '-o', 'json']);
  return (JSON.parse(list) as KubeList<ManagedCluster>).items;
}

/** The certificates in a manifest, as add-cluster registers them. */
function certificatesIn(manifest: string): string {
  return readTunnelCredentials(manifest).certificate + readForwarderCredentials(manifest).certificate;
}

function requireKeysOf({ metadata, spec }: ManagedCluster, directory: string): void {
  const manifest = join(directory, `${metadata.name}.yaml`);
  assert.equal(statSync(manifest).mode & 0o777, 0o600);
  assert.equal(Buffer.from(spec.certificate ?? '', 'base64').toString(), certificatesIn(manifest));
}

/** One of its own: 300 clusters are no matter for the tests beside. */
async function ownManagement(t: TestContext) {
  const { workbench: own, cluster } = await startOwnManagement(workbench, 'many');
  t.after(() => cluster.stop());
  return own;
}

describe('add-cluster -f', () => {
  const there = 'listed-there';
  let managed: OwnCluster;

  before(async () => {
    managed = await OwnCluster.start(workbench, there);
    await managed.installCalico(there);
  });
  after(() => managed.stop());

  it('adds 300 clusters, each of them once, though it is killed twice in the middle', async (t) => {
    const own = await ownManagement(t);
    const names = Array.from({ length: 300 }, (_, n) => `edge-${String(n + 1).padStart(3, '0')}`);
    const { file, directory } = listOf('many', ['name,label:region', ...names.map((name) => `${name},eu`)]);
    const add = ['add-cluster', '-f', file, '-o', directory, '-l', 'tier=edge', '--parallel', '20'];
    const counts: number[] = [];
    for (const most of [30, 60]) {
      let output = '';
      let kill = () => undefined as unknown;
      const killed = await mcm(own, add, {
        onStart: (child) => {
          kill = () => child.kill('SIGKILL');
        },
        onOutput: (text) => {
          output += text;
          if (output.split(' created\n').length > most) kill();
        },
      });
      assert.equal(killed.signal, 'SIGKILL', killed.stderr);
      const registered = await clustersOf('tier=edge', own);
      counts.push(registered.length);
      for (const cluster of registered) requireKeysOf(cluster, directory);
    }
    t.diagnostic(`registered when it was killed: ${counts.join(', then ')}`);
    assert.ok((counts[0] ?? 0) > 0 && (counts[0] ?? 0) < 300, `${counts}`);

    const { code, stdout, stderr } = await mcm(own, add);
    assert.equal(code, 0, stderr);
    assert.equal(stdout.match(/^managedcluster\.kubectl-mcm\.io\/edge-\d+ (created|unchanged)$/gm)?.length, 300);
    const clusters = await clustersOf('tier=edge,region=eu', own);
    assert.deepEqual(clusters.map(({ metadata }) => metadata.name).sort(), names);
    assert.deepEqual(
      readdirSync(directory).sort(),
      ['.add-cluster', ...names.map((name) => `${name}.yaml`)].sort(),
      'a manifest each, and nothing beside',
    );
    for (const cluster of clusters) requireKeysOf(cluster, directory);
    assert.equal(new Set(clusters.map(({ spec }) => spec.certificate)).size, 300);
    assert.doesNotMatch(readFileSync(join(directory, '.add-cluster', 'journal'), 'utf8'), /BEGIN|KEY/);

    const again = await mcm(own, add);
    assert.deepEqual([again.code, again.stdout.match(/ unchanged$/gm)?.length], [0, 300], again.stderr);
    assert.match(again.stdout, /^RESULT +CLUSTERS +MEANING\nUNCHANGED +300 +added by an earlier run\n$/m);
    assert.deepEqual(
      (await clustersOf('tier=edge', own)).map(({ metadata }) => metadata.uid),
      clusters.map(({ metadata }) => metadata.uid),
    );
  });

  it('names every bad line before anything is changed', async () => {
    await workbench.mustMcm(['add-cluster', 'listed-taken']);
    const { file, directory } = listOf('bad', [
      'name,context,output,label:region',
      'listed-good,,,eu',
      'Bad_Name,,,',
      'listed-taken,,,',
      'listed-a,,,not a value',
      'listed-good,,,',
      'cluster,,,',
      ',,,eu',
      'listed-b,nope,,',
      'listed-c,management,,',
      'listed-d,,x.yaml,,',
      'listed-e,,listed-good.yaml,',
    ]);
    const { code, stdout, stderr } = await mcm(workbench, ['add-cluster', '-f', file, '-o', directory]);
    assert.deepEqual([code, stdout], [1, '']);
    const lines = stderr.split('\n');
    assert.equal(lines[0], `error: ${file} cannot be used as it is; nothing was changed:`);
    assert.deepEqual(
      lines.slice(1, -1).map((line) => line.slice(0, 62)),
      [
        '  line 3: a managed cluster cannot have the name "Bad_Name": i',
        '  line 5: "not a value" is no label\'s value',
        '  line 6: the name "listed-good" is on line 2 already',
        '  line 7: a managed cluster cannot have the name "cluster": it',
        '  line 8: no name',
        '  line 11: 5 cells under 4 columns',
        `  line 12: the output "${directory}/listed-good.yaml" is on line 2 already`.slice(0, 62),
      ],
    );
    assert.equal(existsSync(directory), false);
    // What only the servers know is told once the file itself is in order.
    const known = listOf('bad-too', [
      'name,context',
      'listed-good,',
      'listed-taken,',
      'listed-b,nope',
      'listed-c,management',
      'listed-f,',
    ]);
    mkdirSync(known.directory);
    writeFileSync(join(known.directory, 'listed-f.yaml'), 'the only keys of another cluster');
    const asked = await mcm(workbench, ['add-cluster', '-f', known.file, '-o', known.directory]);
    assert.deepEqual([asked.code, asked.stdout], [1, '']);
    assert.deepEqual(
      asked.stderr
        .split('\n')
        .slice(1, -1)
        .map((line) => line.replaceAll(known.directory, 'DIR')),
      [
        '  line 3: a ManagedCluster "listed-taken" is there already, with other keys than those in DIR/listed-taken.yaml',
        '  line 4: context "nope" does not exist',
        '  line 5: "management" has no ManagementClusterConnection (operator.tigera.io/v1): tigera-operator is not installed there',
        '  line 6: cannot write DIR/listed-f.yaml: file exists',
      ],
    );
    assert.equal((await workbench.kubectl(['get', 'managedcluster', 'listed-good'])).code, 1);
    assert.deepEqual(readdirSync(known.directory).sort(), ['.add-cluster', 'listed-f.yaml']);
  });

  it('goes on with the others where one fails, and with the very keys when run again', async (t) => {
    const { management } = workbench.facts;
    const proxies = { management: await ApiProxy.start(management), there: await ApiProxy.start(managed.cluster) };
    t.after(() => Object.values(proxies).map((proxy) => proxy.stop()));
    const env = {
      KUBECONFIG: writeKubeconfig(join(newFolder(workbench, 'half'), 'kubeconfig'), [
        await certificateContext({ ...management, url: proxies.management.url }),
        await certificateContext({ ...managed.cluster, url: proxies.there.url }),
      ]),
    };
    const { file, directory } = listOf('half', ['name,managed-context', 'half-a,', `half-b,${there}`, 'half-c,']);
    const add = async () => await mcm(workbench, ['add-cluster', '-f', file, '-o', directory], { env });
    const mendRegistration = proxies.management.refuse(/^POST .*managedclusters(?!.*dryRun)/, 403);
    const first = await add();
    assert.equal(first.code, 1);
    assert.match(first.stderr, /^line 2: half-a: Error from server \(Forbidden\): /m);
    assert.match(first.stderr, /^3 clusters failed: mend what is said above, and run the same again\n/m);
    assert.match(first.stdout, /^RESULT +CLUSTERS +MEANING\nFAILED +3 +see above\n$/m);
    const written = certificatesIn(join(directory, 'half-a.yaml'));

    mendRegistration();
    const mendSecrets = proxies.there.refuse(/^PATCH .*\/tigera-managed-cluster-connection(?!.*dryRun)/, 403);
    const second = await add();
    assert.equal(second.code, 1);
    assert.deepEqual(second.stdout.match(/half-. created$/gm)?.sort(), ['half-a created', 'half-c created']);
    assert.match(second.stderr, /^line 3: half-b: Error from server/m);
    const [half] = await clustersNamed('half-a', 'half-b', 'half-c');
    assert.equal(Buffer.from(half?.spec.certificate ?? '', 'base64').toString(), written);

    mendSecrets();
    // Whoever has handed a manifest over deletes it: what is done needs it no more.
    rmSync(join(directory, 'half-a.yaml'));
    const third = await add();
    assert.equal(third.code, 0, third.stderr);
    assert.deepEqual(third.stdout.match(/half-. \w+$/gm)?.sort(), [
      'half-a unchanged',
      'half-b applied',
      'half-c unchanged',
    ]);
    const tls = await managed.there([
      'get',
      'secret',
      'forwarder',
      '-n',
      'kubectl-mcm',
      '-o=jsonpath={.data.tls\\.crt}',
    ]);
    const applied = Buffer.from(tls, 'base64').toString();
    assert.equal(applied, readForwarderCredentials(join(directory, 'half-b.yaml')).certificate);

    await workbench.mustMcm(['remove-cluster', 'half-c']);
    const gone = await add();
    assert.equal(gone.code, 1);
    assert.match(
      gone.stderr,
      /^ {2}line 4: "half-c" was added before and is gone; to add it anew, delete .*half-c\.yaml$/m,
    );
    await managed.mustMcm(['remove-cluster', 'half-b', '--managed-context', there]);
  });

  it('waits until clusters are connected, also those that an earlier run has added', async (t) => {
    const { file, directory } = listOf('awaited', ['name,context', `awaited,${there}`]);
    const add = ['add-cluster', '-f', file, '-o', directory, '--wait', '--timeout'];
    const late = await mcm(managed, [...add, '1s']);
    assert.equal(late.code, 1);
    assert.match(late.stderr, /^line 2: awaited: error: timed out waiting for the condition on managedclusters/m);
    const manifest = join(directory, 'awaited.yaml');
    const agent = managed.startAgent({ context: there, manifest, logName: 'awaited' });
    t.after(() => agent.stop());
    const { code, stdout, stderr } = await mcm(managed, [...add, '60s']);
    assert.deepEqual([code, stdout.split('\n')[0]], [0, 'managedcluster.kubectl-mcm.io/awaited connected'], stderr);
  });

  it('refuses what does not go together, and a file that lists nothing', async () => {
    const { file, directory } = listOf('together', ['name', 'together']);
    const folder = newFolder(workbench, 'files');
    const csv = (text: string) => {
      writeFileSync(join(folder, 'x.csv'), text);
      return ['-f', join(folder, 'x.csv'), '-o', directory];
    };
    for (const [args, words] of [
      [() => [], /^error: exactly one NAME is required, or --filename\n/],
      [() => ['-f', file], /^error: --filename needs --output\nthe directory for the manifests: -o DIR\n/],
      [() => ['together', '-f', file, '-o', directory], /^error: a name and --filename are given/],
      [
        () => ['-f', file, '-o', directory, '--managed-context', 'prod-us'],
        /^error: --managed-context is of one cluster/,
      ],
      [() => ['-f', file, '-o', directory, '--parallel', '0'], /^error: invalid argument "0" for "--parallel" flag/],
      [
        () => ['-f', file, '-o', directory, '-l', 'tier'],
        /^error: invalid argument "tier" for "--labels" flag: not of/,
      ],
      [() => ['-f', '/nonexistent', '-o', directory], /^error: cannot read \/nonexistent: no such file or directory\n/],
      [() => csv('prod-eu\nprod-us\n'), /^error: .*x\.csv: line 1 has no column "name"\nits first line names /],
      [() => csv('name;label:a\nx;b\n'), /^error: .*x\.csv: line 1 has no column "name"\n/],
      [() => csv('name,colour\nx,red\n'), /^error: .*x\.csv: line 1 has an unknown column "colour"\n/],
      [() => csv('name,name\nx,y\n'), /^error: .*x\.csv: line 1 has the column "name" twice\n/],
      [() => csv('name\n'), /^error: .*x\.csv lists no cluster\n/],
      [() => csv('name\n"x\n'), /^error: .*x\.csv: line 2: a quotation mark is missing/],
    ] as const) {
      const { code, stdout, stderr } = await mcm(workbench, ['add-cluster', ...args()]);
      assert.deepEqual([code, stdout], [1, ''], stderr);
      assert.match(stderr, words);
    }
    assert.equal(existsSync(directory), false);
    const labelled = await mcm(workbench, ['add-cluster', 'labelled', '-l', 'tier=core,team=net']);
    assert.equal(labelled.code, 0, labelled.stderr);
    const listed = await mcm(workbench, ['clusters', '-l', 'tier=core,team=net', '-o', 'name']);
    assert.equal(listed.stdout, 'managedcluster.kubectl-mcm.io/labelled\n');
  });
});
