import { parse } from 'yaml';

/**
 * Reads YAML. What kubectl and cloud CLIs write, blocks of `key: value`, is read here: to load a parser of all of YAML, and
 * to run it for the first time, takes as long as a third of a short command. Whatever else there is is left to that parser.
 *
 * @throws Error where it is no YAML
 */
export function parseYaml(text: string): unknown {
  return readPlainYaml(text) ?? parse(text);
}

/** The mapping that it is; undefined for what is not plain. */
export function readPlainYaml(text: string): object | undefined {
  try {
    return new PlainYaml(text).read();
  } catch (error) {
    if (error instanceof NotPlain) return undefined;
    throw error;
  }
}

/** Something that has to be left to a whole parser. */
class NotPlain extends Error {}

interface Line {
  readonly indent: number;
  readonly text: string;
}

/** Tabs, other ends of lines and what no keyboard has. */
const OTHERS = /[^\n\x20-\x7e]/;
const KEY = /^([A-Za-z][\w./-]*):(?: +(.*))?$/;
/** Text that is nothing but text in any version of YAML, unless it is one of the words below. */
const PLAIN = /^-{0,2}[A-Za-z/][\w./+=@:-]*$/;
const QUOTED = /^(?:"([^"\\]*)"|'([^']*)')$/;
const WORDS = /^(?:true|false|null|yes|no|on|off|y|n)$/i;
const VALUES: ReadonlySet<string> = new Set(['true', 'false', 'null', '{}', '[]']);

class PlainYaml {
  readonly #lines: Line[] = [];
  #next = 0;

  /** @throws NotPlain */
  constructor(text: string) {
    if (OTHERS.test(text)) throw new NotPlain();
    for (const line of text.split('\n')) {
      const rest = line.trimStart();
      if (rest !== '' && !rest.startsWith('#')) this.#lines.push({ indent: line.length - rest.length, text: rest });
    }
  }

  /** @throws NotPlain */
  read(): object {
    const value = this.#mapping(0);
    if (this.#next < this.#lines.length) throw new NotPlain();
    return value;
  }

  #mapping(indent: number): object {
    const entries = new Map<string, unknown>();
    for (let line = this.#at(indent); line !== undefined && !isItem(line); line = this.#at(indent)) {
      const [, key = '', value] = KEY.exec(line.text) ?? [];
      if (key === '' || WORDS.test(key) || entries.has(key)) throw new NotPlain();
      this.#next++;
      entries.set(key, value === undefined ? this.#below(indent) : scalar(value));
    }
    if (entries.size === 0) throw new NotPlain();
    return Object.fromEntries(entries);
  }

  /** What belongs to a key without a value on its line. */
  #below(indent: number): unknown {
    const line = this.#lines[this.#next];
    if (line === undefined || line.indent < indent) return null;
    // The items of a list may stand below the first letter of their key.
    if (isItem(line)) return this.#list(line.indent);
    return line.indent > indent ? this.#mapping(line.indent) : null;
  }

  #list(indent: number): unknown[] {
    const items: unknown[] = [];
    for (let line = this.#at(indent); line !== undefined && isItem(line); line = this.#at(indent)) {
      const inner = /^- +(?=\S)/.exec(line.text)?.[0].length;
      if (inner === undefined) throw new NotPlain();
      const text = line.text.slice(inner);
      if (!KEY.test(text)) {
        this.#next++;
        items.push(scalar(text));
        continue;
      }
      // Its first key is as far in as those below it.
      this.#lines[this.#next] = { indent: indent + inner, text };
      items.push(this.#mapping(indent + inner));
    }
    return items;
  }

  /** The next line, if it belongs to what is indented so. */
  #at(indent: number): Line | undefined {
    const line = this.#lines[this.#next];
    if (line === undefined || line.indent < indent) return undefined;
    if (line.indent > indent) throw new NotPlain();
    return line;
  }
}

function isItem({ text }: Line): boolean {
  return text.startsWith('-');
}

function scalar(text: string): unknown {
  if (VALUES.has(text)) return JSON.parse(text);
  const quoted = QUOTED.exec(text);
  if (quoted !== null) return quoted[1] ?? quoted[2];
  if (!PLAIN.test(text) || WORDS.test(text) || text.endsWith(':')) throw new NotPlain();
  return text;
}
