import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { markersIn } from '../every-type.ts';
import { A, ask, assertComesTo, attempts, B, FLEET, LOGS, NONE, SEES, type User } from './setting.ts';

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

export const AT_MANY_CLUSTERS = { 'a read of many clusters': MANY_CLUSTERS, 'a count': COUNTED };

/** What is left out of an answer about many clusters, and nothing of it shown. */
export function inPart(): void {
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
}
