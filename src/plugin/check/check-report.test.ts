import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkReport, exitCodeOf, marksFor } from './check-report.ts';
import { doubtful, ok, type Section, skipped, wrong } from './finding.ts';

const SECTIONS: readonly Section[] = [
  {
    title: 'management cluster',
    findings: [ok('manager', 'it answers'), doubtful('spool', 'it fills', '', 'mend it')],
  },
  {
    title: 'a cluster',
    findings: [wrong('tcp', 'no way\u001b[31m', 'ECONNREFUSED', 'open it'), skipped('ca', 'you may not', 'Forbidden')],
  },
];

describe('the report of checks', () => {
  it('has a sign, the words, the id and what to do, and sends nothing to the terminal that others wrote', () => {
    const lines = [
      ...['management cluster', '------------------', '√ it answers', '‼ it fills [spool]', '     to do: mend it', ''],
      ...['a cluster', '---------', '× no way\\x1b[31m [tcp]', '     why: ECONNREFUSED', '     to do: open it'],
      ...['- you may not [ca]', '     why: Forbidden', '', '1 error, 1 warning, 1 not checked'],
    ];
    const report = checkReport(SECTIONS, marksFor(true, { LANG: 'en_US.UTF-8' }));
    assert.equal(report, `${lines.join('\n')}\n`);
    assert.equal(exitCodeOf(SECTIONS), 1);
  });

  it('has words where there is no terminal, or one that shows no signs', () => {
    for (const marks of [marksFor(false, { LANG: 'C.UTF-8' }), marksFor(true, { LC_ALL: 'C', LANG: 'C.UTF-8' })]) {
      assert.match(checkReport(SECTIONS, marks), /^OK {3}it answers\nWARN it fills/m);
    }
  });

  it('is 0 with warnings alone', () => {
    const [first] = SECTIONS;
    assert.equal(exitCodeOf(first === undefined ? [] : [first]), 0);
    const well = [{ title: 'all', findings: [ok('manager', 'it answers')] }];
    assert.match(checkReport(well, marksFor(false, {})), /\nEverything is in order\.\n$/);
  });
});
