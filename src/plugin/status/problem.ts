/** Something that is not as it should be. */
export interface Problem {
  /** An error keeps the management plane from its work; a warning may come to that. */
  readonly level: 'error' | 'warning';
  /** In a word, for programs. */
  readonly reason: string;
  readonly message: string;
  /** Where: clusters, log types, indices, in sentences. */
  readonly places: readonly string[];
  /** What to do about it. */
  readonly todo: string;
}

export function problem(level: Problem['level'], reason: string, message: string, todo: string): Problem {
  return { level, reason, message, places: [], todo };
}
