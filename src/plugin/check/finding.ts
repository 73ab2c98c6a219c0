/** What a check has found. */
export interface Finding {
  /** The check's, the same in every version. */
  readonly id: string;
  readonly level: 'ok' | 'warning' | 'error' | 'skipped';
  /** How it is. */
  readonly message: string;
  /** Why it is not as it should be, in the words of whatever says so. */
  readonly cause?: string;
  /** What mends it: a command where there is one. */
  readonly todo?: string;
}

/** Findings about one thing, in the order in which they were made: each of them matters only if those before are well. */
export interface Section {
  readonly title: string;
  readonly findings: readonly Finding[];
}

export function ok(id: string, message: string): Finding {
  return { id, level: 'ok', message };
}

/** For want of a right, or of something that a check before has missed. */
export function skipped(id: string, message: string, cause: string): Finding {
  return { id, level: 'skipped', message, cause };
}

/** What is wrong, why, and what mends it. */
export function wrong(id: string, message: string, cause: string, todo: string): Finding {
  return { id, level: 'error', message, ...(cause === '' ? {} : { cause }), todo };
}

/** The same for what may come to be wrong. */
export function doubtful(id: string, message: string, cause: string, todo: string): Finding {
  return { ...wrong(id, message, cause, todo), level: 'warning' };
}
