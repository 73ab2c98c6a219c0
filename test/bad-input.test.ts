import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tokenContext, writeKubeconfig } from '../testbed/kubernetes/cluster.ts';
import { freePorts } from '../testbed/processes.ts';
import { mcm, newFolder, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();

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
    [['logg'], 'error: unknown command "logg" for "kubectl mcm"\n\nDid you mean this?\n\tlogs\n'],
    [
      ['install', 'managment'],
      'error: unknown command "install managment" for "kubectl mcm"\n\nDid you mean this?\n\tinstall management\n',
    ],
    [
      ['logs', 'prod-eu'],
      'error: unexpected argument "prod-eu"\n\nDid you mean this?\n\tkubectl mcm logs --cluster prod-eu\n',
    ],
    [['logs', '-F'], `error: unknown shorthand flag: 'F' in -F\nSee 'kubectl mcm logs --help' for usage.\n`],
    [['clusters', '--bogus'], `error: unknown flag: --bogus\nSee 'kubectl mcm clusters --help' for usage.\n`],
    [['clusters', '-x'], `error: unknown shorthand flag: 'x' in -x\nSee 'kubectl mcm clusters --help' for usage.\n`],
    [['clusters', 'one'], `error: unexpected argument "one"\nSee 'kubectl mcm clusters --help' for usage.\n`],
    [
      ['clusters', '-o', 'xml'],
      `error: invalid argument "xml" for "--output" flag: must be one of wide, json, yaml, name\nSee 'kubectl mcm clusters --help' for usage.\n`,
    ],
    [['add-cluster'], 'error: exactly one NAME is required, or --filename\n'],
    [['logs', '--cluster'], `error: flag needs an argument: --cluster\nSee 'kubectl mcm logs --help' for usage.\n`],
    [
      ['logs', '--cluster', 'a', '--type', 'flaws'],
      'error: invalid argument "flaws" for "--type" flag: must be one of flow, dns, audit, audit-ee, audit-kube, l7, bgp, events, waf\n',
    ],
    [
      ['logs', '--cluster', 'a', '--tail', '0'],
      'error: invalid argument "0" for "--tail" flag: must be a number from 1, or -1 for all\n',
    ],
    [
      ['logs', '--cluster', 'a', '--tail', 'all'],
      'error: invalid argument "all" for "--tail" flag: must be a number from 1, or -1 for all\n',
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
    ['install', 'management', '--address', 'a.example:1', '--external-manager', 'a.example:2'],
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

  it('that is another kind of server', async (t) => {
    const server = createServer((_request, response) => response.end('<html>Welcome</html>'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    assert.equal(
      await failure(['clusters', '--server', url]),
      `Unable to connect to the server: ${url} answered 200 with what is not JSON - did you specify a Kubernetes API server?\n`,
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
      /^Error from server \(NotFound\): the server could not find the requested resource\nThis is no management cluster yet: kubectl mcm install management --help\n$/,
    );
  });

  it('that does not let the user', async () => {
    assert.equal(
      await failure(['clusters', '--as', 'nobody']),
      'Error from server (Forbidden): managedclusters.kubectl-mcm.io is forbidden: User "nobody" cannot list resource "managedclusters" in API group "kubectl-mcm.io" at the cluster scope\n',
    );
  });
});
