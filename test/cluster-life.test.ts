// What becomes of a managed cluster's keys: taken away, replaced, and gone with the cluster.
import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { FORWARDER_KEYS } from '../src/clusters/connection-manifest.ts';
import { readForwarderCredentials } from '../src/clusters/forwarder-credentials.ts';
import type { ManagedCluster } from '../src/clusters/managed-cluster.ts';
import type { StatusError } from '../src/kube/status.ts';
import { changeSpec, registeredCluster } from '../src/plugin/connection/registered-cluster.ts';
import type { ServerProcess } from '../testbed/processes.ts';
import { ForwarderProcess } from './forwarder-process.ts';
import {
  addSender,
  credentialsFolder,
  eventually,
  getObject,
  mcm,
  post,
  type Sender,
  sharedWorkbench,
} from './harness.ts';
import { adminClient } from './proxies.ts';

const workbench = sharedWorkbench();
const [managed] = workbench.facts.managed;
const FLOWS = '/api/v1/flows/logs/bulk';

function startAgent(t: TestContext, { cluster, manifest }: Sender): ServerProcess {
  const agent = workbench.startAgent({ context: managed?.name ?? '', manifest, logName: cluster });
  t.after(() => agent.stop());
  return agent;
}

const objectOf = async ({ cluster }: Sender) => await getObject<ManagedCluster>(workbench, 'managedcluster', cluster);
const phaseOf = async (sender: Sender) => (await objectOf(sender)).status?.phase;

/** A node's log that is written to without a pause, and the forwarder that follows it. */
class BusyNode {
  readonly forwarder: ForwarderProcess;
  /** Where the forwarder's Secret is mounted. */
  readonly secret: string;
  written = 0;
  readonly #cluster: string;
  readonly #log: string;
  readonly #timer: NodeJS.Timeout;

