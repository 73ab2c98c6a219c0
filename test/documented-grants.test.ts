import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { LOG_TYPES } from '../src/logs/types/index.ts';
import type { LogTypeName } from '../src/logs/types/log-type.ts';
import { markerOf, markersIn, sendEveryType } from './every-type.ts';
import { addSender, apply, as, mcm, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const GROUP = 'rbac.authorization.k8s.io';
const [HERE, THERE, MANAGEMENT] = ['granted-here', 'granted-there', 'cluster'] as const;
const EVERYTHING = LOG_TYPES.map(({ name }) => name);
const AUDIT = ['audit_ee', 'audit_kube'] as const;
/** Of the role tigera-ui-user, for people who look at Calico's web interface. */
const UI_USER = ['flows', 'audit*', 'l7', 'events', 'dns', 'waf', 'kibana_login', 'recommendations'];
const OF_UI_USER = ['flows', 'dns', ...AUDIT, 'l7', 'events', 'waf'] as const;

interface Grant {
  readonly rule: object;
  /** Types that may be read of each cluster; none of those that are not named. */
  readonly covers: Readonly<Record<string, readonly LogTypeName[]>>;
}

function everywhere(types: readonly LogTypeName[]): Grant['covers'] {
  return { [HERE]: types, [THERE]: types, [MANAGEMENT]: types };
}

/** Rules as Calico's documentation writes them, and what they mean by it. */
const GRANTS: Readonly<Record<string, Grant>> = {
  'two types of one cluster': {
    rule: { resources: [HERE], resourceNames: ['flows', 'dns'] },
    covers: { [HERE]: ['flows', 'dns'] },
  },
  'three types of every cluster': {
    rule: { resources: ['*'], resourceNames: ['flows', 'dns', 'audit'] },
    covers: everywhere(['flows', 'dns', ...AUDIT]),
  },
  'everything, by *': { rule: { resources: ['*'], resourceNames: ['*'] }, covers: everywhere(EVERYTHING) },
  'everything, by no names': { rule: { resources: ['*'], resourceNames: [] }, covers: everywhere(EVERYTHING) },
  'everything, by names left out': { rule: { resources: ['*'] }, covers: everywhere(EVERYTHING) },
  'everything of one cluster, by *': {
    rule: { resources: [HERE], resourceNames: ['*'] },
    covers: { [HERE]: EVERYTHING },
  },
  'everything of two clusters, by names left out': {
    rule: { resources: [HERE, THERE] },
    covers: { [HERE]: EVERYTHING, [THERE]: EVERYTHING },
  },
  "Calico's audit log of the management cluster": {
    rule: { resources: [MANAGEMENT], resourceNames: ['audit_ee'] },
    covers: { [MANAGEMENT]: ['audit_ee'] },
  },
  'audit*': { rule: { resources: [HERE], resourceNames: ['audit*'] }, covers: { [HERE]: AUDIT } },
  audit: { rule: { resources: [HERE], resourceNames: ['audit'] }, covers: { [HERE]: AUDIT } },
  "Kubernetes' audit log": {
    rule: { resources: [HERE], resourceNames: ['audit_kube'] },
    covers: { [HERE]: ['audit_kube'] },
  },
  'the older names': {
    rule: { resources: [HERE], resourceNames: ['ee_dns', 'ee_bgp', 'ee_events'] },
    covers: { [HERE]: ['dns', 'bgp', 'events'] },
  },
  'tigera-ui-user': { rule: { resources: ['*'], resourceNames: UI_USER }, covers: everywhere(OF_UI_USER) },
  'tigera-network-admin': {
    rule: { resources: ['*'], resourceNames: [...UI_USER, 'elasticsearch_superuser'] },
    covers: everywhere(OF_UI_USER),
  },
  // What the documentation does not say, and people may try.
  'a pattern that is none': { rule: { resources: ['granted-*'], resourceNames: ['fl*', 'd*'] }, covers: {} },
  'another verb': { rule: { resources: ['*'], verbs: ['list', 'watch'] }, covers: {} },
  'another group': { rule: { resources: ['*'], apiGroups: ['logs.kubectl-mcm.io', 'projectcalico.org'] }, covers: {} },
  'everything there is': { rule: { apiGroups: ['*'], resources: ['*'], verbs: ['*'] }, covers: everywhere(EVERYTHING) },
};

before(async () => {
  for (const cluster of [HERE, THERE]) {
    await sendEveryType(await addSender(workbench, cluster));
  }
  await workbench.elasticsearch.request('POST', '/_refresh');
  const objects = Object.values(GRANTS).flatMap(({ rule }, at) => {
    const metadata = { name: `documented-${at}` };
    const rules = [{ apiGroups: ['lma.tigera.io'], verbs: ['get'], ...rule }];
    const roleRef = { apiGroup: GROUP, kind: 'ClusterRole', name: metadata.name };
    const subjects = [{ kind: 'User', name: metadata.name, apiGroup: GROUP }];
    return [
      { apiVersion: `${GROUP}/v1`, kind: 'ClusterRole', metadata, rules },
      { apiVersion: `${GROUP}/v1`, kind: 'ClusterRoleBinding', metadata, subjects, roleRef },
    ];
  });
  await apply(workbench, objects);
});

function pairs(covers: Grant['covers'], clusters: readonly string[]): string[] {
  return clusters.flatMap((cluster) => (covers[cluster] ?? []).map((type) => markerOf(cluster, type))).sort();
}

const TYPES = ['--type', LOG_TYPES.map(({ label }) => label).join(',')];

describe('a grant', () => {
  for (const [at, [what, { covers }]] of Object.entries(GRANTS).entries()) {
    it(`of ${what} lets read what the documentation says, and can-i says the same`, async () => {
      const user = await as(workbench, `documented-${at}`);
      const clusters = ['--cluster', `${HERE},${THERE}`];
      const { code, stdout } = await mcm(workbench, [
        'logs',
        ...clusters,
        ...TYPES,
        '--tail',
        '-1',
        '-o',
        'json',
        ...user,
      ]);
      const expected = pairs(covers, [HERE, THERE]);
      assert.deepEqual(markersIn(stdout), expected);
      assert.equal(code, expected.length === 0 ? 1 : expected.length === 2 * EVERYTHING.length ? 0 : 3);

      const all = ['--cluster', `${HERE},${THERE},${MANAGEMENT}`];
      const said = await mcm(workbench, ['can-i', 'logs', ...all, ...TYPES, '-o', 'json', ...user]);
      const { logs } = JSON.parse(said.stdout) as { logs: { cluster: string; type: LogTypeName; allowed: boolean }[] };
      const allowed = logs.filter((log) => log.allowed).map(({ cluster, type }) => markerOf(cluster, type));
      assert.deepEqual(allowed.sort(), pairs(covers, [HERE, THERE, MANAGEMENT]));
    });
  }
});
