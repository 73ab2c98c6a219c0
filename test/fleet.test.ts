import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { LogList } from '../src/manager/log-reader.ts';
import { addSender, eventually, grant, type HttpAnswer, mcm, post, sharedWorkbench, userOf } from './harness.ts';

const workbench = sharedWorkbench();
const NOW = Math.floor(Date.now() / 1000);
const LOGS = '/apis/query.kubectl-mcm.io/v1/logs';
const RECORDS = 4;

function listOf({ code, text }: HttpAnswer): LogList {
  assert.equal(code, 200, text);
  return JSON.parse(text) as LogList;
}

function clustersOf({ items }: LogList): string[] {
  return [...new Set(items.map(({ cluster }) => String(cluster)))].sort();
}

before(async () => {
  for (const cluster of ['fleet-a', 'fleet-b']) {
    const { credentials } = await addSender(workbench, cluster);
    // Of one time each, whichever cluster it is.
    const lines = Array.from({ length: RECORDS }, (_, n) => JSON.stringify({ end_time: NOW - n, action: 'deny', n }));
    await post(credentials, '/api/v1/flows/logs/bulk', `${lines.join('\n')}\n`);
  }
  await workbench.elasticsearch.request('POST', '/_refresh');
  await grant(workbench, 'fiona', { resources: ['fleet-a'], resourceNames: ['flows'] });
  await grant(workbench, 'frank', { resources: ['*'], resourceNames: ['*'] });
});

describe('a read of several clusters', () => {
  it('is open to everybody, and shows what each may see', async () => {
    const fiona = await userOf(workbench, { name: 'fiona' });
    const list = listOf(await fiona(`${LOGS}/flows?clusters=fleet-a,fleet-b,fleet-never`));
    assert.deepEqual([clustersOf(list), list.items.length], [['fleet-a'], RECORDS]);
    // One that is there and one that is not cannot be told from each other.
    const refused = (cluster: string) => ({
      kind: 'Refused',
      cluster,
      type: 'flows',
      reason: 'Forbidden',
      message: `${cluster}.lma.tigera.io "flows" is forbidden: User "fiona" cannot get resource "${cluster}" in API group "lma.tigera.io" at the cluster scope`,
    });
    assert.deepEqual(list.shortcomings, [refused('fleet-b'), refused('fleet-never')]);
    const dns = listOf(await fiona(`${LOGS}/dns?clusters=fleet-a,fleet-b`));
    assert.deepEqual([dns.items, dns.shortcomings.length], [[], 2]);
    const stranger = await userOf(workbench, { name: 'stranger' });
    assert.deepEqual(listOf(await stranger(`${LOGS}/flows?clusters=fleet-a,fleet-b`)).items, []);
  });

  it('says what is not there to those who may see everything', async () => {
    const frank = await userOf(workbench, { name: 'frank' });
    const list = listOf(await frank(`${LOGS}/flows?clusters=fleet-a,fleet-never,fleet-b`));
    assert.deepEqual([clustersOf(list), list.items.length], [['fleet-a', 'fleet-b'], 2 * RECORDS]);
    assert.deepEqual(
      list.shortcomings.map(({ kind, cluster, ...rest }) => [kind, cluster, 'reason' in rest && rest.reason]),
      [['Refused', 'fleet-never', 'NotFound']],
    );
  });

  it('is one list that is gone on with by one cursor', async () => {
    const frank = await userOf(workbench, { name: 'frank' });
    for (const order of ['asc', 'desc', 'arrival']) {
      const path = `${LOGS}/flows?clusters=fleet-a,fleet-b&order=${order}`;
      const all = listOf(await frank(path)).items.map(({ log_id }) => log_id);
      const seen: string[] = [];
      let from: string | undefined;
      do {
        const page = listOf(await frank(`${path}&limit=3${from === undefined ? '' : `&continue=${from}`}`));
        seen.push(...page.items.map(({ log_id }) => log_id));
        from = page.metadata.continue;
      } while (from !== undefined);
      assert.equal(new Set(seen).size, 2 * RECORDS);
      assert.deepEqual(seen, all);
    }
  });

  it('takes its path and its clusters literally', async () => {
    const frank = await userOf(workbench, { name: 'frank' });
    const clusters = 'clusters=fleet-a,fleet-b';
    for (const path of ['/flows/../dns', '/flows%2f..%2fdns', '/flows/', '//flows', '/flow', '/*', '']) {
      const { code } = await frank(`${LOGS}${path}?${clusters}`);
      assert.ok([403, 404, 301].includes(code), `${path}: ${code}`);
    }
    const many = Array.from({ length: 251 }, (_, n) => `c${n}`).join();
    for (const value of ['', '*', 'fleet-*', 'fleet-a,', 'fleet-a,Fleet-b', 'fleet.a', 'shared', many]) {
      const { code, text } = await frank(`${LOGS}/flows?clusters=${encodeURIComponent(value)}`);
      assert.equal(code, 400, value);
      assert.match(text, /"message":"clusters: /);
    }
  });

  it('can be of 250 clusters with the longest of names', async () => {
    const names = Array.from({ length: 249 }, (_, n) => `${'n'.repeat(59)}-${n + 100}`);
    const frank = await userOf(workbench, { name: 'frank' });
    const list = listOf(await frank(`${LOGS}/flows?clusters=fleet-a,${names.join()}`));
    assert.deepEqual([clustersOf(list), list.shortcomings.length], [['fleet-a'], 249]);
  });

  it('has places of its own in kube-apiserver', async () => {
    const dispatched = async () => {
      const text = await workbench.mustKubectl(['get', '--raw', '/metrics']);
      const [, count = '0'] =
        /^apiserver_flowcontrol_dispatched_requests_total\{flow_schema="kubectl-mcm-logs",priority_level="kubectl-mcm-logs"\} (\d+)/m.exec(
          text,
        ) ?? [];
      return Number(count);
    };
    const before = await dispatched();
    const fiona = await userOf(workbench, { name: 'fiona' });
    await fiona(`${LOGS}/flows?clusters=fleet-a,fleet-b`);
    await fiona('/apis/lma.tigera.io/v1/fleet-a/flows');
    await eventually(async () => (await dispatched()) >= before + 2);
  });
});

describe('kubectl mcm logs', () => {
  const paths = (stderr: string) =>
    [...stderr.matchAll(/^GET https:\/\/[^/]+(\/[^? ]+)/gm)]
      .map(([, path]) => path)
      .filter((path) => path?.includes('v1'));

  it('asks once for several clusters, and for one under its own name', async () => {
    const args = ['logs', '--since', '1h', '-o', 'name', '-v=6', '--cluster'];
    const several = await mcm(workbench, [...args, 'fleet-a,fleet-b']);
    assert.deepEqual([paths(several.stderr), several.stdout.split('\n').length], [[`${LOGS}/flows`], 2 * RECORDS + 1]);
    const one = await mcm(workbench, [...args, 'fleet-a']);
    assert.deepEqual(paths(one.stderr), ['/apis/lma.tigera.io/v1/fleet-a/flows']);
  });
});
