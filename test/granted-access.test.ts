// Who is given rights, and who has them: held against what a real kube-apiserver decides, and what people then see.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { LOG_TYPES } from '../src/logs/types/index.ts';
import { LogAccess } from '../src/rbac/log-access.ts';
import { tokenContext, writeKubeconfig } from '../testbed/kubernetes/cluster.ts';
import type { Workbench } from '../testbed/testbed.ts';
import { addSender, apply, as, eventually, forward, mcm, newFolder, sharedWorkbench } from './harness.ts';
import { OwnCluster } from './own-cluster.ts';
import { adminClient } from './proxies.ts';

const workbench = sharedWorkbench();
const GROUP = 'rbac.authorization.k8s.io';
const CLUSTERS = ['grants-a', 'grants-b'] as const;

/** The subjects that who-can names, as `KIND NAME`. */
async function whoCan(cluster: string, type: string): Promise<readonly string[]> {
  const { stdout } = await mcm(workbench, ['who-can', 'logs', '--cluster', cluster, '--type', type, '-o', 'json']);
  const rows = JSON.parse(stdout) as { readonly subject: { readonly kind: string; readonly name: string } }[];
  return rows.map(({ subject }) => `${subject.kind} ${subject.name}`);
}

/** What a cluster's kube-apiserver says, of `resource.group`. */
async function allowed(
  bench: Workbench,
  { user, groups }: { readonly user: string; readonly groups: readonly string[] },
  verb: string,
  what: string,
  context: string,
): Promise<boolean> {
  const [resource = '', ...group] = what.split('.');
  const review = {
    ...{ apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview' },
    spec: { user, groups, resourceAttributes: { verb, resource, group: group.join('.') } },
  };
  const create = ['--context', context, 'create', '-f', '-', '-o=jsonpath={.status.allowed}'];
  return (await bench.mustKubectl(create, { input: JSON.stringify(review) })) === 'true';
}

before(async () => {
  for (const cluster of CLUSTERS) {
    const sender = await addSender(workbench, cluster);
    const now = Date.now();
    const file = join(sender.folder, 'flows.log');
    writeFileSync(file, `${[...generateFlows({ seed: 3, count: 20, from: now - 60_000, to: now })].join('\n')}\n`);
    assert.equal((await forward(workbench, sender, ['--flow', file])).code, 0);
  }
  await workbench.elasticsearch.request('POST', '/_refresh');
});

describe('grant', () => {
  it('lets a user read what it names and no more, and changes nothing the second time', async () => {
    const jo = await as(workbench, 'jo');
    const read = async (cluster: string, type: string) =>
      (await mcm(workbench, ['logs', '--cluster', cluster, '--type', type, '-o', 'name', ...jo])).code;
    assert.deepEqual([await read('grants-a', 'flow'), await read('grants-b', 'flow')], [1, 1]);
    const grant = ['grant', 'jo', '--cluster', 'grants-a', '--type', 'flow,audit'];
    const dry = await mcm(workbench, [...grant, '--dry-run=server']);
    assert.match(
      dry.stdout,
      /^clusterrole\.rbac\.authorization\.k8s\.io\/logs-jo-[0-9a-f]{8} created \(server dry run\)\n/,
    );
    const name = /logs-jo-[0-9a-f]{8}/.exec(dry.stdout)?.[0];
    assert.deepEqual(await whoCan('grants-a', 'flow').then((all) => all.includes('User jo')), false);
    const first = await mcm(workbench, grant);
    const lines = (outcome: string) =>
      ['clusterrole', 'clusterrolebinding'].map((kind) => `${kind}.${GROUP}/${name} ${outcome}\n`).join('');
    assert.deepEqual([first.code, first.stdout, first.stderr], [0, lines('created'), '']);
    const again = await mcm(workbench, ['grant', 'jo', '--cluster', 'grants-a,grants-a', '--type', 'audits,flows']);
    assert.deepEqual([again.code, again.stdout], [0, lines('unchanged')]);
    // What was refused is remembered for ten seconds.
    await eventually(async () => (await read('grants-a', 'flow')) === 0);
    await eventually(async () => (await read('grants-a', 'audit')) === 0);
    assert.deepEqual([await read('grants-b', 'flow'), await read('grants-a', 'dns')], [1, 1]);
    const shown = await mcm(workbench, ['logs', '--cluster', 'grants-a', '--tail', '100', '-o', 'json', ...jo]);
    assert.equal(shown.stdout.trim().split('\n').length, 20);
  });

  it('prints what it writes, by which kubectl does the same', async () => {
    const grant = ['grant', '--group', 'printers', '--cluster', 'grants-*', '--type', 'dns'];
    const { code, stdout } = await mcm(workbench, [...grant, '--dry-run=client', '-o', 'yaml']);
    assert.equal(code, 0);
    const [role, binding] = parseAllDocuments(stdout).map((document) => document.toJS());
    const rule = { apiGroups: ['lma.tigera.io'], resources: [...CLUSTERS], resourceNames: ['dns'], verbs: ['get'] };
    assert.deepEqual(role.rules, [rule]);
    assert.deepEqual(binding.subjects, [{ kind: 'Group', name: 'printers', apiGroup: GROUP }]);
    assert.deepEqual(await whoCan('grants-b', 'dns').then((all) => all.includes('Group printers')), false);
    await workbench.mustKubectl(['apply', '-f', '-'], { input: stdout });
    assert.equal((await whoCan('grants-b', 'dns')).includes('Group printers'), true);
  });

  it('tells users, groups and ServiceAccounts of one name apart', async () => {
    const common = ['--cluster', 'grants-a', '--type', 'l7'];
    for (const who of [['twin'], ['--group', 'twin'], ['--serviceaccount', 'default:twin'], ['group-twin']]) {
      assert.equal((await mcm(workbench, ['grant', ...who, ...common])).code, 0);
    }
    const mine = (await whoCan('grants-a', 'l7')).filter((subject) => subject.includes('twin')).sort();
    assert.deepEqual(mine, [
      'Group twin',
      'ServiceAccount system:serviceaccount:default:twin',
      'User group-twin',
      'User twin',
    ]);
  });

  it('warns of a cluster that is not there, and refuses what grants nothing or to nobody', async () => {
    const early = await mcm(workbench, ['grant', 'jo', '--cluster', 'grants-later', '--type', 'flow']);
    assert.deepEqual([early.code, early.stderr], [0, 'warning: there is no managed cluster "grants-later" yet\n']);
    for (const [args, words] of [
      [['--cluster', 'grants-a', '--type', 'flow'], /^error: exactly one of USER, --group and --serviceaccount is/],
      [['jo', '--group', 'x', '--cluster', 'grants-a', '--type', 'flow'], /^error: exactly one of USER, --group/],
      [['jo', '--cluster', 'grants-a'], /^error: required flag\(s\) "type" not set/],
      [['jo', '--type', 'flow'], /^error: one of --cluster, --selector and --all-clusters is required\n/],
      [['jo', '--cluster', 'none-*', '--type', 'flow'], /^error: no managed cluster matches none-\*\n/],
      [['jo', '--cluster', 'grants-a', '--type', 'nope'], /^error: invalid argument "nope" for "--type" flag/],
      [
        ['--serviceaccount', 'x', '--cluster', 'grants-a', '--type', 'flow'],
        /^error: invalid argument "x" for "--serv/,
      ],
    ] as const) {
      const { code, stdout, stderr } = await mcm(workbench, ['grant', ...args]);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, words);
    }
  });

  it('is refused to whom Kubernetes lets grant nothing, with what it takes', async () => {
    const { code, stdout, stderr } = await mcm(workbench, [
      ...['grant', 'friend', '--cluster', 'grants-a', '--type', 'flow'],
      ...(await as(workbench, 'jo')),
    ]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^Error from server \(Forbidden\): .*\nKubernetes lets nobody grant what they may not do/);
  });
});

