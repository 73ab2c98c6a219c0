import assert from 'node:assert/strict';
import { markerOf, markersIn, sendEveryType } from '../every-type.ts';
import { type Ask, addSender, apply, eventually, grant, type HttpAnswer, sharedWorkbench, userOf } from '../harness.ts';

export const workbench = sharedWorkbench();
export const LOGS = '/apis/lma.tigera.io/v1';
export const STATUS = '/apis/logs.kubectl-mcm.io/v1';
export const FLEET = '/apis/query.kubectl-mcm.io/v1/logs';
export const [A, B] = ['secret-a', 'secret-b'] as const;
/** No cluster of that name is registered. */
export const NONE = 'secret-none';

/** What each user was granted, and therefore may ever see. */
export const SEES = {
  /** Flows of every cluster. */
  wanda: [markerOf(A, 'flows'), markerOf(B, 'flows')],
  /** Flows of one cluster. */
  flora: [markerOf(A, 'flows')],
  /** How the manager is, which days there are not. */
  stan: [],
  /** May act as flora. */
  imke: [],
  nobody: [],
} as const;
export type User = keyof typeof SEES;

/** Something that somebody tries, and what it must come to: never to anything that was not granted. */
export interface Attempt {
  readonly user: User;
  readonly path: string;
  readonly code: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** All that the answer shows; nothing, if not said. */
  readonly shows?: readonly string[];
}

const users = new Map<User, Ask>();

/** How a user asks kube-apiserver. */
export async function ask(user: User): Promise<Ask> {
  const asking = users.get(user) ?? (await userOf(workbench, { name: user }));
  users.set(user, asking);
  return asking;
}

export async function assertComesTo({ user, path, code, headers = {}, shows = [] }: Attempt): Promise<HttpAnswer> {
  const answer = await (await ask(user))(path, { headers });
  assert.equal(answer.code, code, answer.text);
  assert.deepEqual(markersIn(answer.text), [...shows].sort());
  if (code >= 400) assert.equal(JSON.parse(answer.text).kind, 'Status');
  return answer;
}

export function attempts(user: User, code: number, paths: readonly string[], more: Partial<Attempt> = {}): Attempt[] {
  return paths.map((path) => ({ user, path, code, ...more }));
}

/** The records that are to stay hidden, and what each user was granted. */
export async function setScene(): Promise<void> {
  for (const cluster of [A, B]) await sendEveryType(await addSender(workbench, cluster));
  await workbench.elasticsearch.request('POST', '/_refresh');
  await grant(workbench, 'wanda', { resources: ['*'], resourceNames: ['flows'] });
  await grant(workbench, 'flora', { resources: [A], resourceNames: ['flows'] });
  const group = 'rbac.authorization.k8s.io';
  const allow = (user: User, rule: object) => [
    { apiVersion: `${group}/v1`, kind: 'ClusterRole', metadata: { name: `only-${user}` }, rules: [rule] },
    {
      ...{ apiVersion: `${group}/v1`, kind: 'ClusterRoleBinding', metadata: { name: `only-${user}` } },
      subjects: [{ kind: 'User', name: user, apiGroup: group }],
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: `only-${user}` },
    },
  ];
  await apply(workbench, [
    ...allow('stan', { apiGroups: ['logs.kubectl-mcm.io'], resources: ['managers'], verbs: ['list'] }),
    ...allow('imke', { apiGroups: [''], resources: ['users'], resourceNames: ['flora'], verbs: ['impersonate'] }),
  ]);
  const mayRead = async () => (await (await ask('wanda'))(`${LOGS}/${A}/flows`)).code === 200;
  await eventually(mayRead);
}
