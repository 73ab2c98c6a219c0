import yargs from 'yargs';
import { UserError } from '../errors.ts';
import type { Command, FlagSpec, FlagSpecs, FlagValues, GlobalOptions } from './command.ts';
import { GLOBAL_FLAGS, readGlobalFlags } from './global-flags.ts';

export interface ParsedLine {
  readonly args: readonly string[];
  readonly flags: FlagValues<FlagSpecs>;
  readonly global: GlobalOptions;
  readonly help: boolean;
}

export const HELP: FlagSpecs = { help: { type: 'boolean', short: 'h', description: 'Show this help.' } };

/** Reads the arguments of one command. @throws UsageError in kubectl's words. */
export function parseLine(words: string, command: Command, tokens: readonly string[]): ParsedLine {
  const negated = negations(command.flags);
  const specs: FlagSpecs = { ...GLOBAL_FLAGS, ...command.flags, ...HELP };
  const fail = (message: string) => new UsageError(message, words);
  const parsed = runYargs(pflagTokens(tokens, specs, fail), { ...specs, ...negated });
  const unknown = Object.keys(parsed).find(
    (name) => !['_', '$0', ...Object.keys(negated)].includes(name) && specs[longName(name, specs)] === undefined,
  );
  if (unknown !== undefined) {
    throw new UsageError(unknownFlag(unknown), words, command.hint?.({ flag: unknown, args: parsed._.map(String) }));
  }
  const args = parsed._.map(String);
  if ([parsed.help].flat().includes(true))
    return { args, flags: {}, global: readGlobalFlags(valuesOf({}, GLOBAL_FLAGS, fail)), help: true };
  const global = readGlobalFlags(valuesOf(without(parsed, command.flags), GLOBAL_FLAGS, fail));
  if (args.length < neededArguments(command.args).length || args.length > command.args.length) {
    throw new UsageError(wrongArguments(command.args, args), words, command.hint?.({ args }));
  }
  const flags = valuesOf(parsed, { ...command.flags, ...negated }, fail);
  return { args, flags, global, help: false };
}

/** What is not a command's own: its flags count more than global ones of their names. */
export function without(parsed: Readonly<Record<string, unknown>>, own: FlagSpecs): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(parsed).filter(([name]) => own[name] === undefined));
}

/** Under which name the values of a flag are that `--not` stands before: one that no flag on a command line can have. */
export function negation(name: string): string {
  return `not ${name}`;
}

function keptAs(name: string, isNegated: boolean): string {
  return isNegated ? negation(name) : name;
}

function negations(specs: FlagSpecs): FlagSpecs {
  return Object.fromEntries(
    Object.entries(specs)
      .filter(([, { negatable }]) => negatable === true)
      .map(([name, { type, description }]) => [negation(name), { type, description }]),
  );
}

/** The command line was not understood. */
export class UsageError extends UserError {
  override readonly name = 'UsageError';

  /** `hint` says what to write instead; without one the command's help is named, as kubectl does. */
  constructor(message: string, words: string, hint?: string) {
    const help = `See '${['kubectl mcm', words].filter((part) => part !== '').join(' ')} --help' for usage.`;
    super(hint === undefined ? `error: ${message}\n${help}` : `error: ${message}\n\n${hint}`);
  }
}

/** Takes the words that name a command off the front, wherever flags stand among them. */
export function splitCommand(
  tokens: readonly string[],
  known: (words: string) => boolean,
): { readonly words: string; readonly rest: readonly string[] } {
  let words = '';
  const rest: string[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? '';
    if (token.startsWith('-')) {
      rest.push(token);
      if (takesNextToken(token, tokens[at + 1], known)) rest.push(...tokens.slice(++at, at + 1));
      continue;
    }
    const longer = words === '' ? token : `${words} ${token}`;
    if (!known(longer)) return { words, rest: [...rest, ...tokens.slice(at)] };
    words = longer;
  }
  return { words, rest };
}

/** Before the command is known, only the global flags' kinds are: any other may have a value, unless that is a command. */
function takesNextToken(token: string, next: string | undefined, known: (words: string) => boolean): boolean {
  if (token.includes('=') || next === undefined || next.startsWith('-')) return false;
  const specs: FlagSpecs = { ...GLOBAL_FLAGS, ...HELP };
  const spec = specs[longName(token.replace(/^--?/, ''), specs)];
  return spec === undefined ? !known(next) : spec.type !== 'boolean';
}

/**
 * Flags as pflag reads them, each with its value behind `=`, where yargs reads them the same: `-ojson` is `-o=json`, the
 * next word is the value of a flag that has one whatever it looks like, and never that of a boolean.
 */
