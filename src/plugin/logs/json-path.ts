import { UserError } from '../../errors.ts';

/** A step into a value: a member, an item, or all of them. */
type Step = { readonly name: string } | { readonly index: number } | { readonly all: true };

/** A path of kubectl's JSONPath: `.source_namespace`, `.policies.all_policies[0]`, `['@timestamp']`, `.servers[*].ip`. */
export class JsonPath {
  readonly #steps: readonly Step[];

  /** @throws UserError for what is none, or more than a path. */
  constructor(text: string) {
    this.#steps = readSteps(text);
  }

  /** What is there: nothing, one value, or several where the path has `[*]`. */
  valuesOf(value: unknown): readonly unknown[] {
    let values: readonly unknown[] = [value];
    for (const step of this.#steps) values = values.flatMap((one) => taken(one, step));
    return values;
  }
}

/** A piece of kubectl's `-o jsonpath=`: text as it stands, or a path in braces. */
export type TemplatePiece = string | JsonPath;

/** `{.source_namespace}{"\t"}{.action}` @throws UserError */
export function parseTemplate(template: string): readonly TemplatePiece[] {
  const pieces: TemplatePiece[] = [];
  for (const [part, inside] of template.matchAll(/\{((?:"(?:[^"\\]|\\.)*"|[^"{}])*)\}|[^{]+|\{/gsu)) {
    if (inside === undefined && part === '{') throw wrong(template, 'a { has no }');
    pieces.push(inside === undefined ? part : inBraces(inside.trim(), template));
  }
  return pieces;
}

/** As kubectl writes a value: text as it is, anything else as JSON. */
export function valueText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function inBraces(text: string, template: string): TemplatePiece {
  if (/^(range|end)\b/.test(text)) throw wrong(template, 'range is not for logs, whose records come one by one');
  if (!text.startsWith('"')) return new JsonPath(text);
  try {
    return JSON.parse(text) as string;
  } catch {
    throw wrong(template, `${text} is no text`);
  }
}

const STEP = /\.?\[(?:'([^']*)'|"([^"]*)"|(\*)|(-?\d+))\]|\.(\*)|\.([^.[\]{}()'"\s]+)/suy;

function readSteps(text: string): Step[] {
  const steps: Step[] = [];
  const path = text.startsWith('$') ? text.slice(1) : text;
  STEP.lastIndex = 0;
  while (STEP.lastIndex < path.length) {
    const found = STEP.exec(path);
    if (found === null) {
      if (path === '.') return [];
      throw wrong(text, "paths are written as .source_namespace, .servers[0].ip or ['@timestamp']");
    }
    const [, single, double, everyItem, index, everyMember, name] = found;
    if (index !== undefined) steps.push({ index: Number(index) });
    else if (everyItem !== undefined || everyMember !== undefined) steps.push({ all: true });
    else steps.push({ name: single ?? double ?? name ?? '' });
  }
  return steps;
}

function taken(value: unknown, step: Step): readonly unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('all' in step) return Object.values(value);
  const found =
    'index' in step ? (Array.isArray(value) ? value.at(step.index) : undefined) : memberOf(value, step.name);
  return found === undefined ? [] : [found];
}

function memberOf(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

function wrong(text: string, why: string): UserError {
  return new UserError(`error: error parsing jsonpath ${text}: ${why}`);
}
