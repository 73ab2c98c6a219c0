import { UserError } from '../../errors.ts';
import type { Column, LogType, StoredRecord } from '../../logs/types/log-type.ts';
import { cutLines } from '../cut-lines.ts';
import { ColumnAligner, printable, printableJson, toYaml } from '../print.ts';
import { coloured } from './colours.ts';
import { JsonPath, parseTemplate, valueText } from './json-path.ts';
import type { FoundItem } from './log-reads.ts';
import { type TimeFormat, type TimeWording, timeWords } from './time-words.ts';
import { withoutNames } from './without-names.ts';

/** Formats that take nothing behind them. */
const PLAIN_FORMATS = ['compact', 'wide', 'table', 'json', 'jsonl', 'yaml', 'csv', 'name', 'raw'] as const;
type PlainFormat = (typeof PLAIN_FORMATS)[number];

export const OUTPUT_FORMATS = [...PLAIN_FORMATS, 'jsonpath=TEMPLATE', 'custom-columns=SPEC'] as const;

/** How many columns lines of columns may take. */
export interface LineWidth {
  /** Of all formats that have columns; 0 for any number, undefined where nobody has said. */
  readonly asked: number | undefined;
  /** Of the terminal at this moment, which counts where nobody has said and everything there is was not asked for. */
  readonly terminal: () => number | undefined;
  /** Stands for what is cut off. */
  readonly mark: string;
}

/** How to show records. */
export interface PrintOptions {
  /** One of OUTPUT_FORMATS, with what it takes. */
  readonly output: string;
  readonly types: readonly LogType[];
  /** Records may be of more than one cluster. */
  readonly severalClusters: boolean;
  readonly headers: boolean;
  readonly colours: boolean;
  /** undefined for the format's own. */
  readonly timeFormat: TimeFormat | undefined;
  readonly utc: boolean;
  /** Addresses instead of names, in what is not the record itself. */
  readonly numeric: boolean;
  readonly width: LineWidth;
  /** Milliseconds since 1970, from which ages are counted. */
  readonly now: () => number;
}

/** Text of records, which come in several lots; columns are aligned with those of the lots before. */
export type LogPrinter = (items: readonly FoundItem[]) => string;

/** @throws UserError for a format that there is not, or that does not suit the types */
export function newPrinter(options: PrintOptions): LogPrinter {
  const [format = '', ...rest] = options.output.split('=');
  const argument = rest.join('=');
  if (format === 'jsonpath' && argument !== '') return jsonPathPrinter(argument);
  if (format === 'custom-columns' && argument !== '') return customColumnsPrinter(argument, options);
  const plain = PLAIN_FORMATS.find((one) => one === options.output);
  if (plain === undefined) {
    const message = `must be one of ${OUTPUT_FORMATS.join(', ')}`;
    throw new UserError(`error: invalid argument "${options.output}" for "--output" flag: ${message}`);
  }
  return plainPrinter(plain, options);
}

function plainPrinter(format: PlainFormat, options: PrintOptions): LogPrinter {
  switch (format) {
    case 'compact':
      return compactPrinter(options);
    case 'table':
    case 'wide':
      return tablePrinter(options, format === 'wide');
    case 'csv':
      return csvPrinter(options);
    case 'json':
    case 'jsonl':
      return (items) => items.map(({ item }) => `${printableJson(item)}\n`).join('');
    case 'raw':
      return (items) => items.map(({ item }) => `${printableJson(asSent(item))}\n`).join('');
    case 'name':
      return (items) => items.map(({ type, item }) => `${type.name}/${printable(String(item.log_id))}\n`).join('');
    case 'yaml':
      return yamlPrinter();
  }
}

/** Without what the manager has added: what a sender can send again. */
function asSent(item: FoundItem['item']): object {
  const { cluster: _c, ingested: _i, '@timestamp': _t, log_type: _l, log_id: _d, ...sent } = item;
  return sent;
}

function wording({ timeFormat, utc, now }: PrintOptions, preset: TimeFormat): TimeWording {
  return { format: timeFormat ?? preset, utc, now: now() };
}

function compactPrinter(options: PrintOptions): LogPrinter {
  const { severalClusters, colours } = options;
  const aligner = new ColumnAligner('  ', (cell, at) =>
    colours && severalClusters && at === 1 ? coloured(cell) : cell,
  );
  return (items) => {
    const times = wording(options, 'short');
    const lines = aligner.align(
      items.map(({ cluster, type, item }) => [
        timeWords(item['@timestamp'], times),
        ...(severalClusters ? [cluster] : []),
        ...type.compact(shown(type, item, options)).map(printable),
      ]),
    );
    return cut(lines, options.width, options.width.terminal());
  };
}