describe('who-can logs', () => {
  it('names exactly those whom kube-apiserver allows it', async () => {
    const rules: Readonly<Record<string, object>> = {
      exact: { resources: ['grants-a'], resourceNames: ['flows'] },
      everywhere: { resources: ['*'], resourceNames: ['dns', 'audit*'] },
      'no-names': { resources: ['grants-b'] },
      literal: { resources: ['grants-a'], resourceNames: ['*'] },
      older: { resources: ['grants-a'], resourceNames: ['ee_dns', 'audit'] },
      'wrong-verb': { resources: ['*'], verbs: ['list'] },
      'wrong-group': { apiGroups: ['projectcalico.org'], resources: ['*'] },
      'any-group': { apiGroups: ['*'], resources: ['grants-a'], resourceNames: ['l7'], verbs: ['*'] },
      'almost-a-pattern': { resources: ['grants-*'], resourceNames: ['fl*'] },
    };
    const objects = Object.entries(rules).flatMap(([name, rule]) => {
      const metadata = { name: `matrix-${name}` };
      const roleRef = { apiGroup: GROUP, kind: 'ClusterRole', name: metadata.name };
      const subjects = [
        { kind: 'User', name: `u-${name}`, apiGroup: GROUP },
        { kind: 'Group', name: `g-${name}`, apiGroup: GROUP },
        { kind: 'ServiceAccount', name: `s-${name}`, namespace: 'default' },
      ];
      return [
        {
          ...{ apiVersion: `${GROUP}/v1`, kind: 'ClusterRole', metadata },
          rules: [{ apiGroups: ['lma.tigera.io'], verbs: ['get'], ...rule }],
        },
        { apiVersion: `${GROUP}/v1`, kind: 'ClusterRoleBinding', metadata, roleRef, subjects },
      ];
    });
    const dangling = { apiGroup: GROUP, kind: 'ClusterRole', name: 'matrix-gone' };
    await apply(workbench, [
      ...objects,
      {
        ...{ apiVersion: `${GROUP}/v1`, kind: 'ClusterRoleBinding', metadata: { name: 'matrix-dangling' } },
        ...{ roleRef: dangling, subjects: [{ kind: 'User', name: 'u-dangling', apiGroup: GROUP }] },
      },
      {
        ...{ apiVersion: `${GROUP}/v1`, kind: 'RoleBinding', metadata: { name: 'matrix', namespace: 'default' } },
        roleRef: { ...dangling, name: 'matrix-no-names' },
        subjects: [{ kind: 'User', name: 'u-in-namespace', apiGroup: GROUP }],
      },
    ]);
    const access = new LogAccess(adminClient(workbench), AbortSignal.timeout(60_000));
    const names = [...Object.keys(rules), 'dangling', 'in-namespace'];
    let yes = 0;
    for (const [cluster, type] of CLUSTERS.flatMap((one) => LOG_TYPES.map((other) => [one, other] as const))) {
      const said = await whoCan(cluster, type.label);
      for (const [subject, { user, groups }] of names.flatMap(subjectsOf)) {
        const may = await access.mayRead({ user, groups, uid: undefined, extra: {} }, cluster, type);
        assert.equal(said.includes(subject), may, `${subject}: ${type.name} of ${cluster}`);
        yes += Number(may);
      }
    }
    assert.ok(yes > 50, `${yes} allowed`);
  });

  it('shows the binding that gives it, and groups as such', async () => {
    const { code, stdout } = await mcm(workbench, ['who-can', 'logs', '--cluster', 'grants-a', '--type', 'flow']);
    assert.equal(code, 0);
    const line = (name: string) => stdout.split('\n').find((row) => row.includes(` ${name} `)) ?? '';
    assert.match(stdout, /^CLUSTER +TYPE +KIND +NAME +BY\n/);
    assert.match(
      line('g-exact'),
      /^grants-a +flow +Group +g-exact +ClusterRoleBinding\/matrix-exact \(Group g-exact\) -> ClusterRole\/matrix-exact -> resources \[grants-a\], resourceNames \[flows\]$/,
    );
    assert.match(line('system:masters'), /^grants-a +flow +Group +system:masters +ClusterRoleBinding\/cluster-admin /);
  });

  it('is 1 where nobody may, and says what it takes to see bindings', async () => {
    await grantViewing('sees-bindings');
    const seer = await as(workbench, 'sees-bindings');
    const none = await mcm(workbench, ['who-can', 'logs', '--cluster', 'grants-a', ...(await as(workbench, 'jo'))]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /^Error from server \(Forbidden\): .*\nIt takes the verb "list" on clusterroles and/);
    assert.equal((await mcm(workbench, ['who-can', 'logs', '--cluster', 'grants-a', ...seer])).code, 0);
  });
});

