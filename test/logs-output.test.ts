import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { coloured } from '../src/plugin/logs/colours.ts';
import { run } from '../testbed/processes.ts';
import { addSender, forward, mcm, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const END = Math.floor(Date.now() / 1000) - 60;
const POLICIES = { enforced_policies: ['0|security|security.egress-deny|deny|-1'], pending_policies: [] };

/** One flow with addresses, and one that was counted together with others. */
const FLOWS = [
  {
    ...{
      start_time: END - 10,
      end_time: END,
      action: 'deny',
      reporter: 'src',
      proto: 'tcp',
      num_flows: 3,
      num_flows_started: 3,
    },
    ...{ source_namespace: 'store', source_name: 'checkout-5d9894c7-x2v4q', source_ip: '10.1.4.7', source_type: 'wep' },
    ...{ dest_namespace: '-', dest_name: '-', dest_name_aggr: 'pub', dest_ip: '203.0.113.9', dest_type: 'net' },
    ...{ dest_port: 443, policies: POLICIES },
  },
  {
    ...{ start_time: END - 9, end_time: END + 1, action: 'allow', reporter: 'dst', proto: 'tcp', num_flows: 12 },
    ...{ source_namespace: 'store', source_name: '-', source_name_aggr: 'frontend-754cdbf884-*', source_ip: null },
    ...{ dest_namespace: 'store', dest_name: '-', dest_name_aggr: 'redis-*', dest_ip: null, dest_port: 6379 },
    policies: { enforced_policies: ['0|default|store/default.redis|allow|0'], pending_policies: [] },
  },
];

const AT = ['--cluster', 'shown-eu', '--since', '1h'];

before(async () => {
  const sender = await addSender(workbench, 'shown-eu');
  await addSender(workbench, 'shown-us');
  const file = join(sender.folder, 'flows.log');
  writeFileSync(file, FLOWS.map((flow) => `${JSON.stringify(flow)}\n`).join(''));
  const { code, stderr } = await forward(workbench, sender, ['--flow', file]);
  assert.equal(code, 0, stderr);
  await workbench.elasticsearch.request('POST', '/_refresh');
});

/** What is printed for people who have no problems. */
async function shown(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, stdout, stderr } = await mcm(workbench, ['logs', ...AT, ...args], { env });
  assert.deepEqual([code, stderr], [0, '']);
  return stdout;
}

/** The same on a terminal of 60 columns. */
async function onTerminal(command: string, more: NodeJS.ProcessEnv = {}): Promise<readonly string[]> {
  const line = `stty cols 60; kubectl mcm ${command}`;
  const env = { ...workbench.env, LC_ALL: 'C.UTF-8', TERM: 'xterm', NO_COLOR: '', ...more };
  const { code, stdout } = await run('script', ['-qec', line, '/dev/null'], { env });
  assert.equal(code, 0, stdout);
  return stdout.trimEnd().split('\r\n');
}

const ISO = [END, END + 1].map((seconds) => new Date(seconds * 1000).toISOString());

