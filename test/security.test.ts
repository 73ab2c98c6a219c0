import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { createKeyPair, daysFromNow } from '../src/clusters/key-pair.ts';
import { LOG_TYPES } from '../src/logs/types/index.ts';
import { userKeys } from '../testbed/kubernetes/cluster.ts';
import { markerOf, markersIn, sendEveryType } from './every-type.ts';
import {
  type Ask,
  addSender,
  apply,
  as,
  eventually,
  frontProxyKeys,
  grant,
  type HttpAnswer,
  managerPort,
  mcm,
  sharedWorkbench,
  userOf,
} from './harness.ts';

const workbench = sharedWorkbench();
const LOGS = '/apis/lma.tigera.io/v1';
const STATUS = '/apis/logs.kubectl-mcm.io/v1';
const FLEET = '/apis/query.kubectl-mcm.io/v1/logs';
const [A, B] = ['secret-a', 'secret-b'] as const;
/** No cluster of that name is registered. */
const NONE = 'secret-none';

/** What each user was granted, and therefore may ever see. */
const SEES = {
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
type User = keyof typeof SEES;

/** Something that somebody tries, and what it must come to: never to anything that was not granted. */
interface Attempt {
  readonly user: User;
  readonly path: string;
  readonly code: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** All that the answer shows; nothing, if not said. */
  readonly shows?: readonly string[];
}

const users = new Map<User, Ask>();

async function ask(user: User): Promise<Ask> {
  const asking = users.get(user) ?? (await userOf(workbench, { name: user }));
  users.set(user, asking);
  return asking;
}

async function assertComesTo({ user, path, code, headers = {}, shows = [] }: Attempt): Promise<HttpAnswer> {
  const answer = await (await ask(user))(path, { headers });
  assert.equal(answer.code, code, answer.text);
  assert.deepEqual(markersIn(answer.text), [...shows].sort());
  if (code >= 400) assert.equal(JSON.parse(answer.text).kind, 'Status');
  return answer;
}

function attempts(user: User, code: number, paths: readonly string[], more: Partial<Attempt> = {}): Attempt[] {
  return paths.map((path) => ({ user, path, code, ...more }));
}

before(async () => {
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
});

/** kube-apiserver takes these for flows, which this user may read: only the manager says no. */
const READ_OTHERWISE = attempts('wanda', 404, [
  `${LOGS}/${A}/flows/../dns`,
  `${LOGS}/${A}/flows/%2e%2e/dns`,
  `${LOGS}/${A}/flows/%2E%2E/dns`,
  `${LOGS}/${A}/flows/.%2e/dns`,
  `${LOGS}/${A}/flows%2f..%2fdns`,
  `${LOGS}/${A}/flows%2F..%2Fdns`,
  `${LOGS}/${A}/flows/dns`,
  `${LOGS}/${A}/flows/`,
  `${LOGS}/${A}/flows//`,
  `${LOGS}/${A}/flows/.`,
  `${LOGS}/${A}/flows/..`,
  `${LOGS}/${A}/flows/%00`,
  `${LOGS}/${A}/flows/%c0%ae%c0%ae/dns`,
  `${LOGS}/namespaces/${A}/${A}/flows`,
  `${LOGS}/namespaces/default/${A}/flows`,
  `${LOGS}/${A}/flows/dns?type=flows`,
  `${LOGS}/*/flows`,
  `${LOGS}/secret-*/flows`,
  `${LOGS}/${A},${B}/flows`,
  `${LOGS}/${A}%2Cflows/flows`,
  `${LOGS}/${A.toUpperCase()}/flows`,
  `${LOGS}/Secret-a/flows`,
  `${LOGS}/${A}%20/flows`,
  `${LOGS}/${A}%00/flows`,
  `${LOGS}/${A};x=1/flows`,
  `${LOGS}/${A}.${B}/flows`,
  `${LOGS}/shared/flows`,
  `${LOGS}/_all/flows`,
  `${LOGS}/${NONE}/flows`,
]);

/** These are refused by kube-apiserver already. */
const REFUSED_BEFORE = attempts('wanda', 403, [
  `${LOGS}/${A}/dns`,
  `${LOGS}/${A}/flows%252f..%252fdns`,
  `${LOGS}/${A}//flows`,
  `//apis/lma.tigera.io/v1/${A}/dns`,
  `/apis//lma.tigera.io/v1/${A}/dns`,
  `${LOGS}//${A}/flows`,
  `${LOGS}/${A}/./flows`,
  `${LOGS}/${A}/flows;dns`,
  `${LOGS}/${A}/flows;type=dns`,
  `${LOGS}/${A}/flows%3Ftype=dns`,
  `${LOGS}/${A}/flows%23`,
  `${LOGS}/${A}/flows%00`,
  `${LOGS}/${A}/flows%20`,
  `${LOGS}/${A}/flows%0d%0aX-Remote-User:%20admin`,
  `${LOGS}/${A}/Flows`,
  `${LOGS}/${A}/FLOWS`,
  `/APIS/lma.tigera.io/v1/${A}/dns`,
  `/apis/LMA.tigera.io/v1/${A}/dns`,
  `/apis/lma.tigera.io/V1/${A}/dns`,
  `/apis/lma.tigera.io/v2/${A}/dns`,
  `${LOGS}/${B}/../${A}/dns`,
  `${LOGS}/namespaces/${A}/flows`,
  `${LOGS}/namespaces/default/${A}/dns`,
  `${LOGS}/watch/${A}/flows`,
  `${LOGS}/proxy/${A}/flows`,
  `${LOGS}/${A}/dns/flows`,
  `${LOGS}/${A}/*/flows`,
  `${LOGS}/${A}/*`,
  `${LOGS}/${A}/audit*`,
  `${LOGS}/../${A}/dns`,
  `${LOGS}/flows`,
  `${LOGS}/${A}`,
  `${LOGS}/${A}/`,
  `${LOGS}/./${A}/dns`,
  `${STATUS}/days`,
  `${STATUS}/managers`,
  `${STATUS}/managers/${A}`,
]);

/** What a query string can say to get at more: the name in the path decides what there is to ask of. */
const QUERIES = [
  ...attempts('wanda', 400, [
    `${LOGS}/${A}/flows?type=dns`,
    `${LOGS}/${A}/flows?type=audit`,
    `${LOGS}/${A}/flows?type=audit_kube&type=flows`,
    `${LOGS}/${A}/flows?type=*`,
    `${LOGS}/${A}/flows?type=flows%00`,
    `${LOGS}/${A}/flows?type=flows,dns`,
    `${LOGS}/${A}/flows?type=gaps`,
    `${LOGS}/${A}/flows?query=_index+%3D+x`,
    `${LOGS}/${A}/flows?query=marker+%3D+x`,
    `${LOGS}/${A}/flows?query=qname+%3D+x`,
    `${LOGS}/${A}/flows?limit=10001`,
  ]),
  ...attempts(
    'flora',
    200,
    [
      '',
      '?type=flows',
      '?type=flow&type=dns',
      '?TYPE=dns',
      '?type[]=dns',
      '?%74ype=flows',
      `?cluster=${B}`,
      '?clusters=*',
      '?index=*',
      '?limit=10000',
      '?watch=true',
      '?as=wanda',
      '?user=wanda',
      '?access_token=x',
      '?pretty=true&resourceVersion=0',
      `?query=cluster+IN+%7B%22*%22%7D`,
      `?query=cluster+%3D+${A}+OR+cluster+%3D+${B}`,
      `?query=NOT+cluster+%3D+${B}`,
      '?order=asc&since=1970-01-01T00:00:00Z',
    ].map((query) => `${LOGS}/${A}/flows${query}`),
    { shows: SEES.flora },
  ),
  ...attempts('flora', 200, [`${LOGS}/${A}/flows?query=cluster+%3D+${B}`], { shows: [] }),
  // kube-apiserver leaves out what has a semicolon; a second question mark is part of a value.
  ...attempts('flora', 200, [`${LOGS}/${A}/flows?type=flows;type=dns`], { shows: SEES.flora }),
  ...attempts('flora', 400, [`${LOGS}/${A}/flows?type=flows?type=dns`]),
];

/** Headers with which somebody says that they are somebody else, or asks for something else than the path says. */
const HEADERS: readonly Attempt[] = [
  { 'X-Remote-User': 'admin', 'X-Remote-Group': 'system:masters' },
  { 'x-remote-user': 'wanda', 'x-remote-uid': '1' },
  { 'X-Remote-Extra-Scopes': 'admin' },
  { X_Remote_User: 'admin' },
  { 'X-Forwarded-User': 'wanda', 'X-Forwarded-For': '127.0.0.1' },
  { 'X-Original-URL': `${LOGS}/${A}/flows`, 'X-Rewrite-URL': `${LOGS}/${A}/flows` },
  { 'X-HTTP-Method-Override': 'HEAD' },
  { 'Impersonate-User': 'wanda' },
  { 'Impersonate-User': 'admin', 'Impersonate-Group': 'system:masters' },
  { 'Impersonate-User': 'flora', 'Impersonate-Group': 'system:masters' },
  { 'Impersonate-User': 'flora', 'Impersonate-Uid': '1' },
  { 'Impersonate-User': 'flora', 'Impersonate-Extra-scopes': 'all' },
  { 'Impersonate-User': 'system:serviceaccount:kubectl-mcm:manager' },
  { Connection: 'X-Remote-User, X-Remote-Group' },
].flatMap((headers) => [
  { user: 'flora', path: `${LOGS}/${B}/flows`, code: 403, headers },
  { user: 'nobody', path: `${LOGS}/${A}/flows`, code: 403, headers },
]);

/** Who has no rights at all gets nowhere. */
const WITHOUT_RIGHTS = attempts('nobody', 403, [
  ...[A, B, NONE, 'cluster', '*'].flatMap((cluster) => [`${LOGS}/${cluster}/flows`, `${LOGS}/${cluster}/*`]),
  `${LOGS}/${A}/flows/../dns`,
  `${STATUS}/days`,
  `${STATUS}/managers`,
  '/apis/kubectl-mcm.io/v1/managedclusters',
  '/api/v1/namespaces/kubectl-mcm/secrets/ca',
  '/api/v1/namespaces/kubectl-mcm/services/https:manager:443/proxy/metrics',
]);

/** One right of the manager's own group is not another one, however the path is read. */
const OF_THE_MANAGER = [
  ...attempts('stan', 200, [`${STATUS}/managers`]),
  ...attempts('stan', 403, [`${STATUS}/days`, `${LOGS}/${A}/flows`, `${STATUS}/managers/../days`]),
  ...attempts('stan', 403, [`${STATUS}/managers%2f..%2fdays`, `${STATUS}/managers/${A}`]),
];

/** Everybody may ask for many clusters: the manager alone decides what of them. */
const MANY_CLUSTERS = [
  ...attempts('wanda', 200, [`${FLEET}/flows?clusters=${A},${B}`], { shows: SEES.wanda }),
  ...attempts('wanda', 200, [`${FLEET}/dns?clusters=${A},${B}`], { shows: [] }),
  ...attempts(
    'flora',
    200,
    [
      `clusters=${A},${B}`,
      `clusters=${B},${A},${NONE},cluster`,
      `clusters=${A}%2C${B}`,
      `clusters=${A}&clusters=${B}`,
      `clusters=${A},${B}&type=dns`,
      `clusters=${A},${B}&cluster=${B}&user=wanda`,
      `clusters=${A},${B}&query=cluster+IN+%7B%22*%22%7D`,
      `clusters=${A},${B}&query=NOT+cluster+%3D+x`,
      `clusters=${A},${B}&order=arrival`,
      `clusters=${A},${B}&order=asc&limit=10000`,
    ].map((query) => `${FLEET}/flows?${query}`),
    { shows: SEES.flora },
  ),
  ...attempts('flora', 200, [
    `${FLEET}/flows?clusters=${B}`,
    `${FLEET}/flows?clusters=${B}&clusters=${A}`,
    `${FLEET}/flows?clusters=${A},${B}&query=cluster+%3D+${B}`,
    ...['dns', 'audit_ee', 'audit_kube', 'l7', 'bgp', 'events', 'waf'].map(
      (type) => `${FLEET}/${type}?clusters=${A},${B}`,
    ),
  ]),
  ...attempts('nobody', 200, [`${FLEET}/flows?clusters=${A},${B},${NONE}`, `${FLEET}/dns?clusters=${A}`]),
  ...attempts('flora', 400, [
    `${FLEET}/flows`,
    `${FLEET}/flows?clusters=`,
    `${FLEET}/flows?clusters=*`,
    `${FLEET}/flows?clusters=secret-*`,
    `${FLEET}/flows?clusters=${A},`,
    `${FLEET}/flows?clusters=${A}/../${B}`,
    `${FLEET}/flows?clusters=${A},${B}%00`,
    `${FLEET}/flows?clusters=${A}%20${B}`,
    `${FLEET}/flows?clusters=shared`,
    `${FLEET}/flows?CLUSTERS=${A}`,
    `${FLEET}/flows?clusters=${Array.from({ length: 300 }, (_, at) => `c${at}`)}`,
  ]),
  ...attempts(
    'wanda',
    404,
    ['Flows', 'flows%00', 'flows;dns', 'flows,dns', 'flows/', '*', 'audit*', 'audit', 'gaps', 'dead_letters'].map(
      (name) => `${FLEET}/${name}?clusters=${A}`,
    ),
  ),
  // To kube-apiserver these are subresources of logs, which nobody was granted.
  ...attempts(
    'wanda',
    403,
    ['flows/../dns', 'flows/%2e%2e/dns', 'flows%2f..%2fdns', 'flows/dns', `flows/${A}`].map(
      (name) => `${FLEET}/${name}?clusters=${A}`,
    ),
  ),
  ...attempts('wanda', 403, [
    '/apis/query.kubectl-mcm.io/v1/other/flows',
    `/apis/query.kubectl-mcm.io/v1/LOGS/dns?clusters=${A}`,
    `${FLEET}?clusters=${A}`,
    `/apis/query.kubectl-mcm.io/v1/namespaces/default/pods/logs/flows?clusters=${A}`,
  ]),
];

/** What is counted in groups is read as well. */
const COUNTED = [
  ...attempts('wanda', 200, [`${FLEET}/flows?clusters=${A},${B}&by=namespace`], { shows: SEES.wanda }),
  ...attempts(
    'flora',
    200,
    [
      `${LOGS}/${A}/flows?by=namespace`,
      `${LOGS}/${A}/flows?by=namespace&metric=flows&limit=10000`,
      `${LOGS}/${A}/flows?by=namespace&clusters=${A},${B}&cluster=${B}`,
      `${LOGS}/${A}/flows?by=namespace&query=NOT+cluster+%3D+x`,
      `${FLEET}/flows?clusters=${A},${B},${NONE}&by=namespace`,
      `${FLEET}/flows?clusters=${A},${B}&by=namespace&query=NOT+cluster+%3D+${A}+OR+cluster+%3D+${A}`,
    ],
    { shows: SEES.flora },
  ),
  ...attempts('flora', 200, [
    `${FLEET}/flows?clusters=${B}&by=namespace`,
    `${FLEET}/dns?clusters=${A},${B}&by=qname`,
    `${FLEET}/audit_kube?clusters=${A},${B}&by=user`,
    `${FLEET}/flows?clusters=${A},${B}&by=namespace&query=cluster+%3D+${B}`,
  ]),
  ...attempts('flora', 400, [
    `${LOGS}/${A}/flows?by=qname`,
    `${LOGS}/${A}/flows?by=marker`,
    `${LOGS}/${A}/flows?by=namespace&type=dns`,
    `${LOGS}/${A}/flows?by=namespace&metric=_score`,
    `${LOGS}/${A}/flows?by=namespace&limit=10001`,
    `${FLEET}/flows?clusters=*&by=namespace`,
  ]),
  ...attempts('flora', 403, [`${LOGS}/${B}/flows?by=namespace`, `${LOGS}/${A}/dns?by=qname`]),
  ...attempts('nobody', 403, [`${LOGS}/${A}/flows?by=namespace`]),
  ...attempts('nobody', 200, [`${FLEET}/flows?clusters=${A},${B}&by=namespace`]),
];

for (const [what, list] of Object.entries({
  'a path that kube-apiserver reads otherwise': READ_OTHERWISE,
  'a path that kube-apiserver refuses': REFUSED_BEFORE,
  'a query string': QUERIES,
  'a header': HEADERS,
  'somebody without rights': WITHOUT_RIGHTS,
  'a right to something else': OF_THE_MANAGER,
  'a read of many clusters': MANY_CLUSTERS,
  'a count': COUNTED,
})) {
  describe(what, () => {
    for (const attempt of list) {
      const { user, path, headers, code } = attempt;
      it(`${user}, ${path}${headers === undefined ? '' : ` ${JSON.stringify(headers)}`}: ${code}`, async () => {
        await assertComesTo(attempt);
      });
    }
  });
}

describe('an error', () => {
  it('does not tell whether a cluster is registered', async () => {
    const told = async (user: User, cluster: string) => {
      const { text } = await assertComesTo({ user, path: `${LOGS}/${cluster}/flows`, code: 403 });
      return text.replaceAll(cluster, 'CLUSTER');
    };
    for (const user of ['flora', 'nobody', 'imke'] as const) {
      assert.equal(await told(user, B), await told(user, NONE));
    }
    // Nor does the manager itself, whatever kube-apiserver lets pass.
    const port = await managerPort(workbench, frontProxyKeys(workbench));
    const asFlora = { headers: { 'X-Remote-User': 'flora', 'X-Remote-Group': 'system:authenticated' } };
    const [there, none] = await Promise.all([B, NONE].map((cluster) => port(`${LOGS}/${cluster}/flows`, asFlora)));
    assert.deepEqual([there?.code, none?.code], [403, 403]);
    assert.equal(there?.text.replaceAll(B, 'CLUSTER'), none?.text.replaceAll(NONE, 'CLUSTER'));
  });
});

describe('a read of many clusters, in part', () => {
  const read = async (user: User, query: string) => {
    const { text } = await assertComesTo({ user, path: `${FLEET}/flows?${query}`, code: 200, shows: SEES[user] });
    return JSON.parse(text) as {
      metadata: { continue?: string };
      shortcomings: { kind: string; cluster: string; reason: string; message: string }[];
      items: { cluster: string }[];
    };
  };

  it('names what it leaves out, whether it is there or not', async () => {
    const { shortcomings, items } = await read('flora', `clusters=${A},${B},${NONE}`);
    assert.deepEqual(new Set(items.map(({ cluster }) => cluster)), new Set([A]));
    assert.deepEqual(
      shortcomings.map(({ kind, cluster, reason }) => [kind, cluster, reason]),
      [B, NONE].map((cluster) => ['Refused', cluster, 'Forbidden']),
    );
    const [there, none] = shortcomings.map(({ message, cluster }) => message.replaceAll(cluster, 'CLUSTER'));
    assert.equal(there, none);
  });

  it('counts and goes on in what is shown alone', async () => {
    const { metadata } = await read('flora', `clusters=${A},${B}&limit=1`);
    const from = encodeURIComponent(metadata.continue ?? '');
    const more = await (await ask('flora'))(`${FLEET}/flows?clusters=${A},${B}&limit=1&continue=${from}`);
    assert.deepEqual([more.code, markersIn(more.text)], [200, []]);
    assert.equal((JSON.parse(more.text) as { metadata: { continue?: string } }).metadata.continue, undefined);
  });

  it("goes on from another user's cursor in one's own records, or nowhere", async () => {
    for (const order of ['asc', 'desc', 'arrival']) {
      const { text } = await (await ask('wanda'))(`${FLEET}/flows?clusters=${A},${B}&limit=1&order=${order}`);
      const from = encodeURIComponent((JSON.parse(text) as { metadata: { continue: string } }).metadata.continue);
      const answer = await (await ask('flora'))(`${FLEET}/flows?clusters=${A},${B}&order=${order}&continue=${from}`);
      assert.equal(answer.code, 200, answer.text);
      for (const marker of markersIn(answer.text)) assert.equal(marker, SEES.flora[0]);
    }
  });
});

describe('a count over many clusters, in part', () => {
  it('has totals of what may be read alone', async () => {
    const totals = async (clusters: string) => {
      const { text } = await (await ask('flora'))(`${FLEET}/flows?clusters=${clusters}&by=namespace`);
      const { totals: told, groups } = JSON.parse(text) as { totals: unknown; groups: number };
      return { totals: told, groups };
    };
    const alone = await totals(A);
    assert.equal(alone.groups, 1);
    assert.deepEqual(await totals(`${A},${B}`), alone);
    assert.notDeepEqual(await totals(B), alone);
  });
});

describe("another user's cursor", () => {
  it('goes on in what one may read oneself, or nowhere', async () => {
    const admin = await userOf(workbench, { name: 'admin', groups: ['system:masters'] });
    const cursors: string[] = [];
    for (const [cluster, name] of [
      [A, 'dns'],
      [B, 'flows'],
      [B, 'audit_kube'],
      [A, '*'],
    ]) {
      const { code, text } = await admin(`${LOGS}/${cluster}/${name}?limit=1`);
      assert.equal(code, 200, text);
      cursors.push((JSON.parse(text) as { metadata: { continue: string } }).metadata.continue);
    }
    for (const cursor of cursors) {
      for (const order of ['asc', 'desc']) {
        const path = `${LOGS}/${A}/flows?order=${order}&continue=${encodeURIComponent(cursor)}`;
        const { code, text } = await (await ask('flora'))(path);
        assert.equal(code, 200, text);
        for (const marker of markersIn(text)) assert.equal(marker, SEES.flora[0]);
      }
      const other = `${LOGS}/${B}/flows?continue=${encodeURIComponent(cursor)}`;
      await assertComesTo({ user: 'flora', path: other, code: 403 });
    }
  });
});

describe("the manager's API port", () => {
  const path = `${LOGS}/${A}/flows`;
  const forged = { 'X-Remote-User': 'admin', 'X-Remote-Group': 'system:masters' };

  for (const [what, keysOf] of [
    ['no certificate', async () => undefined],
    ["an administrator's", () => userKeys(workbench.facts.management, { name: 'admin', groups: ['system:masters'] })],
    [
      "the front proxy's name, by the CA of users",
      () => userKeys(workbench.facts.management, { name: 'front-proxy-client' }),
    ],
    ['a wrong name, by the CA of the front proxy', () => ofFrontProxy('front-proxy-clients')],
    ['no name, by the CA of the front proxy', () => ofFrontProxy('')],
    [
      'the right name, by a CA of the same name',
      async () => ofFrontProxy('front-proxy-client', await caOfTheSameName()),
    ],
  ] as const) {
    it(`answers nobody with ${what}, whatever their headers say`, async () => {
      const port = await managerPort(workbench, await keysOf());
      for (const target of [path, '/apis', '/openapi/v3', `${STATUS}/managers`, '/nowhere']) {
        const { code, text } = await port(target, { headers: forged });
        assert.equal(code, 401);
        assert.deepEqual(markersIn(text), []);
        assert.match(text, /"reason":"Unauthorized"/);
      }
    });
  }

  it('takes nobody for nobody: without a user, or one in another header', async () => {
    const port = await managerPort(workbench, frontProxyKeys(workbench));
    for (const headers of [{}, { 'X-Remote-User': '' }, { X_Remote_User: 'wanda' }, { 'Impersonate-User': 'wanda' }]) {
      assert.equal((await port(path, { headers: headers as Record<string, string> })).code, 401);
    }
  });

  it('asks for the right to what it reads itself, when kube-apiserver has let a request pass', async () => {
    const port = await managerPort(workbench, frontProxyKeys(workbench));
    const headers = { 'X-Remote-User': 'flora', 'X-Remote-Group': 'system:authenticated' };
    for (const [read, code] of [
      [`${A}/flows`, 200],
      [`${A}/dns`, 403],
      [`${A}/audit*`, 403],
      [`${A}/audit%2A`, 403],
      // Under the name * she gets what she may see of it; kube-apiserver would have asked for a grant of * itself.
      [`${A}/*`, 200],
      [`${A}/*?type=dns`, 403],
      [`${B}/flows`, 403],
      [`${B}/*`, 403],
    ] as const) {
      const answer = await port(`${LOGS}/${read}`, { headers });
      assert.equal(answer.code, code, read);
      assert.deepEqual(markersIn(answer.text), code === 200 ? SEES.flora : [], read);
    }
  });

  it('takes the path of an absolute target, and two requests in one, for what they are', async () => {
    const { certificate, key } = frontProxyKeys(workbench);
    const { api: port } = workbench.facts.managerPorts;
    const raw = async (text: string) =>
      await new Promise<string>((resolve, reject) => {
        let answer = '';
        const socket = connect({ host: '127.0.0.1', port, cert: certificate, key, rejectUnauthorized: false }, () =>
          socket.write(text),
        );
        socket.setEncoding('utf8').on('data', (part: string) => {
          answer += part;
        });
        socket.once('error', reject).once('close', () => resolve(answer));
      });
    const as = 'Host: x\r\nX-Remote-User: flora\r\nX-Remote-Group: system:authenticated\r\nConnection: close\r\n';
    for (const text of [
      `GET https://x${LOGS}/${A}/dns HTTP/1.1\r\n${as}\r\n`,
      `GET ${LOGS}/${A}/flows#/../dns HTTP/1.1\r\n${as}\r\n`,
      `GET ${LOGS}\\${A}\\dns HTTP/1.1\r\n${as}\r\n`,
      `GET ${LOGS}/${A}/flows HTTP/1.1\r\n${as}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET ${LOGS}/${A}/dns HTTP/1.1\r\n${as}\r\n`,
    ]) {
      const answer = await raw(text);
      assert.match(answer, /^HTTP\/1\.1 (400|401|403|404) /, text);
      assert.deepEqual(markersIn(answer), [], text);
    }
  });
});

describe('--as', () => {
  it('shows what that user may read, to whom may impersonate them and nobody else', async () => {
    const run = async (...args: string[]) => await mcm(workbench, ['logs', '--cluster', A, '-o', 'json', ...args]);
    const imke = await as(workbench, 'imke');
    const asFlora = await run(...imke, '--as', 'flora');
    assert.deepEqual([asFlora.code, markersIn(asFlora.stdout)], [0, SEES.flora]);
    for (const args of [
      imke,
      [...imke, '--as', 'wanda'],
      [...imke, '--as', 'flora', '--as-group', 'system:masters'],
      [...imke, '--as', 'flora', '--as-uid', '7'],
      [...imke, '--as', 'flora', '--type', 'dns'],
      [...(await as(workbench, 'nobody')), '--as', 'flora'],
    ]) {
      const { code, stdout, stderr } = await run(...args);
      assert.deepEqual([code, stdout], [1, ''], args.join(' '));
      assert.match(stderr, /^Error from server \(Forbidden\)/);
      assert.deepEqual(markersIn(stderr), []);
    }
  });
});

describe('the records that are looked for', () => {
  it('are there, of every type', async () => {
    const admin = await userOf(workbench, { name: 'admin', groups: ['system:masters'] });
    for (const cluster of [A, B]) {
      const { text } = await admin(`${LOGS}/${cluster}/*`);
      assert.deepEqual(markersIn(text), LOG_TYPES.map(({ name }) => markerOf(cluster, name)).sort());
    }
  });
});

async function ofFrontProxy(commonName: string, ca = frontProxyKeys(workbench, 'front-proxy-ca')) {
  return await createKeyPair({ commonName, usages: ['client'], notAfter: daysFromNow(1) }, ca);
}

async function caOfTheSameName() {
  return await createKeyPair({ commonName: 'front-proxy-ca', usages: [], ca: true, notAfter: daysFromNow(1) });
}