/** Whom the bindings of the matrix name, as who-can does and as they come to kube-apiserver. */
function subjectsOf(name: string) {
  const account = `system:serviceaccount:default:s-${name}`;
  return [
    [`User u-${name}`, { user: `u-${name}`, groups: [] }],
    [`Group g-${name}`, { user: 'somebody', groups: [`g-${name}`] }],
    [`ServiceAccount ${account}`, { user: account, groups: ['system:serviceaccounts'] }],
  ] as const;
}

async function grantViewing(user: string): Promise<void> {
  const metadata = { name: user };
  await apply(workbench, [
    {
      ...{ apiVersion: `${GROUP}/v1`, kind: 'ClusterRole', metadata },
      rules: [{ apiGroups: [GROUP], resources: ['clusterroles', 'clusterrolebindings'], verbs: ['list'] }],
    },
    {
      ...{ apiVersion: `${GROUP}/v1`, kind: 'ClusterRoleBinding', metadata },
      roleRef: { apiGroup: GROUP, kind: 'ClusterRole', name: user },
      subjects: [{ kind: 'User', name: user, apiGroup: GROUP }],
    },
  ]);
}

describe('create-user, token and bind-user', () => {
  it('make a user who reads, with the token alone, what was granted', async () => {
    const created = await mcm(workbench, ['create-user', 'toni']);
    assert.deepEqual([created.code, created.stdout], [0, 'serviceaccount/toni created\n']);
    assert.equal((await mcm(workbench, ['create-user', 'toni'])).stdout, 'serviceaccount/toni unchanged\n');
    const grant = ['grant', '--serviceaccount', 'default:toni', '--cluster', 'grants-a', '--type', 'flow'];
    assert.equal((await mcm(workbench, grant)).code, 0);
    const { code, stdout, stderr } = await mcm(workbench, ['token', 'toni', '--duration', '15m']);
    assert.equal(code, 0);
    assert.match(stderr, /^Good for 15m, until \d{4}-.*Z\n$/);
    const [header, claims] = stdout.trim().split('.');
    assert.ok(header !== undefined && claims !== undefined);
    const { exp, iat, sub } = JSON.parse(Buffer.from(claims, 'base64url').toString());
    assert.deepEqual([exp - iat, sub], [900, 'system:serviceaccount:default:toni']);
    const folder = newFolder(workbench, 'toni');
    const kubeconfig = writeKubeconfig(join(folder, 'kubeconfig'), [
      tokenContext(workbench.facts.management, stdout.trim()),
    ]);
    const toni = { env: { KUBECONFIG: kubeconfig } };
    await eventually(async () => (await mcm(workbench, ['logs', '--cluster', 'grants-a'], toni)).code === 0);
    assert.equal((await mcm(workbench, ['logs', '--cluster', 'grants-b'], toni)).code, 1);
  });

  it('bind on both sides: to our role, and to that of Calico Enterprise where there is one', async (t) => {
    const there = 'bound';
    const managed = await OwnCluster.start(workbench, there);
    t.after(() => managed.stop());
    await managed.installCalico(there);
    const { stdout: manifest } = await mcm(workbench, ['add-cluster', there, '-l', 'bound=yes']);
    await managed.there(['apply', '-f', '-'], manifest);

    const bind = ['bind-user', 'bo', '-l', 'bound=yes'];
    const dry = await mcm(managed, [...bind, '--dry-run=server']);
    assert.equal(dry.code, 0, dry.stderr);
    assert.doesNotMatch(await workbench.mustKubectl(['get', 'clusterrolebindings', '-o=name']), /logs-bo-/);
    const { code, stdout, stderr } = await mcm(managed, bind);
    assert.equal(code, 0, stderr);
    assert.equal(dry.stdout.replaceAll(' (server dry run)', ''), stdout);
    const lines = (text: string) =>
      text
        .split('\n')
        .map((line) => line.replace(/\.rbac\.authorization\.k8s\.io/, '').replace(/[0-9a-f]{8} /, 'HASH '));
    assert.deepEqual(lines(stdout), [
      'clusterrole/logs-bo-HASH created',
      'clusterrolebinding/logs-bo-HASH created',
      'clusterrolebinding/kubectl-mcm-viewer-bo-HASH created',
      'clusterrole/kubectl-mcm-ui-user created (bound)',
      'clusterrolebinding/kubectl-mcm-ui-user-bo-HASH created (bound)',
      '',
    ]);
    assert.doesNotMatch((await mcm(managed, bind)).stdout, /created|configured/);

    const may = async (user: string, groups: readonly string[], verb: string, what: string) =>
      await allowed(managed, { user, groups }, verb, what, there);
    assert.equal(await may('bo', [], 'list', 'networkpolicies.projectcalico.org'), true);
    assert.equal(await may('bo', [], 'delete', 'networkpolicies.projectcalico.org'), false);
    assert.equal(await may('bo', [], 'list', 'secrets'), false);
    const clusters = ['list', 'managedclusters.kubectl-mcm.io', 'management'] as const;
    assert.equal(await allowed(managed, { user: 'bo', groups: [] }, ...clusters), true);
    const reads = async (cluster: string) => (await whoCan(cluster, 'dns')).includes('User bo');
    assert.deepEqual([await reads(there), await reads('grants-a')], [true, false]);

    const admins = ['bind-user', '--group', 'net', '--managed-context', there, '--role', 'network-admin'];
    assert.equal((await mcm(managed, admins)).code, 0);
    assert.equal(await may('ann', ['net'], 'delete', 'networkpolicies.projectcalico.org'), true);
    assert.equal(await may('ann', ['net'], 'delete', 'pods'), false);
    assert.equal(await may('ann', [], 'list', 'pods'), false);

    const rules = [{ apiGroups: ['projectcalico.org'], resources: ['tiers'], verbs: ['list'] }];
    await managed.apply([
      { apiVersion: `${GROUP}/v1`, kind: 'ClusterRole', metadata: { name: 'tigera-ui-user' }, rules },
    ]);
    const enterprise = await mcm(managed, ['bind-user', 'eve', '--managed-context', there]);
    assert.deepEqual(lines(enterprise.stdout).slice(3), [
      'clusterrolebinding/tigera-ui-user-eve-HASH created (bound)',
      '',
    ]);
    assert.equal(await may('eve', [], 'list', 'tiers.projectcalico.org'), true);
    assert.equal(await may('eve', [], 'list', 'pods'), false, "Enterprise's own role, as it is there");
  });

  it('refuse what they cannot do before anything is changed', async () => {
    const before = await workbench.mustKubectl(['get', 'clusterroles,clusterrolebindings', '-o=name']);
    for (const [args, words] of [
      [['create-user', 'No_Name'], /^error: "No_Name" is no name of a ServiceAccount or namespace/],
      [['create-user', 'x', '-n', 'nowhere'], /^Error from server \(NotFound\): namespaces "nowhere" not found/],
      [
        ['token', 'nobody'],
        /^Error from server \(NotFound\): serviceaccounts "nobody" not found\nrun: kubectl mcm create-user/,
      ],
      [
        ['token', 'toni', '--duration', '5m'],
        /^error: invalid argument "5m" for "--duration" flag: must be at least 10m/,
      ],
      [['bind-user', 'x'], /^error: exactly one of --managed-context and --selector is required\n/],
      [['bind-user', 'x', '--managed-context', 'nope'], /^error: context "nope" does not exist\n/],
      [
        ['bind-user', 'x', '--managed-context', 'management'],
        /^error: "management" has no keys of a managed cluster\nrun: /,
      ],
      [['bind-user', 'x', '-l', 'no=such'], /^error: no managed cluster matches -l no=such\n/],
    ] as const) {
      const { code, stdout, stderr } = await mcm(workbench, args);
      assert.deepEqual([code, stdout], [1, ''], args.join(' '));
      assert.match(stderr, words);
    }
    assert.equal(await workbench.mustKubectl(['get', 'clusterroles,clusterrolebindings', '-o=name']), before);
  });
});
