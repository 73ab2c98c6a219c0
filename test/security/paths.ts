import { A, type Attempt, attempts, B, LOGS, NONE, SEES, STATUS } from './setting.ts';

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

/** What is tried with a path, a query string or headers, of one cluster. */
export const AT_ONE_CLUSTER = {
  'a path that kube-apiserver reads otherwise': READ_OTHERWISE,
  'a path that kube-apiserver refuses': REFUSED_BEFORE,
  'a query string': QUERIES,
  'a header': HEADERS,
  'somebody without rights': WITHOUT_RIGHTS,
  'a right to something else': OF_THE_MANAGER,
};
