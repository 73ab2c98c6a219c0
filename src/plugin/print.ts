import { isAscii } from 'node:buffer';
import type { Writable } from 'node:stream';
import { stringify } from 'yaml';
import { type KubeObject, objectName } from '../kube/objects.ts';

/** YAML 1.1, as Kubernetes reads it: times and words like "on" are quoted. */
const YAML = { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false } as const;

/** Objects as a YAML stream, one document each, with the same bytes for the same objects. */
export function toYaml(objects: readonly object[]): string {
  return objects.map((object) => stringify(object, YAML)).join('---\n');
}

/** A list as `kubectl get -o` prints it. */
export function printList(out: Writable, items: readonly KubeObject[], output: 'json' | 'yaml' | 'name'): void {
  if (output === 'name') {
    for (const item of items) out.write(`${objectName(item)}\n`);
    return;
  }
  const shown = items.map((item) => {
    const { managedFields: _managedFields, ...metadata } = item.metadata;
    return { ...item, metadata };
  });
  const list = { apiVersion: 'v1', items: shown, kind: 'List', metadata: { resourceVersion: '' } };
  out.write(output === 'json' ? `${JSON.stringify(list, undefined, 4)}\n` : toYaml([list]));
}

/** `1 segment`, `2 segments` */
export function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** Rows under upper-case headers, as kubectl aligns them. */
export function formatTable(headers: readonly string[], rows: readonly (readonly string[])[]): string {
  return alignColumns([headers, ...rows], '   ');
}

/** A cell longer than this stands out of its column instead of pushing all others to the right. */
const WIDEST_COLUMN = 64;

/** Lines of cells with their columns under one another; the last cell of a line is never padded. */
export function alignColumns(lines: readonly (readonly string[])[], gap: string): string {
  return new ColumnAligner(gap).align(lines);
}

/** The same for lines that come in several lots: columns grow with what comes, and never shrink. */
export class ColumnAligner {
  readonly #gap: string;
  readonly #paint: (cell: string, column: number) => string;
  readonly #widths: number[] = [];

  /** `paint` may add what takes no room (colours) around a cell that is padded already. */
  constructor(gap: string, paint: (cell: string, column: number) => string = (cell) => cell) {
    this.#gap = gap;
    this.#paint = paint;
  }

  align(lines: readonly (readonly string[])[]): string {
    for (const cells of lines) {
      for (const [at, { length }] of cells.entries()) {
        if (length <= WIDEST_COLUMN) this.#widths[at] = Math.max(this.#widths[at] ?? 0, length);
      }
    }
    return lines.map((cells) => `${this.#line(cells)}\n`).join('');
  }

  #line(cells: readonly string[]): string {
    const filled = cells.slice(0, cells.findLastIndex((cell) => cell.trim() !== '') + 1);
    return filled
      .map((cell, at) => {
        const padding = at === filled.length - 1 ? '' : ' '.repeat(Math.max(0, (this.#widths[at] ?? 0) - cell.length));
        return `${this.#paint(cell, at)}${padding}`;
      })
      .join(this.#gap)
      .trimEnd();
  }
}

/** What steers a terminal, turns the order of what it shows, or ends a line where none should end. */
const STEERING = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** Those of them that are ASCII, but for the end of a line. */
const STEERING_BYTES = [...Array(0x20).keys(), 0x7f].filter((byte) => byte !== 0x0a);

/** Text that others wrote (records, answers, file names): whatever would steer a terminal is shown instead of sent to it. */
export function printable(text: string): string {
  return text.replace(STEERING, (character) =>
    character.charCodeAt(0) < 0x100 ? `\\x${hex(character, 2)}` : `\\u${hex(character, 4)}`,
  );
}

/** The same in JSON, which escapes only some of these characters by itself: in one line where it is not indented. */
export function printableJson(value: unknown, indent?: number): string {
  return unsteering(JSON.stringify(value, undefined, indent));
}

/** The same for JSON that is written already, perhaps in lines: a string has no end of a line in it. */
export function unsteering(json: string): string {
  return json.replace(STEERING, (character) => (character === '\n' ? character : `\\u${hex(character, 4)}`));
}

/** The same for lines of JSON in UTF-8, which mostly have none of these characters: then they are not looked at one by one. */
export function unsteeringLines(json: Buffer): Buffer {
  if (isAscii(json) && !STEERING_BYTES.some((byte) => json.includes(byte))) return json;
  return Buffer.from(unsteering(json.toString('utf8')));
}

function hex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, '0');
}
