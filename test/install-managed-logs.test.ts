// DNS and audit logs of clusters that have neither from Calico.
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseDocument } from 'yaml';
import type { StoredRecord } from '../src/logs/types/log-type.ts';
import { Pod } from '../testbed/kubernetes/pod.ts';
import { run } from '../testbed/processes.ts';
import { eventually, mcm, sharedWorkbench } from './harness.ts';
import { OwnCluster } from './own-cluster.ts';

const workbench = sharedWorkbench();
const NAME = 'with-dns';

/** As kubeadm writes it. */
const COREFILE = `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    reload
}
example.org:53 {
    whoami
}
`;

function configMap(name: string, data: Readonly<Record<string, string>>) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'kube-system' }, data };
}

describe('install managed, for logs beyond flows', () => {
  let own: OwnCluster;

  before(async () => {
    own = await OwnCluster.start(workbench, NAME);
  });
  after(() => own.stop());

  const args = ['install', 'managed', NAME, '--managed-context', NAME, '--image', 'registry.example.com/kubectl-mcm:1'];
  const install = async (...more: readonly string[]) => await mcm(own, [...args, ...more]);
  const dataOf = async (name: string) =>
    (JSON.parse(await own.there(['get', 'configmap', name, '-n', 'kube-system', '-o', 'json'])) as { data: object })
      .data;
  const isRegistered = async () => (await workbench.kubectl(['get', 'managedcluster', NAME])).code === 0;

  it('refuses a cluster whose DNS is another one, and to change it without being told so', async () => {
    const none = await install('--dns-logs', '--yes');
    assert.equal(none.code, 1);
    assert.match(
      none.stderr,
      /^error: "with-dns" has no ConfigMap kube-system\/coredns with a Corefile\nis its DNS another/m,
    );
    await own.apply([configMap('coredns', { Corefile: COREFILE })]);
    const unasked = await install('--dns-logs');
    assert.deepEqual([unasked.code, unasked.stdout], [1, '']);
    assert.match(
      unasked.stderr,
      /configmap\/coredns \(namespace kube-system\), Corefile:\n {2}\.:53 \{\n {6}errors\n\+ {5}log\n {6}health \{\n/,
    );
    assert.match(unasked.stderr, /\nerror: there is no terminal to ask on\ngive --yes if that is to be done\n$/);
    assert.equal(await isRegistered(), false);
    assert.deepEqual(await dataOf('coredns'), { Corefile: COREFILE });
  });

  it('asks on a terminal', async () => {
    const line = ['kubectl', 'mcm', ...args, '--no-wait', '--dns-logs'].join(' ');
    // script(1) gives it a terminal.
    const { stdout } = await run('script', ['-qec', line, '/dev/null'], { env: own.env, input: 'n\n' });
    assert.match(stdout, /Change this configuration of CoreDNS\? \[y\/N\] /);
    assert.match(stdout, /error: nothing was changed/);
    assert.equal(await isRegistered(), false);
  });

  it('turns the plugin on where it is off, and only there', async () => {
    const dry = await install('--dns-logs', '--dry-run=server');
    assert.equal(dry.code, 0, dry.stderr);
    assert.deepEqual(await dataOf('coredns'), { Corefile: COREFILE });
    const { code, stdout, stderr } = await install('--dns-logs', '--yes', '--no-wait');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^CoreDNS logs its queries$/m);
    const changed = COREFILE.replace('    errors\n', '    errors\n    log\n');
    assert.deepEqual(await dataOf('coredns'), { Corefile: changed });
    const again = await install('--dns-logs', '--no-wait');
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stderr, /^with-dns: CoreDNS logs its queries already$/m);
    assert.deepEqual(await dataOf('coredns'), { Corefile: changed });
  });

  it('leaves the Corefile alone where a cloud has a place for what is added', async () => {
    const Corefile = COREFILE.replace('    reload\n', '    import custom/*.override\n');
    await own.apply([
      configMap('coredns', { Corefile }),
      configMap('coredns-custom', { 'other.override': 'cache 10\n' }),
    ]);
    const { code, stderr } = await install('--dns-logs', '--yes', '--no-wait');
    assert.equal(code, 0, stderr);
    assert.deepEqual(await dataOf('coredns'), { Corefile });
    assert.deepEqual(await dataOf('coredns-custom'), {
      'other.override': 'cache 10\n',
      'kubectl-mcm.override': 'log\n',
    });
    assert.match(stderr, /^It reads its configuration only when it starts: kubectl rollout restart /m);
    const again = await install('--dns-logs', '--no-wait');
    assert.match(again.stderr, /^with-dns: CoreDNS logs its queries already$/m);
  });

  it("makes DNS logs of what CoreDNS's containers write, also across a rotation", async (t) => {
    const pod = await Pod.start(own, { context: NAME, workload: 'daemonset/forwarder', node: 'node-3' });
    t.after(() => pod.stop());
    const folder = pod.path('/var/log/pods/kube-system_coredns-5dd5756b68-abcde_0a1b-2c/coredns');
    mkdirSync(folder, { recursive: true });
    const line = (at: number, text: string) => `${new Date(Date.now() - 60_000 + at).toISOString()} stdout F ${text}\n`;
    const query = (at: number) =>
      line(at, `[INFO] 10.244.0.5:4000 - ${at} "A IN n${at}.example.com. udp 50 false 512" NXDOMAIN qr,rd 106 0.0012s`);
    const log = join(folder, '0.log');
    writeFileSync(log, `${line(0, '.:53')}${query(1)}${query(2)}`);
    const stored = async () => {
      const found = await mcm(own, ['logs', '--cluster', NAME, '--type', 'dns', '-o', 'json']);
      return found.stdout.split('\n').flatMap((text) => (text === '' ? [] : [JSON.parse(text) as StoredRecord]));
    };
    await eventually(async () => (await stored()).length === 2);
    appendFileSync(log, query(3));
    renameSync(log, `${log}.20261123-120000`);
    writeFileSync(log, query(4));
    await eventually(async () => (await stored()).length === 4);
    const records = await stored();
    assert.deepEqual(
      records.map(({ qname }) => qname),
      [1, 2, 3, 4].map((at) => `n${at}.example.com`),
    );
    const { rcode, client_ip: client, host, latency_mean: latency } = records[0] ?? {};
    assert.deepEqual([rcode, client, host, latency], ['NXDomain', '10.244.0.5', 'node-3', 1_200_000]);
  });

  it('prints an audit policy that an API server takes, and that records who changed what', async () => {
    const { code, stdout, stderr } = await install('--audit-logs', '--dry-run=client');
    assert.equal(code, 0, stderr);
    const [, text = ''] = /audit-policy\.yaml\n\n([\s\S]+?)\nand start kube-apiserver/.exec(stdout) ?? [];
    assert.match(stdout, /^ {2}--audit-log-path=\/var\/log\/calico\/audit\/kube-audit\.log$/m);
    await own.audit(parseDocument(text).toJS() as object);
    const { auditLog } = own.cluster;
    const before = readFileSync(auditLog, 'utf8').length;
    await own.there(['create', 'namespace', 'audited']);
    await own.there(['create', 'configmap', 'unaudited', '-n', 'audited']);
    await own.there(['get', 'namespaces']);
    await own.there(['delete', 'namespace', 'audited', '--wait=false']);
    const events = () =>
      readFileSync(auditLog, 'utf8')
        .slice(before)
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { verb: string; objectRef: { name?: string } }]))
        .filter(({ objectRef }) => objectRef.name?.includes('audited') === true);
    await eventually(async () => events().length === 2);
    assert.deepEqual(
      events().map(({ verb }) => verb),
      ['create', 'delete'],
    );
  });

  for (const [cloud, labels, kubeletVersion, words] of [
    ['EKS', {}, 'v1.33.1-eks-7308294', /aws logs filter-log-events [\s\S]+forward --import FILE --type audit-kube/],
    [
      'AKS',
      { 'kubernetes.azure.com/cluster': 'x' },
      'v1.33.1',
      /"kube-audit"[\s\S]+forward --import FILE --type audit-kube/,
    ],
    ['GKE', {}, 'v1.33.1-gke.1107000', /they cannot be\nimported/],
  ] as const) {
    it(`says what to do on ${cloud}, which gives no file`, async () => {
      const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1', labels } };
      await own.apply([node]);
      const patch = JSON.stringify({ status: { nodeInfo: { kubeletVersion } } });
      await own.there(['patch', 'node', 'node-1', '--subresource=status', '--type=merge', '-p', patch]);
      try {
        const { stdout } = await install('--audit-logs', '--dry-run=client');
        assert.ok(stdout.includes(`Audit logs of ${NAME}: ${cloud} runs the API server and gives no file`), stdout);
        assert.match(stdout, words);
        assert.doesNotMatch(stdout, /audit-policy-file/);
      } finally {
        await own.there(['delete', 'node', 'node-1']);
      }
    });
  }
});
