import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { createKeyPair, daysFromNow } from '../src/clusters/key-pair.ts';
import { tokenContext, writeKubeconfig } from '../testbed/kubernetes/cluster.ts';
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

describe('the command line', () => {
  for (const [args, words] of [
    [['nonsense'], `error: unknown command "nonsense" for "kubectl mcm"\nSee 'kubectl mcm --help' for usage.\n`],
    [
      ['install', 'nonsense'],
      `error: unknown command "install nonsense" for "kubectl mcm"\nSee 'kubectl mcm --help' for usage.\n`,
    ],
    [['clusters', '--bogus'], `error: unknown flag: --bogus\nSee 'kubectl mcm clusters --help' for usage.\n`],
    [['clusters', '-x'], `error: unknown shorthand flag: 'x' in -x\nSee 'kubectl mcm clusters --help' for usage.\n`],
    [['clusters', 'one'], `error: unexpected argument "one"\nSee 'kubectl mcm clusters --help' for usage.\n`],
    [
      ['clusters', '-o', 'xml'],
      `error: invalid argument "xml" for "--output" flag: must be one of json, yaml, name\nSee 'kubectl mcm clusters --help' for usage.\n`,
    ],
    [['add-cluster'], `error: exactly one NAME is required, got 0\nSee 'kubectl mcm add-cluster --help' for usage.\n`],
    [['logs'], `error: required flag(s) "cluster" not set\nSee 'kubectl mcm logs --help' for usage.\n`],
    [['logs', '--cluster'], `error: flag needs an argument: --cluster\nSee 'kubectl mcm logs --help' for usage.\n`],
    [
      ['logs', '--cluster', 'a', '--type', 'flaws'],
      'error: invalid argument "flaws" for "--type" flag: must be one of flow, dns, audit, audit-ee, audit-kube\n',
    ],
    [
      ['logs', '--cluster', 'a', '--tail', '0'],
      'error: invalid argument "0" for "--tail" flag: must be a number from 1 to 10000\n',
    ],
    [
      ['logs', '--cluster', 'a', '--tail', 'all'],
      'error: invalid argument "all" for "--tail" flag: must be a number from 1 to 10000\n',
    ],
    [
      ['clusters', '--request-timeout', 'soon'],
      'error: Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a corresponding time unit (e.g. 1s | 2m | 3h)\n',
    ],
    [['--foo'], `error: unknown flag: --foo\nSee 'kubectl mcm --help' for usage.\n`],
    [['clusters', '--user', 'nope'], 'error: auth info "nope" does not exist\n'],
    [
      ['logs', '--cluster', 'PROD-*'],
      'error: invalid argument "PROD-*" for "--cluster" flag: not a managed cluster\'s name\n',
    ],
    [
      ['logs', '--cluster', 'a', '--since', '1m', '--until', '5m'],
      'error: --until is not after --since, so nothing can be between them\n',
    ],
    [
      ['add-cluster', 'x', '--operator-namespace', 'Bad NS'],
      'error: invalid argument "Bad NS" for "--operator-namespace" flag: not a namespace\'s name\n',
    ],
    [
      ['clusters', '--as-group', 'x'],
      'error: requesting uid, groups or user-extra without impersonating a user\ngive --as as well\n',
    ],
  ] as const) {
    it(`mcm ${args.join(' ')}`, async () => assert.equal(await failure(args), words));
  }

  for (const since of ['abc', '5', '-5m', '5x', '2026-13-40', '2026-11-22T10:00:00', 'yesterday', '1h 30m']) {
    it(`--since=${since}`, async () => {
      const words = await failure(['logs', '--cluster', 'a', `--since=${since}`]);
      assert.match(
        words,
        new RegExp(`^error: invalid argument "${since}" for "--since" flag: time: invalid duration "${since}"\n`),
      );
    });
  }
});

