import assert from 'node:assert/strict';
import { globSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { mustRun, run } from '../testbed/processes.ts';
import { shell } from '../testbed/shells.ts';
import { addSender, eventually, newFolder, post, type Sender, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const CLUSTERS = ['comp-eu', 'comp-us'];
let eu: Sender;

before(async () => {
  [eu] = (await Promise.all(CLUSTERS.map((cluster) => addSender(workbench, cluster)))) as [Sender];
});

/** What the real kubectl makes of it; with a cache of its own where none is given. */
async function complete(words: readonly string[], cache = newFolder(workbench, 'cache')): Promise<string[]> {
  const { code, stdout, stderr } = await workbench.kubectl(['__complete', 'mcm', ...words], {
    env: { XDG_CACHE_HOME: cache },
  });
  assert.equal(code, 0, stderr);
  // All of it is kubectl's own.
  assert.match(stderr, /^(\[Debug\] .*\n)*Completion ended with directive: \w+(, \w+)*\n$/);
  return stdout.trimEnd().split('\n');
}

describe('kubectl completes', () => {
  it('commands', async () => {
    assert.deepEqual(await complete(['lo']), ['logs\tShow flow, DNS, audit and other logs of clusters', ':4']);
  });

  it('flags', async () => {
    const [first = ''] = await complete(['logs', '--cl']);
    assert.match(first, /^--cluster\tA managed cluster/);
    assert.deepEqual(await complete(['logs', '--order', 'desc', '--ord']), [':4']);
  });

  it('clusters, with their state', async () => {
    for (const words of [['--cluster', ''], ['--cluster=']]) {
      const lines = await complete(['logs', ...words]);
      assert.ok(lines.includes('cluster\tthe management cluster'), lines.join());
      for (const name of CLUSTERS)
        assert.ok(lines.some((line) => new RegExp(`^${name}\\t(Pending|Receiving)$`).test(line)));
    }
    const removed = await complete(['remove-cluster', '']);
    assert.ok(removed.some((line) => line.startsWith('comp-eu\t')) && !removed.some((line) => /^cluster\b/.test(line)));
    const more = await complete(['logs', '--cluster', 'comp-eu,comp-']);
    assert.match(more.join('\n'), /^comp-eu,comp-us\t\w+\n:4$/);
  });

  it('what is quick to know without asking the API server again', async () => {
    const cache = newFolder(workbench, 'cache');
    await complete(['logs', '--cluster', ''], cache);
    const [file = '', ...others] = globSync(join(cache, 'kubectl-mcm/clusters/*'));
    assert.deepEqual(others, []);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(join(file, '..')).mode & 0o777, 0o700);
    writeFileSync(file, '[{"value":"remembered"}]');
    assert.deepEqual(await complete(['logs', '--cluster', ''], cache), ['remembered', ':4']);
    // Somebody else may see other clusters.
    assert.deepEqual(await complete(['logs', '--as', 'stranger', '--cluster', ''], cache), [':1']);
    assert.equal(readdirSync(join(file, '..')).length, 1);
    const old = Date.now() / 1000 - 31;
    utimesSync(file, old, old);
    assert.ok((await complete(['logs', '--cluster', 'comp-e'], cache))[0]?.startsWith('comp-eu\t'));
    writeFileSync(file, 'no JSON');
    assert.ok((await complete(['logs', '--cluster', 'comp-e'], cache))[0]?.startsWith('comp-eu\t'));
    assert.match(readFileSync(file, 'utf8'), /comp-eu/);
  });

  it('what logs of the last hour name, as far as one may read them', async () => {
    const flow = (source: string, service: string, policy: string) => ({
      ...{ end_time: Date.now() / 1000 - 60, action: 'allow', reporter: 'src', proto: 'tcp', dest_port: 6379 },
      ...{ source_namespace: 'comp-shop', source_name: '-', source_name_aggr: source, source_type: 'wep' },
      ...{ dest_namespace: 'comp-data', dest_name: '-', dest_name_aggr: 'redis-*', dest_type: 'wep', bytes_in: 7 },
      ...{ dest_service_namespace: 'comp-data', dest_service_name: service },
      policies: { enforced_policies: [`0|default|${policy}|allow|0`, '1|__PROFILE__|__PROFILE__.kns.comp|allow|0'] },
    });
    const flows = [flow('web-7d9-*', 'redis', 'comp-shop/default.web'), flow('pub', 'redis', 'comp-shop/default.web')];
    const body = flows.map((one) => `${JSON.stringify(one)}\n`).join('');
    assert.equal((await post(eu.credentials, '/api/v1/flows/logs/bulk', body)).code, 200);
    await workbench.elasticsearch.request('POST', '/_refresh');
    const at = ['--cluster', 'comp-eu'];
    for (const [words, values] of [
      [['logs', ...at, '--from-namespace', 'comp-s'], ['comp-shop']],
      [
        ['top', ...at, '-n', ''],
        ['comp-data', 'comp-shop'],
      ],
      [['logs', ...at, '--not', '--pod', 'comp-shop/w'], ['comp-shop/web-7d9-']],
      [['logs', ...at, '--service='], ['comp-data/redis']],
      [['logs', ...at, '--policy', ''], ['comp-shop/default.web']],
      [['logs', ...at, '--port', ''], ['6379']],
      [['why-denied', ...at, 'comp-shop/web', 'comp-data/'], ['comp-data/redis-']],
      [['logs', ...at, '-q', 'dest_namespace = comp-d'], ['dest_namespace = comp-data']],
      [
        ['logs', ...at, '-q', 'action = allow AND source_name_aggr IN {pub, w'],
        ['action = allow AND source_name_aggr IN {pub, web-7d9-*'],
      ],
      [['logs', ...at, '-q', 'dest_port ='], ['dest_port = 6379']],
      [['logs', ...at, '-q', 'dest_service_name != '], ['dest_service_name != redis']],
      [['logs', ...at, '-q', 'bytes_in > '], []],
      // Nothing of that type is there, and nothing of that cluster may be read.
      [['logs', ...at, '--type', 'dns', '--from-namespace', ''], []],
      [['logs', ...at, '--as', 'stranger', '--from-namespace', ''], []],
    ] as const) {
      // A busy machine may take longer than somebody who has pressed a key waits.
      await eventually(async () => {
        const [directive, ...found] = (await complete(words)).toReversed();
        // Of a query, in its own order.
        const wanted = words.some((word) => word === '-q') ? ':36' : ':4';
        return directive === wanted && isDeepStrictEqual(found.toSorted(), values.map(String));
      });
    }
  });

  it('nothing where the API server does not answer, and does not wait for it', async (t) => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    t.after(() => silent.close());
    await new Promise((resolve) => silent.once('listening', resolve));
    const { port } = silent.address() as { port: number };
    const started = performance.now();
    const lines = await complete(['logs', '--server', `https://127.0.0.1:${port}`, '--cluster', '']);
    assert.deepEqual(lines, [':1']);
    assert.ok(performance.now() - started < 8_000);
  });
});

