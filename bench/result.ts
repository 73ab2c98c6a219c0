/** One row of a benchmark: what we do beside what the others do, on the same machine and in the same minutes. */
export interface Result {
  readonly name: string;
  readonly ours: number;
  /** null where there is nothing to compare with. */
  readonly theirs: number | null;
  readonly unit: string;
  /** ours / theirs. */
  readonly ratio: number | null;
  /** Which way is good, of `ours` and of `ratio`. */
  readonly better: 'lower' | 'higher';
}

export function result(row: Omit<Result, 'ratio'>): Result {
  const { name, ours, theirs, unit, better } = row;
  return { name, ours, theirs, unit, ratio: theirs === null ? null : ours / theirs, better };
}

const COLUMNS = ['NAME', 'OURS', 'THEIRS', 'UNIT', 'RATIO', 'BETTER'];

export function table(results: readonly Result[]): string {
  const rows = [
    COLUMNS,
    ...results.map(({ name, ours, theirs, unit, ratio, better }) => [
      name,
      figure(ours),
      figure(theirs),
      unit,
      ratio === null ? '-' : ratio.toFixed(2),
      better,
    ]),
  ];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('');
}

function figure(value: number | null): string {
  if (value === null) return '-';
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