describe('the API server', () => {
  it('that no kubeconfig names', async () => {
    const words = await failure(['clusters'], { KUBECONFIG: '/nonexistent' });
    assert.match(
      words,
      /^error: Missing or incomplete configuration info\. {2}Please point to an existing, complete config file:\n/,
    );
  });

  it('of a kubeconfig that is not there', async () => {
    assert.equal(
      await failure(['clusters', '--kubeconfig', '/nonexistent']),
      'error: stat /nonexistent: no such file or directory\n',
    );
  });

  it('of a kubeconfig that does not parse', async () => {
    const file = join(newFolder(workbench, 'kubeconfig'), 'config');
    writeFileSync(file, 'clusters: [\n');
    assert.match(
      await failure(['clusters', '--kubeconfig', file]),
      new RegExp(`^error: error loading config file "${file}": `),
    );
  });

  it('of a context that is not there', async () => {
    assert.match(await failure(['clusters', '--context', 'nope']), /^error: context "nope" does not exist\n/);
  });

  for (const args of [
    ['clusters'],
    ['logs', '--cluster', 'a'],
    ['add-cluster', 'x'],
    ['install', 'management', '--address', 'a.example:1'],
  ]) {
    it(`that is down, for ${args[0]}`, async () => {
      const [port] = await freePorts(1);
      assert.equal(
        await failure([...args, '--server', `https://127.0.0.1:${port}`]),
        `The connection to the server 127.0.0.1:${port} was refused - did you specify the right host or port?\n`,
      );
    });
  }

  it('that is given without a scheme', async () => {
    const [port] = await freePorts(1);
    assert.match(
      await failure(['clusters', '-s', `127.0.0.1:${port}`]),
      /^The connection to the server 127\.0\.0\.1:\d+ was refused/,
    );
  });

  it('that has the certificate of another', async () => {
    const [other] = workbench.facts.managed;
    assert.equal(
      await failure(['clusters', '--server', other?.url ?? '']),
      'Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority\n',
    );
  });

  it('that does not know the user', async () => {
    const file = join(newFolder(workbench, 'stranger'), 'config');
    writeKubeconfig(file, [tokenContext(workbench.facts.management, 'wrong')]);
    assert.equal(
      await failure(['clusters', '--kubeconfig', file]),
      'error: You must be logged in to the server (Unauthorized)\n',
    );
  });

  it('of a cluster that is no management cluster', async () => {
    assert.match(
      await failure(['clusters', '--context', 'prod-eu']),
      /^Error from server \(NotFound\): .*\nThis is no management cluster yet: kubectl mcm install management --address HOST:PORT\n$/,
    );
  });

  it('that does not let the user', async () => {
    assert.equal(
      await failure(['clusters', '--as', 'nobody']),
      'Error from server (Forbidden): managedclusters.kubectl-mcm.io is forbidden: User "nobody" cannot list resource "managedclusters" in API group "kubectl-mcm.io" at the cluster scope\n',
    );
  });
});

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
      `{"end_time":${NOW},"source_ip":"not an address"}`,
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
      /^not a JSON object\nnot a JSON object\nnot a JSON object\nno usable time in end_time\nno usable time in end_time\nits time, .* older than the 8 days that are kept\nits time, .* more than 12 hours ahead\n.*Duplicate field 'action'.*\n.*source_ip.*$/s,
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
      ['files: {flaw: [x]}\n', /forward\.yaml: unknown log type "flaw"; there are flow, dns, audit-ee, audit-kube\n/],
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
    assert.match(
      await failure(['forward']),
      /^error: required flag\(s\) "once" not set\nSee 'kubectl mcm forward --help' for usage\.\n$/,
    );
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
    assert.deepEqual(readdirSync(state), ['checkpoint.json', 'checkpoint.previous.json', 'lock']);
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

describe('the port for managed clusters', () => {
  let sender: Sender;
  before(async () => {
    sender = await addSender(workbench, 'posting');
  });

  for (const [what, path, headers, code, words] of [
    ['a path that is none', '/api/v1/flows', {}, 404, /no log type is taken at this path/],
    ['a path with a query', '/api/v1/flows/logs/bulk?cluster=x', {}, 404, /no log type is taken/],
    ['an encoding that is not known', '/api/v1/flows/logs/bulk', { 'content-encoding': 'br' }, 415, /br is not taken/],
    ['what is not gzip', '/api/v1/flows/logs/bulk', { 'content-encoding': 'gzip' }, 400, /the body is not gzip/],
    [
      'a file key that is none',
      '/api/v1/flows/logs/bulk',
      { 'kubectl-mcm-file-key': 'x' },
      400,
      /32 lower-case hexadecimal digits/,
    ],
    ['an offset without a file', '/api/v1/flows/logs/bulk', { 'kubectl-mcm-offset': '5' }, 400, /file-key/],
  ] as const) {
    it(`answers ${what}`, async () => {
      const answer = await post(sender.credentials, path, '{}\n', { headers });
      assert.equal(answer.code, code, answer.text);
      assert.match(answer.text, words);
    });
  }

  it('takes what other shippers send, without positions: equal flows are two, equal audit records one', async () => {
    const now = Math.floor(Date.now() / 1000);
    const flow = `{"end_time":${now},"action":"allow"}\n`;
    const audit = `{"kind":"Event","auditID":"b","stage":"ResponseComplete","stageTimestamp":"${new Date().toISOString()}"}\n`;
    for (const round of [1, 2]) {
      const flows = await post(sender.credentials, '/api/v1/flows/logs/bulk', flow + flow);
      assert.deepEqual(JSON.parse(flows.text), { accepted: 2, known: round === 1 ? 0 : 2, setAside: 0, reasons: [] });
      const audits = await post(sender.credentials, '/api/v1/audit/logs/kube/bulk', audit + audit);
      assert.deepEqual(JSON.parse(audits.text), { accepted: 2, known: round === 1 ? 1 : 2, setAside: 0, reasons: [] });
    }
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_flows.posting.*'), 2);
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_audit_kube.posting.*'), 1);
  });
});
