import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemWords, UserError } from '../../errors.ts';
import { clusterNameFault, isNamespaceName } from '../connection/registration.ts';
import { type Labels, labelFault } from '../labels.ts';
import { CsvError, type CsvRow, parseCsv } from './csv.ts';

/** A cluster that is to be added, as a line of the file says. */
export interface ListedCluster {
  readonly line: number;
  readonly name: string;
  /** Context of the kubeconfig by which the manifest is applied. */
  readonly context: string | undefined;
  readonly operatorNamespace: string;
  readonly labels: Labels;
  /** Path of the manifest. */
  readonly manifest: string;
}

/** What is wrong with a line. */
export interface LineFault {
  readonly line: number;
  readonly message: string;
}

export interface FileOptions {
  /** Where the manifests go. */
  readonly directory: string;
  /** For lines that do not say it. */
  readonly operatorNamespace: string;
  /** Of every cluster, unless its line says otherwise. */
  readonly labels: Labels;
}

const COLUMNS = ['name', 'managed-context', 'operator-namespace', 'output'] as const;
type Column = (typeof COLUMNS)[number];
const ALIASES: Readonly<Record<string, Column>> = { context: 'managed-context' };
const LABEL = 'label:';

/** The clusters that a CSV file lists under a line of column names. @throws UserError that names every bad line. */
export function readClustersFile(path: string, options: FileOptions): readonly ListedCluster[] {
  const [header, ...rows] = readRows(path);
  if (header === undefined || rows.length === 0) throw new UserError(`error: ${path} lists no cluster`, { hint: HINT });
  const columns = columnsOf(path, header);
  const faults: LineFault[] = [];
  const listed = rows.map((row) => {
    const message = cellsFault(columns, row.cells);
    if (message !== undefined) faults.push({ line: row.line, message });
    return listedCluster(columns, row, options);
  });
  faults.push(...listed.flatMap(faultsOf), ...doubled(listed));
  requireNone(path, faults);
  return listed;
}

const HINT = `its first line names the columns: ${COLUMNS.join(', ')}, ${LABEL}KEY. Only "name" is needed.`;

/** So many lines with the same fault are named. */
const MOST_LINES = 10;

/** @throws UserError that names every bad line, and that nothing was done. */
export function requireNone(path: string, faults: readonly LineFault[]): void {
  if (faults.length === 0) return;
  const inOrder = [...faults].sort((a, b) => a.line - b.line);
  const groups = Map.groupBy(inOrder, ({ message }) => message);
  const lines = [...groups].map(([message, same]) => `  ${linesText(same.map(({ line }) => line))}: ${message}`);
  throw new UserError(`error: ${path} cannot be used as it is; nothing was changed:\n${lines.join('\n')}`);
}

function linesText(lines: readonly number[]): string {
  const more = lines.length > MOST_LINES ? ` and ${lines.length - MOST_LINES} more` : '';
  return `${lines.length === 1 ? 'line' : 'lines'} ${lines.slice(0, MOST_LINES).join(', ')}${more}`;
}

function readRows(path: string): readonly CsvRow[] {
  try {
    return parseCsv(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof CsvError) throw new UserError(`error: ${path}: line ${error.line}: ${error.message}`);
    throw new UserError(`error: cannot read ${path}: ${systemWords(error)}`);
  }
}

function columnsOf(path: string, { line, cells }: CsvRow): readonly string[] {
  const columns = cells.map((cell) => ALIASES[cell] ?? cell);
  const fault = columns.includes('name')
    ? columns.map((column, at) => columnFault(column, columns.indexOf(column) !== at)).find((one) => one !== undefined)
    : 'no column "name"';
  if (fault === undefined) return columns;
  throw new UserError(`error: ${path}: line ${line} has ${fault}`, { hint: HINT });
}

function columnFault(column: string, isAgain: boolean): string | undefined {
  if (isAgain) return `the column "${column}" twice`;
  if ((COLUMNS as readonly string[]).includes(column)) return undefined;
  const isLabel = column.startsWith(LABEL) && labelFault(column.slice(LABEL.length), '') === undefined;
  return isLabel ? undefined : `an unknown column "${column}"`;
}

function cellsFault(columns: readonly string[], cells: readonly string[]): string | undefined {
  return cells.length > columns.length ? `${cells.length} cells under ${columns.length} columns` : undefined;
}

function listedCluster(
  columns: readonly string[],
  { line, cells }: CsvRow,
  { directory, operatorNamespace, labels }: FileOptions,
): ListedCluster {
  const cell = (column: Column) => cells[columns.indexOf(column)] || undefined;
  const name = cell('name') ?? '';
  const own = columns.flatMap((column, at) => {
    const value = cells[at] ?? '';
    return column.startsWith(LABEL) && value !== '' ? [[column.slice(LABEL.length), value] as const] : [];
  });
  return {
    line,
    name,
    context: cell('managed-context'),
    operatorNamespace: cell('operator-namespace') ?? operatorNamespace,
    labels: { ...labels, ...Object.fromEntries(own) },
    manifest: resolve(directory, cell('output') ?? `${name}.yaml`),
  };
}

function faultsOf({ line, name, operatorNamespace, labels }: ListedCluster): LineFault[] {
  const messages = [
    name === '' ? 'no name' : clusterNameFault(name),
    isNamespaceName(operatorNamespace) ? undefined : `"${operatorNamespace}" is not a namespace's name`,
    ...Object.entries(labels).map(([key, value]) => labelFault(key, value)),
  ];
  return messages.flatMap((message) => (message === undefined ? [] : [{ line, message }]));
}

/** What two lines cannot both have; each line is told once. */
function doubled(listed: readonly ListedCluster[]): LineFault[] {
  const first = new Map<string, number>();
  return listed.flatMap(({ line, name, context, manifest }) => {
    const words = [
      `name "${name}"`,
      ...(context === undefined ? [] : [`managed context "${context}"`]),
      `output "${manifest}"`,
    ];
    const taken = words.find((word) => first.has(word));
    for (const word of words) if (!first.has(word)) first.set(word, line);
    return taken === undefined ? [] : [{ line, message: `the ${taken} is on line ${first.get(taken)} already` }];
  });
}
