import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { createKeyPair, daysFromNow } from '../src/clusters/key-pair.ts';
import { freePorts } from '../testbed/processes.ts';
import {
  addSender,
  credentialsFolder,
  type ForwardReport,
  forward,
  mcm,
  newFolder,
  post,
  type Sender,
  sharedWorkbench,
} from './harness.ts';

const workbench = sharedWorkbench();
const NOW = Math.floor(Date.now() / 1000);

function flows(count: number, seed: number): string[] {
  const now = Date.now();
  return [...generateFlows({ seed, count, from: now - 60_000, to: now })];
}

/** Runs a command that must fail, and returns what it says. */
async function failure(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, stdout, stderr } = await mcm(workbench, args, { env });
  assert.deepEqual([code, stdout], [1, ''], stderr);
  return stderr;
}

describe('forward', () => {
  let sender: Sender;
  before(async () => {
    sender = await addSender(workbench, 'bad-input');
  });

  const inFolder = (name: string, text: string) => {
    const file = join(sender.folder, name);
    writeFileSync(file, text);
    return file;
  };

  it('sets lines aside that are no records, counts them, and ships the others', async () => {
    const [one = '', two = '', three = ''] = flows(3, 71);
    const bad = [
      `{"end_time": ${NOW}, "action": `,
      'not JSON at all',
      '["a list"]',
      '{"no": "time"}',
      '{"end_time": "yesterday"}',
      `{"end_time":${NOW - 30 * 86_400}}`,
      `{"end_time":${NOW + 86_400}}`,
      `{"end_time":${NOW},"action":"a","action":"b"}`,
      `{"end_time":${NOW},"bytes_in":"not a number"}`,
    ];
    const file = inFolder(
      'mixed.log',
      [one, ...bad.slice(0, 4), '', two, ...bad.slice(4), '   ', three].join('\n').concat('\n'),
    );
    const { code, stdout, stderr } = await forward(workbench, sender, ['--flow', file, '-o', 'json']);
    assert.equal(code, 0, stderr);
    const [type] = (JSON.parse(stdout) as ForwardReport).types;
    assert.deepEqual([type?.shipped, type?.setAside, type?.leftBytes], [3, bad.length, 0]);
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_flows.bad-input.*'), 3);
    assert.equal(await workbench.elasticsearch.count('kubectl_mcm_dead_letters.bad-input.*'), bad.length);
    const { hits } = (await workbench.elasticsearch.request(
      'GET',
      '/kubectl_mcm_dead_letters.bad-input.*/_search?size=20&sort=offset',
    )) as {
      hits: { hits: { _source: { line: string; reason: string; offset: number } }[] };
    };
    assert.deepEqual(
      hits.hits.map(({ _source }) => _source.line),
      bad,
    );
    assert.match(
      hits.hits.map(({ _source }) => _source.reason).join('\n'),
      /^not a JSON object\nnot a JSON object\nnot a JSON object\nno usable time in end_time\nno usable time in end_time\nits day, .* older than the 8 days that are kept\nits time, .* more than 12 hours ahead\n.*Duplicate field 'action'.*\n.*bytes_in.*$/s,
    );
    assert.equal(
      stderr.split('\n').filter((line) => line.startsWith(`warning: ${file}: a record at offset `)).length,
      bad.length,
    );
    // Sent again they are the same dead letters.
    await forward(workbench, sender, ['--flow', file, '--state', join(sender.folder, 'other-state')]);
    assert.equal(await workbench.elasticsearch.count('kubectl_mcm_dead_letters.bad-input.*'), bad.length);
  });

  it('takes an empty file, and one without a whole line', async () => {
    const empty = inFolder('empty.log', '');
    const half = inFolder('half.log', '{"end_time"');
    const { code, stdout } = await forward(workbench, sender, ['--flow', empty, '--flow', half]);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^bad-input: 0 records shipped \(0 flow\), 0 set aside, nothing left, 11 bytes of an unfinished line, /,
    );
  });

  it('names a missing file, and ships the others', async () => {
    const file = inFolder('present.log', `${flows(5, 72).join('\n')}\n`);
    const { code, stdout, stderr } = await forward(workbench, sender, [
      '--flow',
      '/nonexistent/flows.log',
      '--flow',
      file,
    ]);
    assert.equal(code, 1);
    assert.match(stdout, /^bad-input: 5 records shipped/);
    assert.equal(stderr, 'error: /nonexistent/flows.log: no such file or directory\n');
  });

  it('names what is no file', async () => {
    const { code, stderr } = await forward(workbench, sender, ['--flow', sender.folder]);
    assert.equal(code, 1);
    assert.match(stderr, /: is a directory\n$/);
  });

  it('sets a record aside that is too long, with its beginning, and goes on behind it', async () => {
    const [one = '', two = ''] = flows(2, 73);
    const long = JSON.stringify({ end_time: NOW, action: 'x'.repeat(11 * 1024 * 1024) });
    const file = inFolder('long.log', `${one}\n${long}\n${two}\n`);
    const offset = one.length + 1;
    const { code, stdout, stderr } = await forward(workbench, sender, ['--flow', file, '-o', 'json']);
    assert.equal(code, 0, stderr);
    const [type] = (JSON.parse(stdout) as ForwardReport).types;
    assert.deepEqual([type?.shipped, type?.setAside, type?.leftBytes], [2, 1, 0]);
    assert.match(
      stderr,
      new RegExp(
        `a record at offset ${offset} was set aside: 10485761 bytes in one line are too many\n.*of the record at offset ${offset} the last \\d+ bytes were not sent\n`,
      ),
    );
    await workbench.elasticsearch.request('POST', '/_refresh');
    const { hits } = (await workbench.elasticsearch.request(
      'GET',
      `/kubectl_mcm_dead_letters.bad-input.*/_search?q=offset:${offset}%20AND%20length:10485761`,
    )) as { hits: { hits: { _source: { line: string } }[] } };
    assert.equal(hits.hits.length, 1);
    assert.ok(long.startsWith(hits.hits[0]?._source.line ?? '-'));
  });

  it('does not let a path steer the terminal', async () => {
    const { stderr } = await forward(workbench, sender, ['--flow', '/nonexistent/\u001b]0;title.log']);
    assert.equal(stderr, 'error: /nonexistent/\\x1b]0;title.log: no such file or directory\n');
  });

  it('names a state directory that is none', async () => {
    const file = inFolder('state-file', '');
    const { code, stdout, stderr } = await forward(workbench, sender, ['--flow', file, '--state', file]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(
      stderr,
      /^error: cannot use the state directory \S+: mkdir \S+: file exists\nmake it a directory .* --state; /,
    );
  });

  it('ships audit records of a megabyte and more', async () => {
    const event = {
      kind: 'Event',
      auditID: 'aaaaaaaa-0000-4000-8000-000000000001',
      stage: 'ResponseComplete',
      verb: 'create',
      requestObject: { cluster: 'not ours', stageTimestamp: '1999-01-01T00:00:00Z', data: 'y'.repeat(1_500_000) },
      stageTimestamp: new Date().toISOString(),
    };
    const file = inFolder('kube-audit.log', `${JSON.stringify(event)}\n`);
    const { code, stderr } = await forward(workbench, sender, ['--audit-kube', file, '--chunk-bytes', '65536']);
    assert.equal(code, 0, stderr);
    await workbench.elasticsearch.request('POST', '/_refresh');
    const { hits } = (await workbench.elasticsearch.request(
      'GET',
      '/tigera_secure_ee_audit_kube.bad-input.*/_search',
    )) as {
      hits: { hits: { _index: string; _source: typeof event }[] };
    };
    assert.equal(hits.hits.length, 1);
    assert.deepEqual(hits.hits[0]?._source.requestObject, event.requestObject);
    assert.match(
      hits.hits[0]?._index ?? '',
      new RegExp(`${new Date().toISOString().slice(0, 10).replaceAll('-', '')}$`),
    );
  });

  it('keeps the digits of every number', async () => {
    const line = `{"end_time":${Math.floor(Date.now() / 1000)},"cluster":"x","big":12345678901234567890,"fine":0.10000000000000000001,"sci":1.50E+2}`;
    const { credentials } = sender;
    assert.equal((await post(credentials, '/api/v1/dns/logs/bulk', `${line}\n`)).code, 200);
    await workbench.elasticsearch.request('POST', '/_refresh');
    const response = await fetch(`${workbench.elasticsearch.url}/tigera_secure_ee_dns.bad-input.*/_search`);
    assert.match(await response.text(), /"big":12345678901234567890,"fine":0\.10000000000000000001,"sci":1\.50E\+2/);
  });

  it('takes a configuration file, and names what is wrong in one', async () => {
    const file = inFolder('configured.log', `${flows(4, 74).join('\n')}\n`);
    const config = (text: string) => inFolder('forward.yaml', text);
    const good = config(
      `credentials: ${sender.manifest}\nstate: ${join(sender.folder, 'config-state')}\nhost: node-9\nfiles:\n  flow: [${file}]\n`,
    );
    const { code, stdout, stderr } = await mcm(workbench, ['forward', '--once', '--config', good]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^bad-input: 4 records shipped \(4 flow\)/);
    for (const [text, words] of [
      ['credential: x\n', /forward\.yaml: unknown key "credential"; there are credentials, state, host, files\n/],
      [
        'files: {flaw: [x]}\n',
        /forward\.yaml: unknown log type "flaw"; there are flow, dns, audit-ee, audit-kube, l7, bgp, events, waf\n/,
      ],
      ['files: {flow: x}\n', /forward\.yaml: "files\.flow" must be a list of files\n/],
      ['state: 5\n', /forward\.yaml: "state" must be a string\n/],
      ['- a\n', /forward\.yaml: not a YAML mapping\n/],
    ] as const) {
      assert.match(await failure(['forward', '--once', '--config', config(text)]), words);
    }
    assert.match(
      await failure(['forward', '--once', '--config', '/nonexistent']),
      /^error: \/nonexistent: open \/nonexistent: no such file or directory\n$/,
    );
  });

  it('asks for credentials, and names what is wrong with them', async () => {
    assert.match(await failure(['forward', '--once']), /^error: no credentials: give --credentials/);
    assert.match(await failure(['forward']), /^error: no credentials: give --credentials/);
    for (const [flags, words] of [
      [['--once', '--every', '5m'], /^error: --once and --every exclude one another\n$/],
      [['-o', 'json'], /^error: --output is for --once, --import and --dry-run\n$/],
      [['--once', '--health-listen', ':1'], /^error: --health-listen is not for --once, --import or --dry-run\n$/],
    ] as const) {
      assert.match(await failure(['forward', ...flags]), words);
    }
    const named = (path: string) => failure(['forward', '--once', '--credentials', path]);
    assert.match(
      await named('/nonexistent'),
      /^error: cannot read the credentials: stat \/nonexistent: no such file or directory\n$/,
    );
    assert.match(
      await named(inFolder('other.yaml', 'kind: ConfigMap\n')),
      /has no Secret kubectl-mcm\/forwarder\nit is in the manifest/,
    );
    assert.match(await named(sender.folder), /the forwarder's Secret has no ca\.crt\n$/);
    const { credentials, folder } = sender;
    const other = await createKeyPair({ commonName: 'x', usages: [], notAfter: daysFromNow(1) });
    const wrongKey = credentialsFolder(folder, { ...credentials, key: other.key });
    assert.match(
      await named(wrongKey),
      /the forwarder's Secret cannot be used: tls\.key is not the key of tls\.crt\n$/,
    );
    const noKey = credentialsFolder(folder, { ...credentials, key: 'rubbish' });
    assert.match(await named(noKey), /the forwarder's Secret cannot be used: /);
    const noAddress = credentialsFolder(folder, credentials, { address: 'nonsense' });
    assert.match(await named(noAddress), /address "nonsense" is not of the form HOST:PORT\n$/);
  });

  it('says that the manager is down, and leaves everything for the next run', async () => {
    const [port] = await freePorts(1);
    const credentials = credentialsFolder(sender.folder, sender.credentials, { address: `127.0.0.1:${port}` });
    const file = inFolder('waiting.log', `${flows(6, 75).join('\n')}\n`);
    const state = join(sender.folder, 'waiting-state');
    const args = ['forward', '--once', '--state', state, '--flow', file, '--retry-for', '500ms'];
    const { code, stdout, stderr } = await mcm(workbench, [...args, '--credentials', credentials]);
    assert.equal(code, 3);
    assert.match(stdout, /^bad-input: 0 records shipped \(0 flow\), 0 set aside, \d+ bytes left, /);
    assert.equal(
      stderr,
      `error: ${file}: the manager at 127.0.0.1:${port} cannot be reached: connection refused; the rest is left for the next run\n`,
    );
    const next = await mcm(workbench, [...args, '--credentials', sender.manifest]);
    assert.equal(next.code, 0, next.stderr);
    assert.match(next.stdout, /^bad-input: 6 records shipped \(6 flow\), 0 set aside, nothing left, /);
  });

  it('ships to each cluster what that cluster has not', async () => {
    const file = inFolder('shared.log', `${flows(7, 79).join('\n')}\n`);
    const args = ['--flow', file, '--state', join(sender.folder, 'shared-state')];
    const other = await addSender(workbench, 'bad-input-2');
    for (const one of [sender, other]) {
      const { code, stdout } = await forward(workbench, { ...one, folder: sender.folder }, args);
      assert.equal(code, 0);
      assert.match(stdout, / 7 records shipped \(7 flow\), 0 set aside, nothing left, /);
    }
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_flows.bad-input-2.*'), 7);
  });

  it('says that its certificate is refused', async () => {
    const gone = await addSender(workbench, 'gone');
    await workbench.mustKubectl(['delete', 'managedcluster', 'gone']);
    const file = inFolder('refused.log', `${flows(1, 76).join('\n')}\n`);
    const { code, stderr } = await forward(workbench, { ...gone, folder: sender.folder }, ['--flow', file]);
    assert.equal(code, 1);
    assert.match(stderr, /^error: the manager at \S+ refused this forwarder: certificate not registered\n$/);
  });

  it('refuses a manager of another CA', async () => {
    const folder = newFolder(workbench, 'other-ca');
    mkdirSync(folder, { recursive: true });
    const other = await createKeyPair({
      commonName: 'other',
      dnsNames: ['voltron'],
      usages: [],
      ca: true,
      notAfter: daysFromNow(1),
    });
    const credentials = credentialsFolder(folder, { ...sender.credentials, ca: other.certificate });
    const file = inFolder('distrusted.log', `${flows(1, 77).join('\n')}\n`);
    const args = ['forward', '--once', '--credentials', credentials, '--state', join(folder, 'state'), '--flow', file];
    const { code, stderr } = await mcm(workbench, [...args, '--retry-for', '100ms']);
    assert.equal(code, 3);
    assert.match(stderr, /is not the one that this forwarder was made for: its certificate is of another CA/);
  });

  it('goes on from the checkpoint before one that is damaged, else anew, says so, and stores nothing twice', async () => {
    const file = inFolder('damaged.log', `${flows(8, 78).join('\n')}\n`);
    const state = join(sender.folder, 'damaged-state');
    const args = ['--flow', file, '--state', state, '-o', 'json'];
    for (let run = 0; run < 2; run++) assert.equal((await forward(workbench, sender, args)).code, 0);
    const before = await workbench.elasticsearch.count('tigera_secure_ee_flows.bad-input.*');
    const files = readdirSync(state, { withFileTypes: true }).filter((entry) => entry.isFile());
    assert.deepEqual(
      files.map(({ name }) => name),
      ['checkpoint.json', 'checkpoint.previous.json', 'lock'],
    );
    const damaged = async (...names: string[]) => {
      for (const name of names) writeFileSync(join(state, name), '{"version":2,"positi');
      const { code, stdout, stderr } = await forward(workbench, sender, args);
      assert.equal(code, 0);
      const [type] = (JSON.parse(stdout) as ForwardReport).types;
      return { stderr, shipped: type?.shipped, known: type?.known };
    };
    const one = await damaged('checkpoint.json');
    assert.match(one.stderr, /^warning: the checkpoint \S+ is damaged \(.*\): going on from the one before it, \S+\n$/);
    assert.deepEqual([one.shipped, one.known], [0, 0]);
    const both = await damaged('checkpoint.json', 'checkpoint.previous.json');
    assert.match(both.stderr, /^warning: the checkpoint .*: everything is sent again \(nothing gets stored twice\)\n$/);
    assert.deepEqual([both.shipped, both.known], [8, 8]);
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_flows.bad-input.*'), before);
  });
});
