import type { Writable } from 'node:stream';
import type { Command, Completes, FlagSpec, FlagSpecs, Io } from '../command.ts';
import { COMMANDS, isCommand } from '../commands/index.ts';
import { GLOBAL_FLAGS } from '../global-flags.ts';
import { HELP, splitCommand } from '../parse.ts';
import { type Candidate, type Completion, DIRECTIVES, NOTHING, words } from './candidate.ts';
import { completesOf } from './completes-of.ts';
import { globalOptionsOf, readTyped, type TypedLine } from './typed-line.ts';
import type { ValueOptions } from './values.ts';

/** Characters of a description: a line of a terminal has some 80, and words stand before it. */
const LONGEST_DESCRIPTION = 70;

/**
 * `__complete WORD...`: what may come next, a line each as `VALUE<TAB>DESCRIPTION`, and a last line `:DIRECTIVE`. Says
 * nothing on stderr, where it would end up in the middle of the line that somebody types; what fails is a directive.
 */
export async function printCompletion(tokens: readonly string[], io: Omit<Io, 'signal'>): Promise<number> {
  const { candidates, directive } = await complete(tokens, io).catch(() => FAILED);
  const lines = candidates.map(({ value, description = '' }) =>
    description === '' ? value : `${value}\t${description}`,
  );
  await write(io.out, [...lines, `:${directive}`].map((line) => `${line}\n`).join(''));
  return 0;
}

const FAILED: Completion = { candidates: [], directive: DIRECTIVES.failed };

/** What may stand in place of the last word. */
async function complete(tokens: readonly string[], io: Omit<Io, 'signal'>): Promise<Completion> {
  const typed = tokens.at(-1) ?? '';
  const before = tokens.slice(tokens[0] === 'help' ? 1 : 0, -1);
  const { words: name, rest } = splitCommand(before, isCommand);
  const entry = COMMANDS.find((candidate) => candidate.words === name);
  const command = (await entry?.load())?.command;
  const specs: FlagSpecs = { ...GLOBAL_FLAGS, ...command?.flags, ...HELP };
  const line = readTyped(rest, specs);
  const value = valueBeingTyped(line, typed, specs);
  if (value !== undefined) {
    const { completes, text } = value;
    const options = { typed: text, global: () => globalOptionsOf(line, command?.flags ?? {}), given: line.given };
    return await valuesFor(completes, options, io);
  }
  if (typed.startsWith('-') && !line.flagsEnded) return words(flagsToOffer(line, command, specs), typed);
  if (command === undefined || line.args.length === 0) {
    const next = line.args.length === 0 ? commandsBehind(name) : [];
    const found = words(next, typed);
    if (command === undefined || found.candidates.length > 0) return found;
  }
  return await argumentFor(command, line, typed, io);
}

interface TypedValue {
  readonly completes: Completes | undefined;
  /** The part of the word that is the value. */
  readonly text: string;
}

/** Loaded only where there is a value: names and queries need much more than flags do. */
async function valuesFor(
  completes: Completes | undefined,
  options: ValueOptions,
  io: Omit<Io, 'signal'>,
): Promise<Completion> {
  return await (await import('./values.ts')).valuesFor(completes, options, io);
}

/** Where a flag's value is being typed, behind its `=` or as a word of its own. */
function valueBeingTyped(line: TypedLine, typed: string, specs: FlagSpecs): TypedValue | undefined {
  if (line.awaiting !== undefined) return { completes: completesOf(line.awaiting), text: typed };
  const [, name, text = ''] = /^--([^=]+)=(.*)$/s.exec(typed) ?? [];
  const spec = name === undefined || line.flagsEnded ? undefined : flagNamed(name, specs);
  if (spec === undefined) return undefined;
  return { completes: spec.type === 'boolean' ? ['true', 'false'] : completesOf(spec), text };
}

function flagNamed(name: string, specs: FlagSpecs): FlagSpec | undefined {
  return specs[name] ?? Object.values(specs).find(({ alias }) => alias === name);
}

/** Flags that are not given yet, or can be again; those that a command needs first, then its others, then everyone's. */
function flagsToOffer({ given, isNegated }: TypedLine, command: Command | undefined, specs: FlagSpecs): Candidate[] {
  const own = command?.flags ?? {};
  const names = Object.keys(specs).filter((name) => given[name] === undefined || specs[name]?.type === 'strings');
  const offered = isNegated ? names.filter((name) => own[name]?.negatable === true) : names;
  const rank = (name: string) => (own[name]?.required === true ? 0 : own[name] === undefined ? 2 : 1);
  const flags = offered
    .toSorted((a, b) => rank(a) - rank(b))
    .map((name) => ({ value: `--${name}`, description: firstSentence(specs[name]?.description) }));
  const not = { value: '--not', description: 'Turn the filter behind it round.' };
  return Object.values(own).some(({ negatable }) => negatable === true) && !isNegated ? [...flags, not] : flags;
}

function commandsBehind(name: string): Candidate[] {
  const prefix = name === '' ? '' : `${name} `;
  const next = new Map<string, Candidate>();
  for (const { words: all, summary } of COMMANDS) {
    if (!all.startsWith(prefix)) continue;
    const [value = '', ...more] = all.slice(prefix.length).split(' ');
    if (!next.has(value)) next.set(value, { value, description: more.length === 0 ? summary : undefined });
  }
  return [...next.values()];
}

async function argumentFor(
  command: Command,
  line: TypedLine,
  typed: string,
  io: Omit<Io, 'signal'>,
): Promise<Completion> {
  if (line.args.length >= command.args.length) {
    // Nothing else can come that is no flag; what it cannot do without is worth a hint.
    const needed = Object.entries(command.flags).filter(([name, { required }]) => required && !line.given[name]);
    return words(
      needed.map(([name, { description }]) => ({ value: `--${name}`, description: firstSentence(description) })),
      typed,
    );
  }
  const completes = command.completes?.[line.args.length];
  if (completes === undefined) return NOTHING;
  const global = () => globalOptionsOf(line, command.flags);
  return await valuesFor(completes, { typed, global, given: line.given }, io);
}

function firstSentence(text = ''): string {
  const [sentence = ''] = text.replaceAll(/\s+/g, ' ').split(/[.;:] /);
  return sentence.length <= LONGEST_DESCRIPTION ? sentence : `${sentence.slice(0, LONGEST_DESCRIPTION - 1)}…`;
}

async function write(out: Writable, text: string): Promise<void> {
  await new Promise<void>((resolve) => out.write(text, () => resolve()));
}
