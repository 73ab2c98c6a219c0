import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { apply, as, grant, mcm, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const DOCS = readFileSync(join(import.meta.dirname, '..', 'docs', 'access.md'), 'utf8');

function blocks(language: string): readonly string[] {
  return [...DOCS.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);
}

async function canI(args: readonly string[]) {
  return await mcm(workbench, ['can-i', 'logs', ...args]);
}

before(async () => {
  const [grants = ''] = blocks('yaml');
  await workbench.mustKubectl(['apply', '-f', '-'], { input: grants });
});

describe('the samples in docs/access.md', () => {
  for (const block of blocks('console')) {
    const [line = '', ...expected] = block.split('\n');
    it(`${line} prints that`, async () => {
      const args = line.replace('$ kubectl mcm can-i logs ', '').split(' ');
      const { code, stdout, stderr } = await canI(args);
      const [said = ''] = expected;
      assert.equal(code, said === 'no' ? 1 : 0);
      assert.equal(`${stdout}${stderr}`.replaceAll(/\b(logs-erin)-[0-9a-f]{8}\b/g, '$1-HASH'), expected.join('\n'));
      if (['yes', 'no'].includes(said)) assert.equal(stdout, `${said}\n`);
    });
  }
});

describe('can-i logs', () => {
  it('is a table for several, and yes only if all of it is', async () => {
    const ask = ['--cluster', 'prod-us,prod-eu', '--type', 'dns,flow', '--as', 'erin', '--as-group', 'dns-team'];
    const { code, stdout } = await canI(ask);
    assert.equal(code, 1);
    assert.deepEqual(
      stdout.split('\n').map((row) => row.split(/ {2,}/).slice(0, 3).join(' ')),
      ['CLUSTER TYPE ALLOWED', 'prod-eu dns yes', 'prod-eu flow yes', 'prod-us dns yes', 'prod-us flow no', ''],
    );
    const allowed = await canI([
      '--cluster',
      'prod-us,prod-eu',
      '--type',
      'dns',
      '--as',
      'erin',
      '--as-group',
      'dns-team',
    ]);
    assert.equal(allowed.code, 0);
  });

  it('names what is missing, and applied it is enough and takes nothing away', async () => {
    await grant(workbench, 'lee', { resources: ['prod-eu'], resourceNames: ['dns'] });
    const all = ['--cluster', 'prod-eu,prod-us', '--type', 'dns,flow,audit', '--as', 'lee'];
    const { code, stdout } = await canI([...all, '-o', 'json']);
    const { user, allowed, logs, needed } = JSON.parse(stdout);
    assert.deepEqual([code, user, allowed, logs.length], [1, 'lee', false, 8]);
    assert.deepEqual(logs[0], {
      ...{ cluster: 'prod-eu', type: 'dns', allowed: true, resourceName: 'dns' },
      reason: 'RBAC: allowed by ClusterRoleBinding "logs-lee" of ClusterRole "logs-lee" to User "lee"',
      binding: { kind: 'ClusterRoleBinding', name: 'logs-lee' },
      role: { kind: 'ClusterRole', name: 'logs-lee' },
      subject: { kind: 'User', name: 'lee' },
      rule: { apiGroups: ['lma.tigera.io'], resources: ['prod-eu'], resourceNames: ['dns'], verbs: ['get'] },
    });
    const names = (needed[0].rules as { resources: string[]; resourceNames: string[] }[]).map((rule) => [
      rule.resources.join(),
      rule.resourceNames.join(),
    ]);
    assert.deepEqual(names, [
      ['prod-eu', 'flows,audit_ee,audit_kube'],
      ['prod-us', 'dns,flows,audit_ee,audit_kube'],
    ]);
    await apply(workbench, needed);
    assert.equal((await canI([...all, '-q'])).code, 0);
  });

  it('knows ServiceAccounts, whose grants are written otherwise', async () => {
    const account = ['--cluster', 'prod-eu', '--as', 'system:serviceaccount:default:reader'];
    const { needed } = JSON.parse((await canI([...account, '-o', 'json'])).stdout);
    assert.deepEqual(needed[1].subjects, [{ kind: 'ServiceAccount', name: 'reader', namespace: 'default' }]);
    await apply(workbench, needed);
    assert.match((await canI(account)).stderr, /\(ServiceAccount reader\/default\) -> ClusterRole/);
  });

  it('asks as the user themselves, who see no rule that they may not read', async () => {
    await grant(workbench, 'mo', { resources: ['prod-eu'], resourceNames: ['flows'] });
    const { code, stdout, stderr } = await canI(['--cluster', 'prod-eu', ...(await as(workbench, 'mo'))]);
    assert.deepEqual([code, stdout], [0, 'yes\n']);
    assert.equal(stderr, 'ClusterRoleBinding/logs-mo (User mo) -> ClusterRole/logs-mo\n');
    const none = await canI(['--list', ...(await as(workbench, 'nobody-at-all'))]);
    assert.deepEqual([none.code, none.stdout, none.stderr], [1, '', 'No resources found\n']);
  });

  it('tells who may not impersonate what kubectl tells them', async () => {
    for (const what of [['--cluster', 'prod-eu'], ['--list']]) {
      const { code, stdout, stderr } = await canI([...what, '--as', 'erin', ...(await as(workbench, 'mo'))]);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^Error from server \(Forbidden\): .+ is forbidden: User "mo" cannot impersonate/);
    }
  });

  it('says yes to an administrator, by no binding', async () => {
    const { code, stdout, stderr } = await canI(['--cluster', 'prod-eu']);
    assert.deepEqual([code, stdout], [0, 'yes\n']);
    assert.equal(stderr, '<not by RBAC: an administrator, or another authorizer>\n');
    const list = await canI(['--list', '--type', 'flow']);
    assert.match(list.stdout, /^\* +flow +yes /m);
  });

  it('is no by a RoleBinding, which the list of rules shows all the same', async () => {
    const group = 'rbac.authorization.k8s.io';
    const role = { apiGroup: group, kind: 'ClusterRole', name: 'eu-flows-and-audit' };
    await apply(workbench, [
      {
        ...{ apiVersion: `${group}/v1`, kind: 'RoleBinding', metadata: { name: 'in-default', namespace: 'default' } },
        ...{ roleRef: role, subjects: [{ kind: 'User', name: 'rolf', apiGroup: group }] },
      },
    ]);
    assert.equal((await canI(['--cluster', 'prod-eu', '--as', 'rolf'])).stdout, 'no\n');
    const { stdout, stderr } = await canI(['--list', '--as', 'rolf']);
    assert.deepEqual([stdout, stderr], ['', 'No resources found\n']);
  });

  it('names a mistake in the flags', async () => {
    for (const [args, words] of [
      [['--list', '--cluster', 'prod-eu'], /^error: --list is of all clusters there are/],
      [['--cluster', 'prod-eu', '--type', 'flux'], /^error: invalid argument "flux" for "--type" flag/],
      [['--cluster', 'PROD'], /^error: invalid argument "PROD" for "--cluster" flag/],
      [['-o', 'wide'], /^error: invalid argument "wide" for "--output" flag/],
    ] as const) {
      const { code, stderr } = await canI(args);
      assert.equal(code, 1);
      assert.match(stderr, words);
    }
  });
});
