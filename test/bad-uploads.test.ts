import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { addSender, post, type Sender, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();

describe('the port for managed clusters', () => {
  let sender: Sender;
  before(async () => {
    sender = await addSender(workbench, 'posting');
  });

  for (const [what, path, headers, code, words] of [
    ['a path that is none', '/api/v1/flows', {}, 404, /no log type is taken at this path/],
    ['a path with a query', '/api/v1/flows/logs/bulk?cluster=x', {}, 404, /no log type is taken/],
    ['an encoding that is not known', '/api/v1/flows/logs/bulk', { 'content-encoding': 'br' }, 415, /br is not taken/],
    ['what is not gzip', '/api/v1/flows/logs/bulk', { 'content-encoding': 'gzip' }, 400, /the body is not gzip/],
    [
      'a file key that is none',
      '/api/v1/flows/logs/bulk',
      { 'kubectl-mcm-file-key': 'x' },
      400,
      /32 lower-case hexadecimal digits/,
    ],
    ['an offset without a file', '/api/v1/flows/logs/bulk', { 'kubectl-mcm-offset': '5' }, 400, /file-key/],
  ] as const) {
    it(`answers ${what}`, async () => {
      const answer = await post(sender.credentials, path, '{}\n', { headers });
      assert.equal(answer.code, code, answer.text);
      assert.match(answer.text, words);
    });
  }

  it('takes what other shippers send, without positions: equal flows are two, equal audit records one', async () => {
    const now = Math.floor(Date.now() / 1000);
    const flow = `{"end_time":${now},"action":"allow"}\n`;
    const audit = `{"kind":"Event","auditID":"b","stage":"ResponseComplete","stageTimestamp":"${new Date().toISOString()}"}\n`;
    for (const round of [1, 2]) {
      const flows = await post(sender.credentials, '/api/v1/flows/logs/bulk', flow + flow);
      assert.deepEqual(JSON.parse(flows.text), { accepted: 2, known: round === 1 ? 0 : 2, setAside: 0, reasons: [] });
      const audits = await post(sender.credentials, '/api/v1/audit/logs/kube/bulk', audit + audit);
      assert.deepEqual(JSON.parse(audits.text), { accepted: 2, known: round === 1 ? 1 : 2, setAside: 0, reasons: [] });
    }
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_flows.posting.*'), 2);
    assert.equal(await workbench.elasticsearch.count('tigera_secure_ee_audit_kube.posting.*'), 1);
  });
});
