import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { LAYOUT_NAMES } from '../../src/logs/store/elasticsearch/layout.ts';
import { Elasticsearch } from '../../testbed/elasticsearch/elasticsearch.ts';
import type { ElasticsearchMajor } from '../../testbed/elasticsearch/installation.ts';
import { counting, limits } from './counting.ts';
import { finding } from './finding.ts';
import { keeping } from './keeping.ts';
import type { Subject } from './subject.ts';

/** All that a store has to do, in one Elasticsearch and in each layout. */
export function conformance(major: ElasticsearchMajor): void {
  describe(`Elasticsearch ${major}`, () => {
    let elasticsearch: Elasticsearch;
    const server = () => elasticsearch;
    const folder = mkdtempSync(join(tmpdir(), 'kubectl-mcm-conformance-'));
    before(async () => {
      elasticsearch = await Elasticsearch.start(folder, (text) => process.stderr.write(`${text}\n`), { major });
    });
    after(async () => {
      await elasticsearch?.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    for (const layout of LAYOUT_NAMES) {
      const subject: Subject = { server, major, layout };
      describe(`with the layout ${layout} keeps records`, () => keeping(subject));
      describe(`with the layout ${layout} finds records`, () => finding(subject));
      describe(`with the layout ${layout} counts records`, () => counting(subject));
    }
    if (major === 9) describe('at its limits', () => limits(server));
  });
}
