import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { ForwarderCredentials } from '../src/clusters/forwarder-credentials.ts';
import { createKeyPair, daysFromNow, type KeyPair } from '../src/clusters/key-pair.ts';
import type { ManagedCluster } from '../src/clusters/managed-cluster.ts';
import { addSender, apply, eventually, getObject, post, type Sender, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const PATH = '/api/v1/flows/logs/bulk';
const NOW = Math.floor(Date.now() / 1000);

function flow(extra: object): string {
  return `${JSON.stringify({ start_time: NOW - 300, end_time: NOW, action: 'allow', ...extra })}\n`;
}

async function stored(cluster: string): Promise<number> {
  return await workbench.elasticsearch.count(`tigera_secure_ee_flows.${cluster}.*`);
}

function certificateOf(
  cluster: string,
  changed: { readonly use?: string; readonly notAfter?: Date; readonly notBefore?: Date } = {},
) {
  const { use = 'forwarder', notAfter = daysFromNow(1), ...rest } = changed;
  return createKeyPair({ commonName: cluster, organizationalUnit: use, usages: ['client'], notAfter, ...rest });
}

function managedCluster(name: string, ...certificates: readonly KeyPair[]): object {
  const certificate = Buffer.from(certificates.map((keys) => keys.certificate).join('')).toString('base64');
  return { apiVersion: 'kubectl-mcm.io/v1', kind: 'ManagedCluster', metadata: { name }, spec: { certificate } };
}

async function conditionsOf(cluster: string): Promise<Map<string, string>> {
  const { status } = await getObject<ManagedCluster>(workbench, 'managedcluster', cluster);
  return new Map((status?.conditions ?? []).map(({ type, status: value }) => [type, value]));
}

describe('a record that claims another cluster', () => {
  let sender: Sender;
  before(async () => {
    sender = await addSender(workbench, 'claimed');
    await addSender(workbench, 'victim');
  });

  it("is stored under the certificate's cluster", async () => {
    const { code, text } = await post(
      sender.credentials,
      PATH,
      flow({ cluster: 'victim', ingested: 1, '@timestamp': 5, note: 'mine' }),
    );
    assert.equal(code, 200, text);
    assert.equal(await stored('claimed'), 1);
    assert.equal(await stored('victim'), 0);
    const found = (await workbench.elasticsearch.request('GET', '/tigera_secure_ee_flows.claimed.*/_search')) as {
      hits: { hits: { _source: Record<string, unknown> }[] };
    };
    const { cluster, note, ingested, '@timestamp': timestamp } = found.hits.hits[0]?._source ?? {};
    assert.deepEqual([cluster, note, timestamp], ['claimed', 'mine', NOW * 1000]);
    assert.ok(Number(ingested) > 1);
  });

  for (const header of ['kubectl-mcm-cluster', 'x-cluster-id', 'x-tenant-id', 'cluster']) {
    it(`is not moved by a header ${header}`, async () => {
      const { code } = await post(sender.credentials, PATH, flow({ header }), { headers: { [header]: 'victim' } });
      assert.equal(code, 200);
      assert.equal(await stored('victim'), 0);
    });
  }

  it('is not moved by a host name that looks like one', async () => {
    const headers = { 'kubectl-mcm-host': 'victim/../x' };
    const { code, text } = await post(sender.credentials, PATH, flow({}), { headers });
    assert.equal(code, 400);
    assert.match(text, /not a host name/);
  });

  it('is not moved by a claim in an escaped key', async () => {
    const before = await stored('claimed');
    const line = flow({ note: 'escaped' }).replace('"note"', '"\\u0063luster":"victim","note"');
    const { code, text } = await post(sender.credentials, PATH, line);
    assert.equal(code, 200);
    assert.equal((JSON.parse(text) as { accepted: number }).accepted, 1, text);
    assert.deepEqual([await stored('victim'), await stored('claimed')], [0, before + 1]);
  });
});

describe('a certificate', () => {
  let sender: Sender;
  before(async () => {
    sender = await addSender(workbench, 'certified');
  });

  async function refusal(keys: KeyPair | null): Promise<string> {
    const { code, text } = await post(sender.credentials, PATH, flow({}), { keys });
    assert.equal(code, 403, text);
    return (JSON.parse(text) as { error: string }).error;
  }

  it('that is missing is refused', async () => {
    assert.equal(await refusal(null), 'no client certificate');
  });

  it('that is not registered is refused, whatever it is called', async () => {
    assert.equal(await refusal(await certificateOf('certified')), 'certificate not registered');
  });

  it('that has expired is refused', async () => {
    const notBefore = new Date(Date.now() - 7_200_000);
    const expired = await certificateOf('expired', { notBefore, notAfter: new Date(Date.now() - 3_600_000) });
    await apply(workbench, [managedCluster('expired', expired)]);
    await eventually(async () => (await refusal(expired)).startsWith('certificate expired on 20'));
  });

  it('that is not valid yet is refused', async () => {
    const early = await certificateOf('early', { notBefore: new Date(Date.now() + 3_600_000) });
    await apply(workbench, [managedCluster('early', early)]);
    await eventually(async () => (await refusal(early)).startsWith('certificate not valid before 20'));
  });

  it('of a tunnel uploads nothing, and a certificate without a use does not either', async () => {
    const tunnel = await certificateOf('used', { use: 'tunnel' });
    const odd = await certificateOf('used', { use: 'something' });
    await apply(workbench, [managedCluster('used', tunnel, odd)]);
    await eventually(async () => (await refusal(tunnel)) === "this is a tunnel's certificate, not a forwarder's");
    assert.match(await refusal(odd), /names no use/);
  });

  it('of a deleted ManagedCluster is refused', async () => {
    const { credentials } = await addSender(workbench, 'deleted');
    await workbench.mustKubectl(['delete', 'managedcluster', 'deleted']);
    await eventually(async () => (await post(credentials, PATH, flow({}))).code === 403);
  });

  it('gives no other ManagedCluster access, be it older or newer', async () => {
    const own = await certificateOf('owner');
    const older = await certificateOf('thief-older');
    await apply(workbench, [managedCluster('thief-older', older)]);
    await apply(workbench, [managedCluster('owner', own)]);
    await apply(workbench, [managedCluster('thief-older', older, own), managedCluster('thief-newer', own)]);
    await eventually(async () => (await conditionsOf('thief-older')).get('CertificateConflict') === 'True');
    await eventually(async () => (await conditionsOf('thief-newer')).get('CertificateConflict') === 'True');
    assert.equal((await conditionsOf('owner')).has('CertificateConflict'), false);

    const { code, text } = await post(sender.credentials, PATH, flow({ note: 'theft' }), { keys: own });
    assert.equal(code, 200, text);
    assert.deepEqual([await stored('owner'), await stored('thief-older'), await stored('thief-newer')], [1, 0, 0]);
    assert.match(
      await refusal(older),
      /ManagedCluster "thief-older" has a CertificateConflict: .* names the cluster "owner"/,
    );
    const { stdout } = await workbench.mcm(['clusters']);
    assert.match(stdout, /^thief-newer +CertificateConflict +<never>/m);

    await apply(workbench, [managedCluster('thief-older', older)]);
    await eventually(async () => (await post(sender.credentials, PATH, flow({}), { keys: older })).code === 200);
    await eventually(async () => !(await conditionsOf('thief-older')).has('CertificateConflict'));
  });

  it('that cannot be read is named in the status', async () => {
    await apply(workbench, [managedCluster('unreadable', { certificate: 'no PEM', key: '' })]);
    await eventually(async () => (await conditionsOf('unreadable')).get('CertificateUnreadable') === 'True');
  });
});

/** Milliseconds that a busy machine may take to let us notice. */
const SLACK = 4_000;

describe('connections that are open', () => {
  it('are cut within a second of the deletion of their ManagedCluster, with their uploads unanswered', async () => {
    const { credentials } = await addSender(workbench, 'cut');
    const upload = await openUpload(credentials);
    await workbench.mustKubectl(['delete', 'managedcluster', 'cut', '--wait=false']);
    const deleted = Date.now();
    assert.equal(await upload.ended, '', 'no answer');
    assert.ok(Date.now() - deleted < 1_000 + SLACK, `cut after ${Date.now() - deleted} ms`);
  });

  it('are cut within a second of the replacement of their certificate', async () => {
    const { credentials } = await addSender(workbench, 'replaced');
    const upload = await openUpload(credentials);
    await apply(workbench, [managedCluster('replaced', await certificateOf('replaced'))]);
    const replaced = Date.now();
    assert.equal(await upload.ended, '');
    assert.ok(Date.now() - replaced < 1_000 + SLACK, `cut after ${Date.now() - replaced} ms`);
  });

  it('are cut within a second of the end of their certificate', async () => {
    const { credentials } = await addSender(workbench, 'not-ending');
    // X.509 times are whole seconds.
    const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 20_000);
    const keys = await certificateOf('ending', { notAfter });
    await apply(workbench, [managedCluster('ending', keys)]);
    const own = { ...credentials, certificate: keys.certificate, key: keys.key };
    await eventually(async () => (await post(own, PATH, flow({}))).code === 200, 19_000);
    const upload = await openUpload(own);
    assert.equal(await upload.ended, '');
    const late = Date.now() - notAfter.getTime();
    assert.ok(late >= 0 && late < 1_000 + SLACK, `cut ${late} ms after it ended`);
  });
});

/** An upload that has begun and does not end: resolves with what was answered by the time the connection closed. */
async function openUpload({ address, ca, certificate, key, serverName }: ForwarderCredentials) {
  const [host = '', port = ''] = address.split(':');
  const socket: TLSSocket = connect({ host, port: Number(port), ca, cert: certificate, key, servername: serverName });
  let answer = '';
  const ended = new Promise<string>((resolve) => {
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(answer));
  });
  // The manager says that it goes on once it has taken the upload up.
  const head = `POST ${PATH} HTTP/1.1\r\nhost: manager\r\nexpect: 100-continue\r\ncontent-length: 1000000\r\n\r\n`;
  socket.write(head);
  await eventually(async () => answer === 'HTTP/1.1 100 Continue\r\n\r\n');
  answer = '';
  socket.write(flow({}));
  return { ended };
}