  constructor({ cluster, folder, credentials }: Sender) {
    this.#cluster = cluster;
    this.#log = join(folder, 'flows.log');
    this.secret = credentialsFolder(folder, credentials);
    this.#write();
    this.#timer = setInterval(() => this.#write(), 100);
    const always = ['--credentials', this.secret, '--state', join(folder, 'state'), '--host', 'node-1'];
    this.forwarder = new ForwarderProcess(workbench, [...always, '--flow', this.#log]);
  }

  #write(): void {
    const now = Date.now();
    const lines = [...generateFlows({ seed: this.written + 1, count: 20, from: now - 1_000, to: now })];
    appendFileSync(this.#log, `${lines.join('\n')}\n`);
    this.written += lines.length;
  }

  /** So many of its records are stored. */
  async stored(): Promise<number> {
    // It refuses to count while an index is being made.
    return await workbench.elasticsearch.count(`tigera_secure_ee_flows.${this.#cluster}.*`).catch(() => 0);
  }

  stopWriting(): void {
    clearInterval(this.#timer);
  }

  /** Everything that was written is stored, and nothing twice. */
  async arrives(): Promise<void> {
    const all = async () => (await this.stored()) >= this.written;
    await eventually(all, 60_000).catch(() => undefined);
    assert.equal(await this.stored(), this.written, JSON.stringify(this.forwarder.log));
  }

  async stop(): Promise<void> {
    this.stopWriting();
    await this.forwarder.end().catch(() => undefined);
  }
}

describe('revoke', () => {
  it('closes what is open and takes nothing more, until there are new keys', async (t) => {
    const sender = await addSender(workbench, 'revoked');
    const node = new BusyNode(sender);
    t.after(() => node.stop());
    startAgent(t, sender);
    await eventually(async () => (await phaseOf(sender)) === 'Connected' && (await node.stored()) > 0);
    const dry = await mcm(workbench, ['revoke', 'revoked', '--dry-run=server']);
    assert.deepEqual([dry.code, dry.stdout], [0, 'managedcluster.kubectl-mcm.io/revoked revoked (server dry run)\n']);
    assert.equal(await phaseOf(sender), 'Connected');
    const { code, stdout, stderr } = await mcm(workbench, ['revoke', 'revoked']);
    const revoked = performance.now();
    assert.deepEqual([code, stdout], [0, 'managedcluster.kubectl-mcm.io/revoked revoked\n'], stderr);
    await eventually(async () => (await phaseOf(sender)) === 'Disconnected');
    t.diagnostic(`its status says so ${Math.round(performance.now() - revoked)} ms after the command`);
    const { status, spec } = await objectOf(sender);
    assert.equal(spec.certificate, undefined);
    assert.match(status?.connection?.lastError ?? '', /certificate not registered/);
    assert.equal((await post(sender.credentials, FLOWS, '')).code, 403);
    const seen = async () => {
      await workbench.elasticsearch.request('POST', '/tigera_secure_ee_flows.revoked.*/_refresh');
      return await node.stored();
    };
    // An upload that was cut off may have been on its way into the store.
    await sleep(2_000);
    const stored = await seen();
    await sleep(2_000);
    assert.equal(await seen(), stored);

    const again = await mcm(workbench, ['revoke', 'revoked']);
    assert.deepEqual([again.code, again.stdout], [0, 'managedcluster.kubectl-mcm.io/revoked unchanged\n']);
    const manifest = join(sender.folder, 'new.yaml');
    const reissued = await mcm(workbench, ['reissue', 'revoked', '-o', manifest]);
    assert.deepEqual([reissued.code, reissued.stdout], [0, 'managedcluster.kubectl-mcm.io/revoked reissued\n']);
    assert.match(reissued.stderr, /^Next: kubectl apply /);
    mount(node.secret, manifest);
    renameSync(manifest, sender.manifest);
    // Both find the new keys by themselves; what was written meanwhile had waited in the log.
    await eventually(async () => (await phaseOf(sender)) === 'Connected', 60_000);
    node.stopWriting();
    await node.arrives();
  });

  it('says so where there is no such cluster', async () => {
    for (const verb of ['revoke', 'reissue', 'remove-cluster']) {
      const { code, stdout, stderr } = await mcm(workbench, [verb, 'nobody']);
      assert.deepEqual([code, stdout], [1, '']);
      assert.equal(stderr, 'Error from server (NotFound): managedclusters.kubectl-mcm.io "nobody" not found\n');
    }
  });
});

describe('reissue', () => {
  it('lets the old keys count for the overlap and no longer, and no record is lost between', async (t) => {
    const sender = await addSender(workbench, 'reissued');
    const old = sender.credentials;
    const node = new BusyNode(sender);
    t.after(() => node.stop());
    startAgent(t, sender);
    await eventually(async () => (await phaseOf(sender)) === 'Connected' && (await node.stored()) > 0);
    const manifest = join(sender.folder, 'new.yaml');
    const { code, stdout, stderr } = await mcm(workbench, ['reissue', 'reissued', '-o', manifest, '--overlap', '20s']);
    const begun = performance.now();
    assert.deepEqual([code, stdout], [0, 'managedcluster.kubectl-mcm.io/reissued reissued\n'], stderr);
    assert.match(stderr, /^Its old certificates count for another 20s\.\nNext: kubectl apply /);
    const fresh = readForwarderCredentials(manifest);
    assert.notEqual(fresh.certificate, old.certificate);
    await eventually(async () => (await post(fresh, FLOWS, '')).code === 200);
    assert.equal((await post(old, FLOWS, '')).code, 200);
    mount(node.secret, manifest);
    copyFileSync(manifest, sender.manifest);
    await node.forwarder.says(/^the configuration was read again$/);
    // The tunnel stays as it is while its certificate counts.
    assert.equal((await objectOf(sender)).status?.connection?.reconnects, 0);
    await eventually(async () => (await post(old, FLOWS, '')).code === 403, 60_000);
    const took = performance.now() - begun;
    assert.ok(took > 19_000, `refused after ${took} ms`);
    assert.match((await post(old, FLOWS, '')).text, /certificate was replaced, and is refused since /);
    assert.equal((await post(fresh, FLOWS, '')).code, 200);
    // It was closed then, and the agent has come back with the new one.
    await eventually(async () => ((await objectOf(sender)).status?.connection?.reconnects ?? 0) > 0, 60_000);
    await eventually(async () => (await phaseOf(sender)) === 'Connected');
    node.stopWriting();
    await node.arrives();
    assert.deepEqual(node.forwarder.errors, []);
  });

  it('is not held up by what the manager writes meanwhile, and by what others do', async (t) => {
    await addSender(workbench, 'written-to');
    const client = adminClient(workbench);
    const read = await registeredCluster(client, 'written-to', t.signal);
    const patch = ['patch', 'managedcluster', 'written-to', '--type=merge', '-p'];
    const status = { lastSeen: new Date().toISOString() };
    await workbench.mustKubectl([...patch, JSON.stringify({ status }), '--subresource=status']);
    const spec = { certificate: null, retiring: null };
    const options = { dryRun: false, signal: t.signal };
    await changeSpec(client, read, spec, options);
    assert.equal((await registeredCluster(client, 'written-to', t.signal)).spec.certificate, undefined);
    await assert.rejects(
      changeSpec(client, read, { ...spec, certificate: read.spec.certificate ?? '' }, options),
      (error: StatusError) => error.code === 409 && error.hint === 'somebody has changed it in this moment: try again',
    );
  });

  it('changes nothing where something is wrong', async () => {
    const sender = await addSender(workbench, 'as-it-was');
    const before = (await objectOf(sender)).spec;
    for (const [args, words] of [
      [['--overlap', 'soon'], /^error: invalid argument "soon" for "--overlap" flag: /],
      [['-o', sender.manifest], /^error: cannot write .*: file exists\n/],
      [['--managed-context', 'nope'], /^error: context "nope" does not exist\n/],
      [['--managed-context', 'management'], /^Error from server \(NotFound\): /],
    ] as const) {
      const { code, stdout, stderr } = await mcm(workbench, ['reissue', 'as-it-was', ...args]);
      assert.deepEqual([code, stdout], [1, ''], args.join(' '));
      assert.match(stderr, words);
      assert.deepEqual((await objectOf(sender)).spec, before);
    }
  });
});

describe('remove-cluster', () => {
  it('deletes the registration alone where the other side is not named, and says what stays', async () => {
    const sender = await addSender(workbench, 'removed');
    const dry = await mcm(workbench, ['remove-cluster', 'removed', '--dry-run=client']);
    assert.deepEqual([dry.code, dry.stdout], [0, 'managedcluster.kubectl-mcm.io/removed deleted (dry run)\n']);
    const record = `{"end_time":${Math.floor(Date.now() / 1000)}}\n`;
    assert.equal((await post(sender.credentials, FLOWS, record)).code, 200);
    const { code, stdout, stderr } = await mcm(workbench, ['remove-cluster', 'removed']);
    assert.deepEqual([code, stdout], [0, 'managedcluster.kubectl-mcm.io/removed deleted\n']);
    assert.match(stderr, /^What stays: its logs until their retention is over .* --managed-context CONTEXT\)\n$/);
    await eventually(async () => (await post(sender.credentials, FLOWS, '')).code === 403);
    assert.equal((await workbench.kubectl(['get', 'managedcluster', 'removed'])).code, 1);
    const again = await mcm(workbench, ['add-cluster', 'removed', '-o', join(sender.folder, 'again.yaml')]);
    assert.match(
      again.stderr,
      /^warning: logs of an earlier cluster "removed" are stored, from \d{4}-\d{2}-\d{2} on: who may read .*\n/,
    );
  });
});

/** What kubelet does with a Secret that has changed. */
function mount(directory: string, manifest: string): void {
  const { address, ca, certificate, key } = readForwarderCredentials(manifest);
  const files = { address, ca, certificate, key };
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, FORWARDER_KEYS[name as keyof typeof files]);
    assert.ok(existsSync(path));
    writeFileSync(path, text);
  }
}
