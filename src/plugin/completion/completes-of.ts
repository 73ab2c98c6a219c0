import type { Completes, FlagSpec } from '../command.ts';

/** Words that stand for values in help, and what they mean. */
const BY_WORD: Readonly<Record<string, Completes>> = {
  DIR: 'directories',
  DURATION: 'durations',
  FILE: 'files',
  PATH: 'files',
  QUERY: 'queries',
  TIME: 'times',
};

/** What to offer for a flag's value; undefined where nobody knows. `allow|deny` in its help are such words as well. */
export function completesOf({ choices, completes, value = '' }: FlagSpec): Completes | undefined {
  const alternatives = /^[a-z]+(\|[a-z]+)+$/.test(value) ? value.split('|') : undefined;
  return choices ?? completes ?? BY_WORD[value] ?? alternatives;
}
