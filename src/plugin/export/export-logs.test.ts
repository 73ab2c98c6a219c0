import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { messageOf, UserError } from '../../errors.ts';
import { warningsOf } from '../logs/shortcomings.ts';
import { ExportDirectory } from './export-directory.ts';
import { summaryOf } from './export-logs.ts';
import { addFile, type ExportedLog, type Manifest } from './manifest.ts';

const DOCS = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'logs.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'export-'));
after(() => rmSync(folder, { recursive: true }));

function log(type: string, cluster: string): ExportedLog {
  return { type, cluster, records: 0, bytes: 0, files: [], finished: false, shortcomings: [] };
}

function manifest(logs: ExportedLog[], question: object = { since: '30d' }): Manifest {
  return {
    ...{
      version: 1,
      finished: false,
      question: { ...question },
      query: '',
      since: null,
      until: '2026-11-23T00:00:00.000Z',
    },
    ...{
      clusters: ['prod-eu', 'prod-us'],
      started: '2026-11-23T00:00:00.000Z',
      ended: null,
      records: 0,
      bytes: 0,
      logs,
    },
  };
}

describe('an export', () => {
  it('says what it has and what not, as the documentation shows it', () => {
    const message =
      'prod-us.lma.tigera.io "dns" is forbidden: User "alice" cannot get resource "prod-us" in API group "lma.tigera.io" at the cluster scope';
    const refusal = { kind: 'Refused', type: 'dns', cluster: 'prod-us', reason: 'Forbidden', message } as const;
    const refused = { ...log('dns', 'prod-us'), shortcomings: [refusal] };
    const export_ = manifest([log('flow', 'prod-eu'), refused]);
    const [flow] = export_.logs;
    assert.ok(flow);
    for (let n = 0; n < 63; n++) {
      const file = {
        name: `flow/prod-eu.${n}.ndjson`,
        records: n === 0 ? 38_615 : 38_601,
        bytes: 3_611_794,
        sha256: '',
      };
      addFile(export_, flow, file, 'next');
    }
    assert.deepEqual([flow.records, flow.continue], [export_.records, 'next']);
    const shown = [...warningsOf(refused.shortcomings, 0), summaryOf(export_, 'november')].join('');
    assert.ok(DOCS.includes(shown), `docs/logs.md should have\n${shown}`);
  });

  it('is of the same question, in whichever order its types are named', async () => {
    const path = join(folder, 'types');
    const open = (question: object) =>
      ExportDirectory.open(path, { ...question }, async () => manifest([log('flow', 'prod-eu')], question));
    (await open({ query: { flow: null, dns: null } })).release();
    (await open({ query: { dns: null, flow: null } })).release();
    await assert.rejects(open({ query: { dns: null } }), /another question: type was dns,flow, is dns$/);
  });

  it('is of one question, as the documentation shows it', async () => {
    const path = join(folder, 'november');
    const open = (question: object) =>
      ExportDirectory.open(path, { ...question }, async () => manifest([log('flow', 'prod-eu')], question));
    const first = await open({ since: '30d', until: null, selector: undefined });
    first.release();
    (await open({ since: '30d', until: null })).release();
    const text = await open({ since: '7d', until: null }).then(
      () => '',
      (error: unknown) => (error instanceof UserError ? `${error.message}\n${error.hint}\n` : messageOf(error)),
    );
    const shown = text.replace(path, 'november');
    assert.ok(DOCS.includes(shown) && shown !== '', `docs/logs.md should have\n${shown}`);
  });

  it('has no file that its manifest does not name', async () => {
    const path = join(folder, 'killed');
    const make = async () => manifest([log('flow', 'prod-eu')]);
    const directory = await ExportDirectory.open(path, { since: '30d' }, make);
    for (const name of ['flow/prod-eu.00001.ndjson', 'flow/prod-eu.00002.ndjson']) {
      const draft = await directory.draft(name);
      writeFileSync(draft.path, 'a line\n');
      await draft.commit();
    }
    const left = await directory.draft('flow/prod-eu.00003.ndjson');
    writeFileSync(left.path, 'half a');
    const [flow] = directory.manifest.logs;
    assert.ok(flow);
    addFile(directory.manifest, flow, { name: 'flow/prod-eu.00001.ndjson', records: 1, bytes: 7, sha256: '' }, 'next');
    await directory.save();
    directory.release();
    const again = await ExportDirectory.open(path, { since: '30d' }, make);
    assert.deepEqual(again.manifest.logs[0]?.files.length, 1);
    assert.throws(() => readFileSync(join(path, 'flow/prod-eu.00002.ndjson')), { code: 'ENOENT' });
    assert.throws(() => readFileSync(left.path), { code: 'ENOENT' });
    assert.equal(readFileSync(join(path, 'flow/prod-eu.00001.ndjson'), 'utf8'), 'a line\n');
    again.release();
  });
});
