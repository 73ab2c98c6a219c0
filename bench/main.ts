// npm run bench -- NAME [--row ROW]... [--records N | --full] [--json FILE]
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Result, table } from './result.ts';

/** Each tells of its progress, and resolves with its rows. */
type Benchmark = (
  rows: readonly string[],
  tell: (text: string) => void,
  /** How many records are stored, for those that store some. */
  options: { readonly records?: number },
) => Promise<Result[]>;

/** With `--full`. */
const FULL = 50_000_000;

const BENCHMARKS: Readonly<Record<string, () => Promise<Benchmark>>> = {
  cli: async () => (await import('./cli/cli.ts')).cli,
  forwarder: async () => (await import('./forwarder/forwarder.ts')).forwarder,
  ingest: async () => (await import('./ingest/ingest.ts')).ingest,
  query: async () => (await import('./query/query.ts')).query,
  tunnel: async () => (await import('./tunnel/tunnel.ts')).tunnel,
};

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: 'boolean' },
    json: { type: 'string' },
    records: { type: 'string' },
    row: { type: 'string', multiple: true },
  },
});
const [name = ''] = positionals;
const load = BENCHMARKS[name];
if (load === undefined || positionals.length > 1) {
  process.stderr.write(
    `usage: npm run bench -- NAME [--row ROW]... [--records N | --full] [--json FILE]\nNAME: ${Object.keys(BENCHMARKS).join(', ')}\n`,
  );
  process.exitCode = 1;
} else {
  const benchmark = await load();
  const records = values.full === true ? FULL : Number(values.records);
  const options = Number.isNaN(records) ? {} : { records };
  const results = await benchmark(values.row ?? [], (text) => process.stderr.write(`${text}\n`), options);
  process.stdout.write(table(results));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
}
