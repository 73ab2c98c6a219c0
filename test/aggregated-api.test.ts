import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { TABLE_TYPE } from '../src/manager/media-type.ts';
import { type Ask, eventually, frontProxyKeys, managerPort, sharedWorkbench, userOf } from './harness.ts';
import { startOwnManagement } from './own-management.ts';

const workbench = sharedWorkbench();
const GROUPS = ['lma.tigera.io', 'logs.kubectl-mcm.io', 'proxy.kubectl-mcm.io', 'query.kubectl-mcm.io'] as const;
const MANAGERS = '/apis/logs.kubectl-mcm.io/v1/managers';
const TABLE = { accept: TABLE_TYPE };

let admin: Ask;
let nobody: Ask;
/** kube-apiserver itself. */
let apiserver: Ask;

before(async () => {
  admin = await userOf(workbench, { name: 'admin', groups: ['system:masters'] });
  nobody = await userOf(workbench, { name: 'nobody' });
  const port = await managerPort(workbench, frontProxyKeys(workbench));
  apiserver = (path, { headers = {}, ...options } = {}) =>
    port(path, { ...options, headers: { 'x-remote-user': 'jane', ...headers } });
});

async function kubectl(...args: string[]): Promise<string> {
  return await workbench.mustKubectl(args);
}

describe('discovery', () => {
  for (const path of ['/apis', ...GROUPS.flatMap((group) => [`/apis/${group}`, `/apis/${group}/v1`])]) {
    it(`says the same to everybody at ${path}`, async () => {
      const answers = await Promise.all([admin(path), nobody(path)]);
      assert.equal(answers[0].code, 200);
      assert.equal(answers[0].text, answers[1].text);
      for (const group of path === '/apis' ? GROUPS : []) assert.ok(answers[0].text.includes(`"${group}/v1"`));
    });
  }

  it('is what kube-apiserver asks for all at once, and small', async () => {
    const type = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
    const { code, text, headers } = await apiserver('/apis', { headers: { accept: type } });
    assert.equal(code, 200);
    assert.equal(headers['content-type'], type);
    assert.ok(text.length < 2_500, text);
    const list = JSON.parse(text) as { items: { metadata: { name: string } }[] };
    assert.deepEqual(list.items.map(({ metadata }) => metadata.name).sort(), GROUPS);
    const beta = { accept: type.replace('v=v2', 'v=v2beta1') };
    assert.match((await apiserver('/apis', { headers: beta })).text, /"apiVersion":"apidiscovery.k8s.io\/v2beta1"/);
    assert.match((await apiserver('/apis')).text, /"kind":"APIGroupList"/);
    // kube-apiserver has taken it, and nothing of it is stale.
    const all = await admin('/apis', { headers: { accept: type } });
    assert.match(all.text, /"resource":"managers"/);
    assert.doesNotMatch(all.text, /"freshness":"Stale"/);
  });

  it('names no cluster', async () => {
    for (const path of [
      '/apis',
      '/openapi/v2',
      '/openapi/v3',
      ...GROUPS.map((group) => `/openapi/v3/apis/${group}/v1`),
    ]) {
      const { code, text } = await apiserver(path);
      assert.equal(code, 200, path);
      assert.doesNotMatch(text, /prod-eu/);
    }
  });
});