function tablePrinter(options: PrintOptions, wide: boolean): LogPrinter {
  const { colours, headers, severalClusters } = options;
  const withCluster = severalClusters || wide;
  const columns = columnsOf(options).filter((column) => wide || column.wide === undefined);
  const aligner = new ColumnAligner('   ', (cell, at) =>
    colours && withCluster && at === 1 && cell !== 'CLUSTER' ? coloured(cell) : cell,
  );
  const rows = (items: readonly FoundItem[]) => {
    const times = wording(options, 'RFC3339');
    return items.map(({ cluster, type, item }) => [
      timeWords(item['@timestamp'], times),
      ...(withCluster ? [cluster] : []),
      ...columns.map(({ cell }) => printable(cell(shown(type, item, options))) || '<none>'),
    ]);
  };
  const header = ['TIME', ...(withCluster ? ['CLUSTER'] : []), ...columns.map((column) => column.header)];
  // Whoever asks for `wide` wants to see all of it.
  const lines = (cells: readonly (readonly string[])[]) =>
    cut(aligner.align(cells), options.width, wide ? undefined : options.width.terminal());
  return withHeader(headers ? header : undefined, lines, rows);
}

/** The record as its columns are to show it. */
function shown(type: LogType, item: FoundItem['item'], { numeric }: PrintOptions): StoredRecord {
  return numeric ? withoutNames(type, item) : item;
}

function cut(lines: string, { asked, mark }: LineWidth, usual: number | undefined): string {
  const width = asked ?? usual ?? 0;
  return width === 0 ? lines : cutLines(lines, width, mark);
}

function csvPrinter(options: PrintOptions): LogPrinter {
  const columns = columnsOf(options);
  const rows = (items: readonly FoundItem[]) => {
    const times = wording(options, 'RFC3339');
    return items.map(({ cluster, type, item }) => [
      timeWords(item['@timestamp'], times),
      cluster,
      ...columns.map(({ cell }) => printable(cell(shown(type, item, options)))),
    ]);
  };
  const lines = (cells: readonly (readonly string[])[]) => cells.map((row) => `${row.map(csvCell).join()}\n`).join('');
  const header = ['TIME', 'CLUSTER', ...columns.map((column) => column.header)];
  return withHeader(options.headers ? header : undefined, lines, rows);
}

/** RFC 4180. */
export function csvCell(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

function columnsOf({ types, output }: PrintOptions): readonly Column[] {
  const [first, ...others] = types;
  if (first === undefined || others.some(({ columns }) => columns !== first.columns)) {
    const labels = types.map(({ label }) => label).join(', ');
    throw new UserError(`error: ${output} shows one type of log at a time, and ${labels} have different columns`, {
      hint: 'compact, json and yaml show several',
    });
  }
  return first.columns;
}

function customColumnsPrinter(spec: string, { headers, width }: PrintOptions): LogPrinter {
  const columns = spec.split(',').map((part) => {
    const colon = part.indexOf(':');
    if (colon < 1) {
      throw new UserError(`error: unexpected custom-columns spec: ${part}, expected <header>:<json-path-expr>`);
    }
    return { header: part.slice(0, colon), path: new JsonPath(part.slice(colon + 1).replace(/^\{(.*)\}$/, '$1')) };
  });
  const aligner = new ColumnAligner('   ');
  const rows = (items: readonly FoundItem[]) =>
    items.map(({ item }) =>
      columns.map(({ path }) => {
        const values = path.valuesOf(item).filter((value) => value !== null);
        return printable(values.map(valueText).join()) || '<none>';
      }),
    );
  const header = columns.map((column) => column.header);
  return withHeader(headers ? header : undefined, (lines) => cut(aligner.align(lines), width, undefined), rows);
}

/** One line a record, whether the template ends it or not. */
function jsonPathPrinter(template: string): LogPrinter {
  const pieces = parseTemplate(template);
  return (items) =>
    items
      .map(({ item }) => {
        const texts = pieces.map((piece) =>
          typeof piece === 'string' ? piece : printable(piece.valuesOf(item).map(valueText).join(' ')),
        );
        const line = texts.join('');
        return line.endsWith('\n') ? line : `${line}\n`;
      })
      .join('');
}

function yamlPrinter(): LogPrinter {
  let printed = 0;
  return (items) => items.map(({ item }) => `${printed++ === 0 ? '' : '---\n'}${yamlOf(item)}`).join('');
}

/** One document, which steers no terminal. */
export function yamlOf(item: object): string {
  const text = toYaml([item]);
  // JSON is YAML, and escapes what would steer a terminal.
  return printable(text.replaceAll('\n', '')) === text.replaceAll('\n', '') ? text : `${printableJson(item)}\n`;
}

function withHeader(
  header: readonly string[] | undefined,
  lines: (cells: readonly (readonly string[])[]) => string,
  rows: (items: readonly FoundItem[]) => readonly (readonly string[])[],
): LogPrinter {
  let isFirst = header !== undefined;
  return (items) => {
    const cells = isFirst && header !== undefined ? [header, ...rows(items)] : rows(items);
    isFirst = false;
    return lines(cells);
  };
}
