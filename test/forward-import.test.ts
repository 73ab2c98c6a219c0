import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { addSender, type ForwardReport, mcm, type Sender, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();

/** Audit events of the last hour, each another one. */
function auditEvents(count: number): readonly object[] {
  return Array.from({ length: count }, (_, at) => ({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'RequestResponse',
    auditID: `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`,
    stage: 'ResponseComplete',
    requestURI: '/api/v1/namespaces/store/pods',
    verb: 'create',
    user: { username: 'jane', groups: ['dev'] },
    objectRef: { resource: 'pods', namespace: 'store', name: `cart-${at}`, apiVersion: 'v1' },
    responseStatus: { code: 201 },
    requestObject: { items: [{ text: 'a "quoted" } text' }], labels: {} },
    stageTimestamp: new Date(Date.now() - 3_600_000 + at).toISOString(),
  }));
}

/** How far it is remembered that everything is acknowledged. */
function savedOffset(state: string): number {
  const file = join(state, 'checkpoint.json');
  if (!existsSync(file)) return 0;
  const { positions } = JSON.parse(readFileSync(file, 'utf8')) as { positions: readonly { offset: number }[] };
  return positions[0]?.offset ?? 0;
}

/** A run, with what its report counts. */
async function imports(sender: Sender, file: string, type: string, ...more: readonly string[]) {
  const args = [
    '--import',
    file,
    '--type',
    type,
    '--credentials',
    sender.manifest,
    '--state',
    join(sender.folder, 'state'),
  ];
  const outcome = await mcm(workbench, ['forward', ...args, '--host', 'cloud', '-o', 'json', ...more]);
  const report = outcome.code === 0 ? (JSON.parse(outcome.stdout) as ForwardReport) : undefined;
  const [counts] = report?.types ?? [];
  return { ...outcome, shipped: counts?.shipped, known: counts?.known, setAside: counts?.setAside };
}

describe('forward --import', () => {
  it('ships a gzipped EventList, goes on when it is killed, and stores nothing twice', async () => {
    const sender = await addSender(workbench, 'import-audit');
    const file = join(sender.folder, 'events.json.gz');
    const list = { kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {}, items: auditEvents(3000) };
    writeFileSync(file, gzipSync(JSON.stringify(list, undefined, 2)));
    const state = join(sender.folder, 'state');
    const args = ['--import', file, '--type', 'audit-kube', '--credentials', sender.manifest, '--state', state];
    let kill: (() => void) | undefined;
    const killed = await mcm(workbench, ['forward', ...args, '--host', 'cloud', '--chunk-bytes', '2Ki', '-v', '2'], {
      onStart: (child) => {
        kill = () => child.kill('SIGKILL');
      },
      onOutput: () => {
        if (savedOffset(state) > 0) kill?.();
      },
    });
    assert.equal(killed.signal, 'SIGKILL');
    const again = await imports(sender, file, 'audit-kube');
    assert.equal(again.code, 0, again.stderr);
    const index = 'tigera_secure_ee_audit_kube.import-audit.*';
    assert.equal(await workbench.elasticsearch.count(index), 3000);
    assert.ok(Number(again.shipped) < 3000, 'it went on from where it was');
    assert.deepEqual(
      readdirSync(state).filter((name) => name.startsWith('import-')),
      [],
    );
    // Without its memory, everything is known all the same.
    const elsewhere = await imports(sender, file, 'audit-kube', '--state', join(sender.folder, 'other'));
    assert.deepEqual([elsewhere.shipped, elsewhere.known, elsewhere.setAside], [3000, 3000, 0]);
    assert.equal(await workbench.elasticsearch.count(index), 3000);
  });

  it('ships a JSON array and lines, and sets aside what is no record', async () => {
    const sender = await addSender(workbench, 'import-flows');
    const to = Date.now();
    const flows = [...generateFlows({ seed: 7, count: 500, from: to - 60_000, to })];
    const array = join(sender.folder, 'array.json');
    writeFileSync(array, `[\n${flows.slice(0, 300).join(',\n')}\n]\n`);
    const lines = join(sender.folder, 'lines.json');
    writeFileSync(lines, `${flows.slice(300).join('\n')}\nnot {JSON`);
    const both = await imports(sender, array, 'flow', '--import', lines);
    assert.equal(both.code, 0, both.stderr);
    assert.deepEqual([both.shipped, both.setAside], [500, 1]);
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_flows.import-flows.*'), 500);
  });

  it('refuses what it cannot ship, and leaves nothing behind', async () => {
    const sender = await addSender(workbench, 'import-refused');
    const file = (name: string, content: string | Buffer) => {
      writeFileSync(join(sender.folder, name), content);
      return join(sender.folder, name);
    };
    const cut = file('cut.json', '[{"a":1},{"b"');
    const cutGzip = file('cut.json.gz', gzipSync('[{"a":1}]'.repeat(1000)).subarray(0, 40));
    for (const [path, words] of [
      [cut, `error: ${cut}: it ends at byte 13 in the middle of a value: it is not whole\n`],
      [cutGzip, `error: ${cutGzip}: unexpected end of file\n`],
      ['/nonexistent', 'error: /nonexistent: no such file or directory\n'],
    ] as const) {
      const { code, stdout, stderr } = await imports(sender, path, 'flow');
      assert.deepEqual([code, stdout, stderr], [1, '', words]);
    }
    assert.equal(existsSync(join(sender.folder, 'state', 'checkpoint.json')), false);
    const left = readdirSync(join(sender.folder, 'state'));
    assert.deepEqual(left, []);
    for (const [args, words] of [
      [['--import', cut], /^error: --import needs --type/],
      [['--type', 'flow'], /^error: --type is for --import\n/],
      [['--import', cut, '--type', 'flow', '--flow', cut], /^error: --import and --flow exclude one another\n/],
      [['--import', cut, '--type', 'flow', '--every', '5m'], /^error: --import and --every exclude one another\n/],
      [
        ['--import', cut, '--type', 'flows'],
        /^error: invalid argument "flows" for "--type" flag: must be one of flow, /,
      ],
    ] as const) {
      const { code, stderr } = await mcm(workbench, ['forward', '--credentials', sender.manifest, ...args]);
      assert.equal(code, 1);
      assert.match(stderr, words);
    }
  });
});