describe('kubectl without a plugin', () => {
  it('knows the resources', async () => {
    assert.match(
      await kubectl('api-resources', '--api-group=logs.kubectl-mcm.io'),
      /^managers +logs.kubectl-mcm.io\/v1/m,
    );
    const explained = await kubectl('explain', 'managers.logs.kubectl-mcm.io.status');
    assert.match(explained, /KIND: +Manager/);
    assert.match(explained, /turnedAway\t<\[\]Object>\n +Uploads that were not taken in the last minutes\./);
    assert.match(await kubectl('explain', 'days.logs.kubectl-mcm.io'), /A stored day/);
  });

  it('shows them as tables, and otherwise', async () => {
    const table = await kubectl('get', 'managers.logs.kubectl-mcm.io');
    assert.match(table, /^NAME +READY +STORE +SPOOLED +VERSION\n\S+ +True +(green|yellow) +<none> +0\.1\.0\n$/);
    assert.match(await kubectl('get', 'managers.logs.kubectl-mcm.io', '-o', 'wide'), /STARTED/);
    assert.match(await kubectl('get', 'managers.logs.kubectl-mcm.io', '-o', 'name'), /^manager.logs.kubectl-mcm.io\//);
    assert.match(await kubectl('get', 'managers.logs.kubectl-mcm.io', '-o', 'yaml'), /kind: Manager\n/);
  });
});

describe('what is not served', () => {
  const V1 = '/apis/lma.tigera.io/v1';
  for (const [method, path, headers, code, reason] of [
    ['HEAD', '/apis', {}, 405, undefined],
    ['HEAD', `${V1}/prod-eu/flows`, {}, 405, undefined],
    ['POST', '/apis/lma.tigera.io', {}, 405, 'MethodNotAllowed'],
    ['POST', `${V1}/prod-eu/flows`, { 'content-type': 'application/vnd.kubernetes.protobuf' }, 405, 'MethodNotAllowed'],
    ['PUT', MANAGERS, {}, 405, 'MethodNotAllowed'],
    ['PATCH', MANAGERS, { 'content-type': 'application/apply-patch+yaml' }, 405, 'MethodNotAllowed'],
    ['DELETE', `${V1}/prod-eu/flows`, {}, 405, 'MethodNotAllowed'],
    ['OPTIONS', '/openapi/v2', {}, 405, 'MethodNotAllowed'],
    ['TRACE', '/apis', {}, 405, 'MethodNotAllowed'],
    ['GET', '/apis', { accept: 'application/vnd.kubernetes.protobuf' }, 406, 'NotAcceptable'],
    ['GET', MANAGERS, { accept: 'application/yaml' }, 406, 'NotAcceptable'],
    ['GET', `${V1}/prod-eu/flows`, { accept: 'text/html' }, 406, 'NotAcceptable'],
    ['GET', `${V1}/cluster/flows`, TABLE, 403, 'Forbidden'],
    ['GET', '/apis/lma.tigera.io/v2', {}, 404, 'NotFound'],
    ['GET', '/apis/lma.tigera.io/', {}, 404, 'NotFound'],
    ['GET', '/apis/lma.tigera.iox/v1', {}, 404, 'NotFound'],
    ['GET', '/apis/else.example/v1', {}, 404, 'NotFound'],
    ['GET', '/apis//', {}, 404, 'NotFound'],
    ['GET', '/', {}, 404, 'NotFound'],
    ['GET', '/api', {}, 404, 'NotFound'],
    ['GET', '/version', {}, 404, 'NotFound'],
    ['GET', '/metrics', {}, 404, 'NotFound'],
    ['GET', '/openapi/v3/apis/lma.tigera.io/v1/', {}, 404, 'NotFound'],
    ['GET', '/openapi/v3/apis/lma.tigera.io/../lma.tigera.io/v1', {}, 404, 'NotFound'],
    ['GET', `${MANAGERS}/`, {}, 404, 'NotFound'],
    ['GET', `${MANAGERS}/one`, {}, 404, 'NotFound'],
    ['GET', '/apis/logs.kubectl-mcm.io/v1/namespaces/default/managers', {}, 404, 'NotFound'],
  ] as const) {
    it(`${method} ${path} ${JSON.stringify(headers)}: ${code}, as a Status`, async () => {
      const answer = await apiserver(path, { method, headers });
      assert.equal(answer.code, code, answer.text);
      assert.equal(answer.headers['content-type'], 'application/json');
      assert.equal(answer.headers.allow, code === 405 ? 'GET' : undefined);
      if (reason === undefined) return;
      const { kind, status, reason: said, code: repeated, message } = JSON.parse(answer.text);
      assert.deepEqual([kind, status, said, repeated], ['Status', 'Failure', reason, code]);
      assert.ok(message.length > 0);
    });
  }

  it('is told by kubectl as kubectl tells it of others', async () => {
    const created = await workbench.kubectl(['create', '--raw', MANAGERS, '-f', '-'], { input: '{}' });
    assert.deepEqual([created.code, created.stdout], [1, '']);
    assert.match(created.stderr, /^Error from server \(MethodNotAllowed\): POST is not allowed here; GET is\n$/);
  });
});

describe('an answer', () => {
  it('is a table where one is asked for and there is one', async () => {
    const { headers, text } = await apiserver(MANAGERS, { headers: TABLE });
    assert.equal(headers['content-type'], TABLE_TYPE);
    const { kind, columnDefinitions, rows } = JSON.parse(text);
    assert.equal(kind, 'Table');
    assert.equal(columnDefinitions.length, rows[0].cells.length);
    assert.equal(rows[0].object.metadata.name, rows[0].cells[0]);
  });

  it('is logs for who takes these, whatever they like better', async () => {
    const path = '/apis/lma.tigera.io/v1/cluster/flows';
    const both = await admin(path, { headers: { accept: `${TABLE_TYPE},application/json` } });
    assert.deepEqual([both.code, JSON.parse(both.text).kind], [200, 'LogList']);
    const table = await admin(path, { headers: TABLE });
    assert.deepEqual([table.code, JSON.parse(table.text).reason], [406, 'NotAcceptable']);
  });
});

describe("kube-apiserver's own log", () => {
  it('has no complaint about our APIServices', async (t) => {
    const { workbench: own, cluster } = await startOwnManagement(workbench, 'quiet');
    t.after(() => cluster.stop());
    const manager = await own.startManager();
    t.after(() => manager.stop());
    const logFile = join(cluster.facts.directory, 'log', 'kube-apiserver.log');
    const before = readFileSync(logFile, 'utf8').length;
    // So that it meets them from its start on.
    await cluster.restartApiserver();
    await eventually(async () => {
      const index = await own.kubectl(['get', '--raw', '/openapi/v3']);
      const swagger = await own.kubectl(['get', '--raw', '/openapi/v2']);
      return (
        GROUPS.every((group) => index.stdout.includes(`"apis/${group}/v1"`)) &&
        swagger.stdout.includes('"io.kubectl-mcm.logs.v1.ManagerList"') &&
        swagger.stdout.includes('"/apis/lma.tigera.io/v1/{cluster}/{name}"')
      );
    });
    const log = readFileSync(logFile, 'utf8').slice(before);
    const complaints = log
      .split('\n')
      .filter((line) => /^[EW].*(lma\.tigera\.io|(logs|proxy|query)\.kubectl-mcm\.io)/.test(line));
    assert.deepEqual(complaints, []);
  });
});