describe('logs show', () => {
  it('times as they are asked for', async () => {
    const times = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
      (await shown(args, env))
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ {2,}|,/)[0] ?? '');
    assert.deepEqual(await times(['-o', 'table', '--no-headers']), ISO);
    assert.deepEqual(await times(['--time-format', 'RFC3339']), ISO);
    assert.deepEqual(await times(['--time-format', 'unix']), [`${END}.000`, `${END + 1}.000`]);
    for (const age of await times(['--time-format', 'age'])) assert.match(age, /^\d+(s|m|m\d+s)$/);
    const short = ISO.map((time) => `${time.slice(8, 10)} ${time.slice(11, 23)}`);
    const days = async (args: readonly string[], TZ: string) =>
      (await times(args, { TZ })).map((time) => time.replace(/^[A-Z][a-z]{2} /, ''));
    assert.deepEqual(await days(['--utc'], 'Asia/Kathmandu'), short);
    assert.deepEqual(await days([], 'UTC'), short);
    // 5:45 ahead.
    const ahead = [END, END + 1].map((seconds) => new Date((seconds + 20_700) * 1000).toISOString());
    assert.deepEqual(
      await days([], 'Asia/Kathmandu'),
      ahead.map((time) => `${time.slice(8, 10)} ${time.slice(11, 23)}`),
    );
  });

  it('every output, of the records as they came', async () => {
    const lines = async (output: string, ...more: string[]) =>
      (await shown(['-o', output, ...more])).trimEnd().split('\n');
    const json = (await lines('json')).map((line) => JSON.parse(line));
    assert.deepEqual(
      json.map(({ cluster, log_type, '@timestamp': time }) => [cluster, log_type, time]),
      [END, END + 1].map((seconds) => ['shown-eu', 'flows', seconds * 1000]),
    );
    assert.deepEqual(
      (await lines('raw')).map((line) => JSON.parse(line)),
      FLOWS.map((flow) => ({ ...flow, host: 'node-1' })),
    );
    assert.deepEqual(
      await lines('name'),
      json.map(({ log_id }) => `flows/${log_id}`),
    );
    assert.deepEqual(
      parseAllDocuments(await shown(['-o', 'yaml'])).map((document) => document.toJS()),
      json,
    );
    assert.deepEqual(await lines('jsonpath={.source_namespace}:{.dest_port}'), ['store:443', 'store:6379']);
    const columns = 'custom-columns=PORT:.dest_port,TO:.dest_ip';
    assert.deepEqual(await lines(columns), ['PORT   TO', '443    203.0.113.9', '6379   <none>']);
    assert.deepEqual(await lines(columns, '--no-headers'), ['443    203.0.113.9', '6379   <none>']);
    const [header = '', first = '', ...others] = await lines('csv');
    assert.match(header, /^TIME,CLUSTER,ACTION,SOURCE,DESTINATION,PROTO,PORT,/);
    assert.ok(
      first.startsWith(`${ISO[0]},shown-eu,deny,store/checkout-5d9894c7-x2v4q,203.0.113.9 (public),tcp,443,3,`),
    );
    assert.deepEqual(await lines('csv', '--no-headers'), [first, ...others]);
    const table = await lines('table');
    assert.match(table[0] ?? '', /^TIME +ACTION +SOURCE +DESTINATION +PROTO +PORT +FLOWS +REPORTER +POLICY$/);
    assert.match(
      table[1] ?? '',
      / deny +store\/checkout-5d9894c7-x2v4q +203\.0\.113\.9 \(public\) +tcp +443 +3 +src +security\/egress-deny$/,
    );
    const [, wide = ''] = await lines('wide');
    assert.match(wide, /Z {3}shown-eu {3}deny .* 10\.1\.4\.7 +203\.0\.113\.9 .* node-1$/);
  });

  it('colours and bars on a terminal, where nobody has said otherwise', async () => {
    const logs = `logs --cluster shown-eu,shown-us --since 1h --max-width 0`;
    for (const line of await onTerminal(logs)) assert.ok(line.includes(`  ${coloured('shown-eu')}  `), line);
    for (const [command, env] of [
      [`${logs} --color never`, {}],
      [logs, { NO_COLOR: '1' }],
      [logs, { TERM: 'dumb' }],
    ] as const) {
      for (const line of await onTerminal(command, env)) assert.match(line, / {2}shown-eu {2}/);
    }
    const top = await onTerminal('top --cluster shown-eu --since 1h --by port --metric flows');
    assert.match(top.join('\n'), /^PORT +FLOWS +SHARE\ntcp\/443 +3 +100\.0% {3}█+\n\(all 1\) +3 +total$/);
  });

  it('whose logs they were, where nobody has said it and there are none', async () => {
    const hint =
      'These were the logs of the management cluster: --cluster NAME, -l SELECTOR or --all-clusters ask for others.\n';
    for (const [args, told] of [
      [['logs', '--type', 'waf', '--since', '1h'], `No resources found\n${hint}`],
      [['logs', '--type', 'waf', '--since', '1h', '--cluster', 'cluster'], 'No resources found\n'],
      [['top', '--since', '1h', '--pod', 'nobody'], `No resources found\n${hint}`],
      [['why-denied', 'nowhere/nobody', 'nowhere/anybody'], hint],
      [['why-denied', 'nowhere/nobody', 'nowhere/anybody', '--cluster', 'cluster'], ''],
    ] as const) {
      const { code, stderr } = await mcm(workbench, args);
      assert.deepEqual([code, stderr], [0, told], args.join(' '));
    }
  });

  it('nothing where flags do not go together', async () => {
    const { code, stdout, stderr } = await mcm(workbench, ['logs', ...AT, '--gzip']);
    const message = 'error: --gzip is of no use without --export DIR, whose files it compresses\n';
    assert.deepEqual([code, stdout, stderr], [1, '', message]);
  });

  it('--numeric addresses, where there are any', async () => {
    const [denied = '', allowed = ''] = (await shown(['--numeric'])).split('\n');
    assert.match(denied, / {2}deny {3}10\.1\.4\.7 -> 203\.0\.113\.9 +tcp\/443 /);
    assert.match(allowed, / {2}allow {2}store\/frontend-754cdbf884-\* -> store\/redis-\* {2}tcp\/6379 /);
    assert.match(
      await shown([]),
      / {2}deny {3}store\/checkout-5d9894c7-x2v4q -> 203\.0\.113\.9 \(public\) {2}tcp\/443 /,
    );
    assert.match(await shown(['--numeric', '-o', 'wide']), / {3}10\.1\.4\.7 +203\.0\.113\.9 +tcp /);
    assert.equal(await shown(['--numeric', '-o', 'json']), await shown(['-o', 'json']));
  });

  it('--max-width columns, by themselves those of a terminal', async () => {
    const whole = (await shown([])).trimEnd().split('\n');
    assert.ok(whole.every(({ length }) => length > 100));
    const cut = (await shown(['--max-width', '50'])).trimEnd().split('\n');
    assert.deepEqual(
      cut.map((line) => line.replace(/(…|\.\.\.)$/, '')),
      whole.map((line, at) => line.slice(0, cut[at]?.endsWith('…') ? 49 : 47)),
    );
    const args = AT.join(' ');
    assert.deepEqual(
      await onTerminal(`logs ${args}`),
      whole.map((line) => `${line.slice(0, 59)}…`),
    );
    assert.deepEqual(await onTerminal(`logs ${args} --max-width 0`), whole);
    assert.deepEqual(await onTerminal(`logs ${args} | cat`), whole);
    const { code, stderr } = await mcm(workbench, ['logs', ...AT, '--max-width', 'wide']);
    assert.deepEqual(
      [code, stderr],
      [1, 'error: invalid argument "wide" for "--max-width" flag: must be a number of columns, or 0 for all\n'],
    );
  });
});
