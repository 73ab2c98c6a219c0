import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { LOG_TYPES } from '../src/logs/types/index.ts';
import { markerOf, markersIn } from './every-type.ts';
import { as, frontProxyKeys, managerPort, mcm, userOf } from './harness.ts';
import { atManagerPort } from './security/manager-port.ts';
import { AT_MANY_CLUSTERS, inPart } from './security/many-clusters.ts';
import { AT_ONE_CLUSTER } from './security/paths.ts';
import { A, ask, assertComesTo, B, LOGS, NONE, SEES, setScene, type User, workbench } from './security/setting.ts';

before(setScene);

for (const [what, list] of Object.entries({ ...AT_ONE_CLUSTER, ...AT_MANY_CLUSTERS })) {
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

inPart();

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

atManagerPort();

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