describe('a Node.js that is too old', () => {
  it('completes nothing, silently', async () => {
    const old = join(import.meta.dirname, 'old-node.cjs');
    const program = join(import.meta.dirname, '..', 'bin', 'kubectl_complete-mcm');
    const { stdout, stderr } = await run(process.execPath, ['--require', old, program, '']);
    assert.deepEqual([stdout, stderr], ['', '']);
  });
});

describe('the shim for kubectl', () => {
  it('stands in for the second program, under any name of the plugin', async () => {
    const shim = await mustRun('kubectl-mcm', ['completion', 'kubectl'], { env: workbench.env });
    const folder = newFolder(workbench, 'shim');
    for (const [name, script] of [
      ['kubectl_complete-calico_mcm', shim],
      ['kubectl_complete-gone', shim],
      ['kubectl-calico_mcm', '#!/bin/sh\nexec kubectl-mcm "$@"\n'],
    ] as const) {
      writeFileSync(join(folder, name), script, { mode: 0o755 });
    }
    const env = { ...workbench.env, PATH: `${folder}:${workbench.env.PATH}` };
    const asked = await run('kubectl', ['__complete', 'calico-mcm', 'logs', '--order', ''], { env });
    assert.equal(asked.stdout, 'asc\ndesc\narrival\n:4\n');
    const gone = await run('kubectl_complete-gone', [''], { env });
    assert.deepEqual([gone.code, gone.stdout, gone.stderr], [0, ':1\n', '']);
  });

  it('is refused for a shell that there is not', async () => {
    const { code, stderr } = await workbench.mcm(['completion', 'tcsh']);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: unsupported shell type "tcsh": must be one of bash, zsh, fish, powershell, kubectl\n/,
    );
  });
});