function pflagTokens(tokens: readonly string[], specs: FlagSpecs, fail: (message: string) => UsageError): string[] {
  const result: string[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const isNegated = isNot(tokens[at], specs);
    if (isNegated) at++;
    const token = tokens[at] ?? '';
    if (token === '--' && !isNegated) return [...result, ...tokens.slice(at)];
    const flag = knownFlag(token, specs);
    if (isNegated && flag?.spec.negatable !== true) throw fail(`--not needs a filter behind it, got "${token}"`);
    if (flag === undefined) {
      result.push(token);
      continue;
    }
    const value = flag.spec.type === 'boolean' ? booleanValue(flag, fail) : (flag.value ?? tokens[++at] ?? '');
    if (value === '') throw fail(`flag needs an argument: --${flag.name}`);
    result.push(`--${keptAs(flag.name, isNegated)}=${value}`);
  }
  return result;
}

/** Whether a token is the `--not` that turns the next flag round. */
export function isNot(token: string | undefined, specs: FlagSpecs): boolean {
  return token === '--not' && Object.values(specs).some(({ negatable }) => negatable === true);
}

/** The flag that a token is, by its long name. */
export function knownFlag(token: string, specs: FlagSpecs): (FlagToken & { readonly spec: FlagSpec }) | undefined {
  const flag = splitFlag(token);
  const name = longName(flag?.name ?? '', specs);
  const spec = specs[name];
  return flag === undefined || spec === undefined ? undefined : { name, value: flag.value, spec };
}

interface FlagToken {
  readonly name: string;
  readonly value: string | undefined;
}

/** `--name`, `--name=value`, `-n`, `-n=value` or `-nvalue`. */
function splitFlag(token: string): FlagToken | undefined {
  const [, name, value] = /^--([^=]+)(?:=(.*))?$/s.exec(token) ?? [];
  if (name !== undefined) return { name, value };
  const [, letter, attached] = /^-([^-])=?(.+)?$/s.exec(token) ?? [];
  return letter === undefined ? undefined : { name: letter, value: attached };
}

function booleanValue({ name, value }: FlagToken, fail: (message: string) => UsageError): boolean {
  if (value === undefined || value === 'true') return true;
  if (value === 'false') return false;
  throw fail(`invalid argument "${value}" for "--${name}" flag: strconv.ParseBool: parsing "${value}": invalid syntax`);
}

function longName(name: string, specs: FlagSpecs): string {
  return Object.keys(specs).find((long) => specs[long]?.short === name || specs[long]?.alias === name) ?? name;
}

function runYargs(tokens: readonly string[], specs: FlagSpecs): { _: (string | number)[]; [flag: string]: unknown } {
  const parser = yargs([...tokens])
    .help(false)
    .version(false)
    .exitProcess(false)
    .fail(false)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'strip-aliased': true,
    });
  for (const [name, spec] of Object.entries(specs)) {
    parser.option(name, {
      type: spec.type === 'boolean' ? 'boolean' : 'string',
      array: spec.type === 'strings',
      ...(spec.short === undefined ? {} : { alias: spec.short }),
    });
  }
  return parser.parseSync() as ReturnType<typeof runYargs>;
}

/** The flags' values as they are declared: of parsed ones, each a value or a list of them. @throws UsageError */
export function valuesOf<F extends FlagSpecs>(
  parsed: Readonly<Record<string, unknown>>,
  specs: F,
  fail: (message: string) => UsageError,
): FlagValues<F> {
  const missing = Object.keys(specs).filter((name) => specs[name]?.required === true && parsed[name] === undefined);
  if (missing.length > 0) throw fail(`required flag(s) ${missing.map((name) => `"${name}"`).join(', ')} not set`);
  const entries = Object.entries(specs).map(([name, spec]) => [name, flagValue(name, spec, parsed[name], fail)]);
  return Object.fromEntries(entries) as FlagValues<F>;
}

function flagValue(
  name: string,
  spec: FlagSpec,
  value: unknown,
  fail: (message: string) => UsageError,
): string | readonly string[] | boolean | undefined {
  if (spec.type === 'boolean') return [value].flat().at(-1) === true;
  const given = value === undefined ? [] : ([value].flat() as string[]);
  const wrong = given.find((text) => spec.choices !== undefined && !spec.choices.includes(text));
  if (wrong !== undefined) {
    throw fail(`invalid argument "${wrong}" for "--${name}" flag: must be one of ${spec.choices?.join(', ')}`);
  }
  return spec.type === 'strings' ? given : (given.at(-1) ?? spec.default);
}

function unknownFlag(name: string): string {
  return name.length === 1 ? `unknown shorthand flag: '${name}' in -${name}` : `unknown flag: --${name}`;
}

function neededArguments(names: readonly string[]): readonly string[] {
  return names.filter((name) => !name.startsWith('['));
}

function wrongArguments(names: readonly string[], given: readonly string[]): string {
  const needed = neededArguments(names);
  if (needed.length === 0) return `unexpected argument "${given[names.length]}"`;
  const what = needed.length === 1 ? `exactly one ${needed[0]} is required` : `${needed.join(' and ')} are required`;
  return `${what}, got ${given.length}`;
}
