import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { addSender, type ForwardReport, forward, mcm, type Sender, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const { elasticsearch } = workbench;

const FLOWS = 10_000;
const DNS = 5_000;
const HOUR = 3_600_000;
/** The last midnight (UTC) that is at least an hour ago, so that an hour on either side of it is past. */
const MIDNIGHT = Math.floor((Date.now() - HOUR) / 86_400_000) * 86_400_000;

/** How many of the lines belong to which UTC day. */
function daysOf(lines: readonly string[], timeField: string): Map<string, number> {
  const days = new Map<string, number>();
  for (const line of lines) {
    const time = (JSON.parse(line) as Record<string, string | number>)[timeField] ?? '';
    const day = new Date(typeof time === 'number' ? time * 1000 : time).toISOString().slice(0, 10).replaceAll('-', '');
    days.set(day, (days.get(day) ?? 0) + 1);
  }
  return days;
}

async function countsByDay(pattern: string): Promise<Map<string, number>> {
  await elasticsearch.request('POST', `/${pattern}/_refresh`);
  const indices = (await elasticsearch.request('GET', `/_cat/indices/${pattern}?format=json&h=index`)) as {
    index: string;
  }[];
  const counts = new Map<string, number>();
  for (const { index } of indices) counts.set(index.split('.').at(-1) ?? '', await elasticsearch.count(index));
  // In the evening the manager creates the next day's.
  return new Map([...counts].filter(([, count]) => count > 0));
}

for (const cluster of ['prod-eu', 'prod-us']) {
  describe(`logs of ${cluster}`, () => {
    const facts = workbench.facts.managed.find(({ name }) => name === cluster);
    assert.ok(facts);
    let sender: Sender;
    let files: { flow: string; dns: string; audit: string };
    let args: string[];
    let flows: string[];
    let dns: string[];
    let audit = 0;

    before(async () => {
      sender = await addSender(workbench, cluster);
      files = {
        flow: join(sender.folder, 'flows.log'),
        dns: join(sender.folder, 'dns.log'),
        audit: join(sender.folder, 'kube-audit.log'),
      };
      // The API server goes on writing to its own.
      copyFileSync(facts.auditLog, files.audit);
      audit = readFileSync(files.audit, 'latin1').split('\n').length - 1;
      assert.ok(audit > 100, `the API server has written ${audit} audit records`);
      args = ['--flow', files.flow, '--dns', files.dns, '--audit-kube', files.audit, '-o', 'json'];
      const around = { from: MIDNIGHT - HOUR, to: MIDNIGHT + HOUR };
      flows = [...generateFlows({ seed: 3, count: FLOWS, ...around })];
      dns = [...generateDns({ seed: 4, count: DNS, ...around })];
      writeFileSync(files.flow, `${flows.join('\n')}\n`);
      writeFileSync(files.dns, `${dns.join('\n')}\n`);
    });

    it('arrive once, each record in its own day, counted by Elasticsearch', async () => {
      const { code, stdout } = await forward(workbench, sender, args);
      assert.equal(code, 0);
      const report = JSON.parse(stdout) as ForwardReport;
      const shipped = new Map(report.types.map((type) => [type.type, type.shipped]));
      assert.equal(shipped.get('flow'), FLOWS);
      assert.equal(shipped.get('dns'), DNS);
      assert.equal(shipped.get('audit-kube'), audit);

      assert.equal(await elasticsearch.count(`tigera_secure_ee_flows.${cluster}.*`), FLOWS);
      assert.equal(await elasticsearch.count(`tigera_secure_ee_dns.${cluster}.*`), DNS);
      assert.equal(await elasticsearch.count(`tigera_secure_ee_audit_kube.${cluster}.*`), audit);
      const audited = readFileSync(files.audit, 'utf8').split('\n', audit);
      for (const [index, sent, time] of [
        ['flows', flows, 'end_time'],
        ['dns', dns, 'end_time'],
        ['audit_kube', audited, 'stageTimestamp'],
      ] as const) {
        const expected = daysOf(sent, time);
        assert.ok(index === 'audit_kube' || expected.size === 2, `${index} of ${expected.size} days`);
        assert.deepEqual(await countsByDay(`tigera_secure_ee_${index}.${cluster}.*`), expected, index);
      }
    });

    it('are not shipped a second time', async () => {
      const { code, stdout } = await forward(workbench, sender, args);
      assert.equal(code, 0);
      const { types } = JSON.parse(stdout) as ForwardReport;
      assert.deepEqual(
        types.map(({ type, shipped, leftBytes }) => [type, shipped, leftBytes]),
        [
          ['flow', 0, 0],
          ['dns', 0, 0],
          ['audit-kube', 0, 0],
        ],
      );
    });

    it('are stored once when the checkpoint is lost', async () => {
      rmSync(join(sender.folder, 'state'), { recursive: true });
      const { code, stdout } = await forward(workbench, sender, args);
      assert.equal(code, 0);
      const { types } = JSON.parse(stdout) as ForwardReport;
      assert.equal(types.find(({ type }) => type === 'flow')?.known, FLOWS, 'everything was sent again');
      assert.equal(types.find(({ type }) => type === 'dns')?.known, DNS);
      assert.equal(await elasticsearch.count(`tigera_secure_ee_flows.${cluster}.*`), FLOWS);
      assert.equal(await elasticsearch.count(`tigera_secure_ee_dns.${cluster}.*`), DNS);
      assert.equal(types.find(({ type }) => type === 'audit-kube')?.known, audit);
      assert.equal(await elasticsearch.count(`tigera_secure_ee_audit_kube.${cluster}.*`), audit);
    });

    it('go on where they were, when files grow', async () => {
      const [line = ''] = generateFlows({ seed: 5, count: 1, from: MIDNIGHT, to: MIDNIGHT });
      appendFileSync(files.flow, `${line}\n${line.slice(0, 40)}`);
      const half = await forward(workbench, sender, ['--flow', files.flow, '-o', 'json']);
      assert.equal((JSON.parse(half.stdout) as ForwardReport).types[0]?.shipped, 1, 'a line without its end must wait');
      assert.equal((JSON.parse(half.stdout) as ForwardReport).types[0]?.leftBytes, 0);
      assert.equal((JSON.parse(half.stdout) as ForwardReport).types[0]?.unfinishedBytes, 40);
      appendFileSync(files.flow, `${line.slice(40)}\n`);
      const whole = await forward(workbench, sender, ['--flow', files.flow]);
      assert.match(whole.stdout, /^prod-e?u?s?: 1 record shipped \(1 flow\), 0 set aside, nothing left, /);
      assert.equal(await elasticsearch.count(`tigera_secure_ee_flows.${cluster}.*`), FLOWS + 2);
    });

    it('go on in the file that what is shipped was copied from, while it is written', async () => {
      const { stdout } = await forward(workbench, sender, ['--audit-kube', facts.auditLog, '-o', 'json']);
      const [live] = (JSON.parse(stdout) as ForwardReport).types;
      const total = readFileSync(facts.auditLog, 'latin1').split('\n').length - 1;
      assert.ok(live?.known === 0 && live.shipped <= total - audit, JSON.stringify(live));
      assert.equal(await elasticsearch.count(`tigera_secure_ee_audit_kube.${cluster}.*`), audit + live.shipped);
    });

    it('keep their own fields and get ours', async () => {
      const { stdout } = await mcm(workbench, ['logs', '--cluster', cluster, '--tail', '1', '-o', 'json']);
      const record = JSON.parse(stdout) as Record<string, unknown>;
      assert.equal(record.cluster, cluster);
      assert.equal(record.host, 'node-1');
      assert.equal(record.log_type, 'flows');
      assert.equal(record['@timestamp'], Number(record.end_time) * 1000);
      assert.ok(Math.abs(Number(record.ingested) - Date.now()) < 120_000);
      const [line = ''] = readFileSync(files.flow, 'utf8').trim().split('\n').slice(-1);
      const sent = JSON.parse(line) as Record<string, unknown>;
      const { cluster: _c, host: _h, log_type: _l, log_id: _d, '@timestamp': _t, ingested: _i, ...kept } = record;
      // Records of one moment come in no particular order, so this may be another one of the last second.
      assert.deepEqual(Object.keys(kept).sort(), Object.keys(sent).sort());
    });

    it('show the cluster as receiving', async () => {
      const { stdout } = await mcm(workbench, ['clusters']);
      assert.match(stdout, /^NAME +STATUS +LAST SEEN +AGE\n/);
      assert.match(stdout, new RegExp(`^${cluster} +Receiving +\\d+m?\\d*s +\\d+m?\\d*s$`, 'm'));
    });
  });
}
