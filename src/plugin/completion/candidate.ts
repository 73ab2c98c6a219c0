/** Something that may stand where a word is being typed. */
export interface Candidate {
  /** The whole word, not only what is missing of it. */
  readonly value: string;
  /** One line. */
  readonly description?: string | undefined;
}

/**
 * What a shell is to do with the words, by the numbers of cobra's protocol (github.com/spf13/cobra, completions.go), which
 * kubectl passes on.
 */
export const DIRECTIVES = {
  failed: 1,
  files: 0,
  directories: 16,
  words: 4,
  /** The word goes on behind it. */
  wordsWithoutSpace: 6,
  /** In their order, not that of the alphabet. */
  wordsInOrder: 36,
} as const;

/** Words to choose from, and one of DIRECTIVES. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly directive: number;
}

export const NOTHING: Completion = { candidates: [], directive: DIRECTIVES.words };

/** Those that go on from what is typed. */
export function words(candidates: readonly Candidate[], typed: string): Completion {
  const fitting = candidates.filter(({ value }) => value.startsWith(typed));
  const goesOn = fitting.length === 1 && fitting[0]?.value.endsWith('=') === true;
  return { candidates: fitting, directive: goesOn ? DIRECTIVES.wordsWithoutSpace : DIRECTIVES.words };
}
