import { join } from 'node:path';
import { mustRun } from '../../testbed/processes.ts';
import { type Result, result } from '../result.ts';
import { exportRates } from './export.ts';
import { firstPage } from './first-page.ts';
import { QueryBench } from './query-bench.ts';
import { top, topAgain } from './top.ts';

const PROJECT = join(import.meta.dirname, '..', '..');

/** Stored records, where nothing says how many. */
const RECORDS = 5_000_000;

type Tell = (text: string) => void;

/** Each row by itself, with what is stored already. */
const ROWS: Readonly<Record<string, (bench: QueryBench, tell: Tell) => Promise<Omit<Result, 'name' | 'ratio'>>>> = {
  'first-page-vs-raw': async (bench, tell) => {
    const unit = `ms for 6 questions; ${bench.records} records`;
    return { ...(await firstPage(bench, tell)), unit, better: 'lower' };
  },
  'top-vs-raw': async (bench, tell) => {
    return { ...(await top(bench, tell)), unit: `ms for 3 questions; ${bench.records} records`, better: 'lower' };
  },
  'top-again-vs-raw': async (bench, tell) => {
    return { ...(await topAgain(bench, tell)), unit: `ms for 3 questions; ${bench.records} records`, better: 'lower' };
  },
  'export-vs-scroll': async (bench, tell) => {
    return { ...(await exportRates(bench, tell)), unit: 'records/s', better: 'higher' };
  },
};

/** Questions to the manager by way of kube-apiserver, beside the same ones straight to Elasticsearch. */
export async function query(rows: readonly string[], tell: Tell, { records = RECORDS } = {}): Promise<Result[]> {
  const unknown = rows.find((row) => ROWS[row] === undefined);
  if (unknown !== undefined) throw new Error(`there is no row "${unknown}"; there are ${Object.keys(ROWS).join(', ')}`);
  const wanted = Object.entries(ROWS).filter(([name]) => rows.length === 0 || rows.includes(name));
  await mustRun(process.execPath, ['build.ts'], { cwd: PROJECT });
  const bench = await QueryBench.start(records, tell);
  try {
    const results: Result[] = [];
    for (const [name, measure] of wanted) results.push(result({ name, ...(await measure(bench, tell)) }));
    return results;
  } finally {
    await bench.stop();
  }
}
