import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { after, describe, it } from 'node:test';
import { COMMANDS } from '../commands/index.ts';
import { printCompletion } from './complete.ts';

const folder = mkdtempSync(join(tmpdir(), 'completion-'));
after(() => rmSync(folder, { recursive: true }));

const kubeconfig = join(folder, 'config');
writeFileSync(
  kubeconfig,
  `contexts: [{name: 'arn:aws:eks', context: {cluster: c, user: u}}, {name: kind, context: {cluster: d, user: v}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}, {name: d, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: u, user: {}}, {name: v, user: {}}]
current-context: kind
`,
);

/** Values and directive; nothing may be on stderr. */
async function complete(
  ...words: readonly string[]
): Promise<{ values: string[]; directive: string; lines: string[] }> {
  const written = { out: '', err: '' };
  const into = (name: keyof typeof written) =>
    new Writable({
      write: (chunk, _encoding, done) => {
        written[name] += chunk;
        done();
      },
    });
  const env = { KUBECONFIG: kubeconfig, HOME: folder };
  const io = { out: into('out'), err: into('err'), env, now: () => Date.parse('2026-11-23T12:00:00Z') };
  assert.equal(await printCompletion(words, io), 0);
  assert.equal(written.err, '');
  const lines = written.out.split('\n').slice(0, -1);
  const directive = lines.pop() ?? '';
  return { values: lines.map((line) => line.split('\t')[0] ?? ''), directive, lines };
}

describe('completion', () => {
  it('knows every command', async () => {
    const first = new Set(COMMANDS.map(({ words }) => words.split(' ')[0]));
    assert.deepEqual(new Set((await complete('')).values), first);
    for (const { words, summary } of COMMANDS) {
      const { lines } = await complete(...words.split(' '));
      assert.ok(lines.includes(`${words.split(' ').at(-1)}\t${summary}`), words);
    }
  });

  it('knows every flag of every command', async () => {
    for (const { words, load } of COMMANDS) {
      const { command } = await load();
      const { values, directive } = await complete(...words.split(' '), '--');
      for (const name of Object.keys(command.flags)) assert.ok(values.includes(`--${name}`), `${words} --${name}`);
      assert.ok(values.includes('--context') && values.includes('--help'));
      assert.equal(directive, ':4');
    }
  });

  for (const [words, values, directive = ':4'] of [
    [['ret'], ['retention']],
    [['help', 'cl'], ['clusters']],
    [
      ['install', ''],
      ['management', 'managed'],
    ],
    [['forward', 's'], ['status']],
    [['nonsense', ''], []],
    // A flag before the command, with its value.
    [['--context', 'kind', 'vers'], ['version']],
    [['logs', '--ord'], ['--order']],
    [
      ['logs', '--order', ''],
      ['asc', 'desc', 'arrival'],
    ],
    [['logs', '--order=d'], ['desc']],
    [['logs', '--order', 'asc', '--ord'], []],
    [['logs', '-o', 'json', '--out'], []],
    [['logs', '--port', '443', '--port'], ['--port']],
    [['logs', '--last', '5', '--tail'], []],
    [['logs', '--strict', '--stri'], []],
    [['logs', '--strict=', ''], []],
    [
      ['logs', '--strict='],
      ['true', 'false'],
    ],
    [['logs', '--not', '--sin'], []],
    [['logs', '--not', '--act'], ['--action']],
    [
      ['logs', '--no'],
      ['--no-headers', '--not'],
    ],
    [
      ['logs', '--action', ''],
      ['allow', 'deny', 'pass'],
    ],
    [['logs', '--verdict', 'd'], ['deny']],
    [
      ['logs', '--rcode', 'NX'],
      ['NXDomain', 'NXRRSet'],
    ],
    [
      ['logs', '--qtype', 'S'],
      ['SRV', 'SOA'],
    ],
    [
      ['logs', '--protocol', 'i'],
      ['icmp', 'icmp6'],
    ],
    [
      ['top', '--verb', 'd'],
      ['delete', 'deletecollection'],
    ],
    [['logs', '--type', 'flow,d'], ['flow,dns']],
    [['logs', '--type', 'dns,flow,dn'], []],
    [['logs', '-o', 'cu'], ['custom-columns='], ':6'],
    [['logs', '--since', '1'], ['15m', '1h'], ':36'],
    [['logs', '--since', '2026'], ['2026-11-23', '2026-11-22'], ':36'],
    [
      ['logs', '--context', ''],
      ['arn:aws:eks', 'kind'],
    ],
    [
      ['logs', '--kube-cluster='],
      ['c', 'd'],
    ],
    [
      ['clusters', '--user', ''],
      ['u', 'v'],
    ],
    // That of logs is who did something, which only logs can tell.
    [['logs', '--user', ''], [], ':1'],
    [
      ['logs', '--kube-user', ''],
      ['u', 'v'],
    ],
    [['logs', '--kubeconfig', 'x'], [], ':0'],
    [['logs', '--', '--ord'], []],
    [
      ['layout', 'set', ''],
      ['per-cluster', 'shared'],
    ],
    [['layout', 'set', 'shared', ''], []],
    [['completion', 'z'], ['zsh']],
    [
      ['retention', 'set', ''],
      ['--type', '--days'],
    ],
    [['retention', 'set', '--type', 'flow', ''], ['--days']],
    [
      ['logs', '-q', 'rep'],
      [
        'reporter =',
        'reporter !=',
        'reporter <',
        'reporter <=',
        'reporter >',
        'reporter >=',
        'reporter IN {',
        'reporter NOTIN {',
      ],
      ':36',
    ],
    [
      ['logs', '-q', 'num_flows > 5 AND dest_la'],
      ['=', '!=', 'IN {', 'NOTIN {'].map((operator) => `num_flows > 5 AND dest_labels ${operator}`),
      ':36',
    ],
    [['logs', '-q', 'dest_service_'], ['dest_service_name', 'dest_service_namespace', 'dest_service_port'], ':36'],
    [['logs', '--type', 'dns', '-q', 'rcode = NXD'], ['rcode = NXDomain'], ':36'],
    [['logs', '--type', 'audit', '-q', 'verb IN {up'], ['verb IN {update'], ':36'],
    [['logs', '-q', 'action ='], ['action = allow', 'action = deny', 'action = pass'], ':36'],
    [['logs', '-q', 'NOT action IN {allow, d'], ['NOT action IN {allow, deny'], ':36'],
    [['logs', '--type', 'events', '-q', 'dismissed = '], ['dismissed = true', 'dismissed = false'], ':36'],
    [['logs', '-q', 'action = deny '], ['action = deny AND', 'action = deny OR'], ':36'],
    [
      ['logs', '-q', 'source_labels '],
      ['source_labels =', 'source_labels !=', 'source_labels IN {', 'source_labels NOTIN {'],
      ':36',
    ],
    // What has no end yet, a type that is none, a server that is not there, a flag that says nothing.
    [['logs', '-q', 'action = "de'], [], ':1'],
    [['logs', '--type', 'nonsense', '-q', 'a'], [], ':1'],
    [['logs', '--cluster', ''], [], ':1'],
    [['logs', '--request-timeout', 'never', '--context', ''], [], ':1'],
    [['logs', '--kubeconfig', '/nowhere', '--context', ''], [], ':1'],
  ] as const) {
    it(`of ${words.join(' ')}`, async () => {
      const found = await complete(...words);
      assert.equal(found.directive, directive);
      assert.deepEqual(found.values, values);
    });
  }
});