describe('the script for PowerShell', () => {
  it('registers a completer that asks the plugin, whose lines it reads', async () => {
    const script = await mustRun('kubectl-mcm', ['completion', 'powershell'], { env: workbench.env });
    assert.match(script, /^Register-ArgumentCompleter -Native -CommandName 'kubectl-mcm' -ScriptBlock \{\n/m);
    assert.match(script, /& \$commandAst\.CommandElements\[0\]\.ToString\(\) __complete @words \$typed 2>\$null \|\n/);
    // Neither an escape that was one of ours, nor a bracket too many.
    assert.match(script, /-notmatch '\^:\\d\+\$'/);
    assert.match(script, /\$_ -split "`t", 2/);
    for (const [open, close] of ['{}', '()', '[]']) {
      assert.equal(script.split(String(open)).length, script.split(String(close)).length, `${open}${close}`);
    }
    const lines = await mustRun('kubectl-mcm', ['__complete', 'logs', '--order', ''], { env: workbench.env });
    assert.equal(lines, 'asc\ndesc\narrival\n:4\n');
  });
});

/** Lines that are typed, up to the key, and what they are then. */
const LINES = [
  ['kubectl-mcm reten', 'kubectl-mcm retention'],
  ['kubectl-mcm logs --order=d', 'kubectl-mcm logs --order=desc'],
  ['kubectl-mcm logs --order d', 'kubectl-mcm logs --order desc'],
  ['kubectl-mcm logs --cluster comp-e', 'kubectl-mcm logs --cluster comp-eu'],
  ['kubectl-mcm logs --type flow,dn', 'kubectl-mcm logs --type flow,dns'],
  ["kubectl-mcm logs -q 'action = d", "kubectl-mcm logs -q 'action = deny'"],
  ['kubectl-mcm forward --flow=some.lo', 'kubectl-mcm forward --flow=some.log'],
] as const;

/** Types each line and the key, and reads the line back: by the key ^X^T it is printed between marks. */
describe('in a real', () => {
  const folder = newFolder(workbench, 'typing');
  writeFileSync(join(folder, 'some.log'), '');

  it('bash', async () => {
    for (const [typed, wanted] of LINES) {
      // As readline splits and calls it: a word is what it puts in, behind the last = or : and within quotes.
      const script = `source <(kubectl-mcm completion bash)
COMP_LINE=$1 COMP_POINT=\${#1} COMP_TYPE=9
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
__kubectl_mcm; printf '%s\\n' "\${COMPREPLY[@]}"; complete -p kubectl-mcm`;
      const words = typed.match(/'[^']*$|=|[^\s=]+/g) ?? [];
      const env = workbench.env;
      const stdout = await mustRun('bash', ['--norc', '-c', script, 'bash', typed, ...words], { env, cwd: folder });
      const word = (words.at(-1) ?? '').replace(/^'/, '');
      const put = wanted.replace(/'$/, '').slice(typed.length - word.length);
      assert.equal(stdout, `${put}\ncomplete -F __kubectl_mcm kubectl-mcm\n`, typed);
    }
  });

  it('bash, with descriptions where words are only listed', async () => {
    const script = `source <(kubectl-mcm completion bash)
COMP_LINE='kubectl-mcm reten' COMP_POINT=17 COMP_WORDS=(kubectl-mcm reten) COMP_CWORD=1 COMP_TYPE=63
__kubectl_mcm; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const stdout = await mustRun('bash', ['--norc', '-c', script], { env: workbench.env });
    assert.equal(stdout, 'retention  (Show how long logs are kept, and what goes next)\n');
  });

  it('zsh', async () => {
    const { command, env, root } = await shell('zsh');
    const setUp = [
      ...(root === '/' ? [] : [`module_path=(${globSync(join(root, 'usr/lib/*/zsh/*')).join(' ')})`]),
      ...(root === '/' ? [] : [`fpath=(${globSync(join(root, 'usr/share/zsh/functions/**/')).join(' ')})`]),
    ].join('; ');
    // A terminal of zsh's own, in which a key prints the line as it is then.
    const script = `${setUp}
zmodload zsh/zpty
zpty -b inner ${command} -f -i
say() { zpty -w inner "$1"; }
say ${JSON.stringify(setUp)}
say 'PS1= RPS1= ; unsetopt prompt_cr prompt_sp zle_bracketed_paste; autoload -U compinit; compinit -u -D'
say 'source <(kubectl-mcm completion zsh); show() { print "<<$BUFFER>>"; BUFFER= }; zle -N show; bindkey ^T show'
say 'print ready$((1 + 1))'
zpty -r inner line '*ready2*'
for typed in "$@"; do
  zpty -w -n inner "$typed"$'\\t'$'\\x14'
  zpty -r inner line '*<<*>>*' && print -r -- "\${\${line##*<<}%%>>*}"
done`;
    const stdout = await mustRun(command, ['-f', '-c', script, 'zsh', ...LINES.map(([typed]) => typed)], {
      env: { ...workbench.env, ...env },
      cwd: folder,
    });
    assert.deepEqual(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.trimEnd()),
      LINES.map(([, wanted]) => wanted),
    );
  });

  it('fish', async () => {
    const { command, env, root } = await shell('fish');
    const functions = `set -a fish_function_path ${join(root, 'usr/share/fish/functions')}`;
    const script = `${functions}; kubectl-mcm completion fish | source; for typed in $argv; complete -C $typed; end`;
    const stdout = await mustRun(command, ['-c', script, ...LINES.map(([typed]) => typed)], {
      env: { ...workbench.env, ...env, XDG_CONFIG_HOME: folder },
      cwd: folder,
    });
    const values = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t')[0]);
    // The last word, without quotes.
    assert.deepEqual(
      values,
      LINES.map(([, wanted]) => /'(.*)'$/.exec(wanted)?.[1] ?? wanted.split(' ').at(-1)),
    );
  });
});
