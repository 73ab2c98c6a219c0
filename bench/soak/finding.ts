/** A line of a soak's report: something measured and, for most, what it must be. */
export interface Finding {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** In words; empty where it is only told. */
  readonly must: string;
  readonly ok: boolean;
}

export function told(name: string, value: number, unit = ''): Finding {
  return { name, value, unit, must: '', ok: true };
}

export function exactly(name: string, value: number, wanted: number, unit = ''): Finding {
  return { name, value, unit, must: `exactly ${wanted}`, ok: value === wanted };
}

export function atMost(name: string, value: number, limit: number, unit = ''): Finding {
  return { name, value, unit, must: `at most ${figure(limit)}`, ok: value <= limit };
}

export function atLeast(name: string, value: number, limit: number, unit = ''): Finding {
  return { name, value, unit, must: `at least ${figure(limit)}`, ok: value >= limit };
}

export function findingsTable(findings: readonly Finding[]): string {
  const rows = findings.map(({ name, value, unit, must, ok }) => [name, figure(value), unit, must, ok ? '' : 'FAILED']);
  const all = [['WHAT', 'FIGURE', 'UNIT', 'MUST BE', ''], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ');
  return all.map((row) => `${line(row).trimEnd()}\n`).join('');
}

function figure(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);
}
