import type { FlagSpec, FlagSpecs, GlobalOptions } from '../command.ts';
import { GLOBAL_FLAGS, readGlobalFlags } from '../global-flags.ts';
import { isNot, knownFlag, UsageError, valuesOf, without } from '../parse.ts';

/** A command's flags and arguments up to the word that is being typed. */
export interface TypedLine {
  /** The values of each flag so far, by its long name; of a boolean `true` or `false`. */
  readonly given: Readonly<Record<string, readonly string[]>>;
  readonly args: readonly string[];
  /** The flag whose value is being typed. */
  readonly awaiting: FlagSpec | undefined;
  /** A `--not` stands right before. */
  readonly isNegated: boolean;
  /** Behind `--`, where there are no more flags. */
  readonly flagsEnded: boolean;
}

/** Reads what stands before the word that is being typed; what is not understood is passed over. */
export function readTyped(tokens: readonly string[], specs: FlagSpecs): TypedLine {
  const given: Record<string, string[]> = {};
  const args: string[] = [];
  let awaiting: FlagSpec | undefined;
  let isNegated = false;
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? '';
    if (token === '--') {
      return { given, args: [...args, ...tokens.slice(at + 1)], awaiting, isNegated: false, flagsEnded: true };
    }
    const flag = knownFlag(token, specs);
    isNegated = flag === undefined && isNot(token, specs);
    if (flag === undefined) {
      if (!token.startsWith('-')) args.push(token);
      continue;
    }
    const value = flag.value ?? (flag.spec.type === 'boolean' ? 'true' : tokens[++at]);
    given[flag.name] = [...(given[flag.name] ?? []), ...(value === undefined ? [] : [value])];
    awaiting = value === undefined ? flag.spec : undefined;
  }
  return { given, args, awaiting, isNegated, flagsEnded: false };
}

/** What the global flags so far say. @throws UserError where that is nothing */
export function globalOptionsOf({ given }: TypedLine, own: FlagSpecs): GlobalOptions {
  const fail = (message: string) => new UsageError(message, '');
  return readGlobalFlags(valuesOf(without(given, own), GLOBAL_FLAGS, fail));
}
