/** How many letters a typo may differ by; kubectl's own number. */
const MOST_DIFFERENCES = 2;

/** Of `known`, what somebody may have meant who wrote `word`: what it begins, or nearly is; the nearest first. */
export function suggestions(word: string, known: readonly string[]): string[] {
  const written = word.toLowerCase();
  return known
    .map((candidate) => ({ candidate, differences: differences(written, candidate.toLowerCase()) }))
    .filter(({ candidate, differences }) => differences <= MOST_DIFFERENCES || candidate.startsWith(written))
    .sort((a, b) => a.differences - b.differences)
    .map(({ candidate }) => candidate);
}

/** `Did you mean this?`, as kubectl puts it. */
export function didYouMean(lines: readonly string[]): string {
  return `Did you mean this?\n${lines.map((line) => `\t${line}`).join('\n')}`;
}

/** Levenshtein's distance: letters to add, leave out or change. */
function differences(a: string, b: string): number {
  // Of the beginning of `a` that has been looked at, from each beginning of `b`.
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1];
    for (const [at, other] of [...b].entries()) {
      const changed = (row[at] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(changed, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
