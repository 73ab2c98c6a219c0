import { UserError } from '../../errors.ts';

/** Characters of a query that are shown around the place of a mistake. */
const SHOWN = 72;

/** Characters of a reason, which may hold a word of the query. */
const LONGEST_REASON = 300;

/** A query that cannot be understood: why, and under it the place, with carets. */
export class QueryError extends UserError {
  override readonly name = 'QueryError';
  readonly reason: string;

  /** `at` and `length` are the place in `text`, in UTF-16 units. */
  constructor(reason: string, text: string, at: number, length = 1) {
    const short = legible(reason.length > LONGEST_REASON ? `${reason.slice(0, LONGEST_REASON)}...` : reason);
    super(`${short}\n${pointAt(text, at, Math.max(length, 1))}`);
    this.reason = short;
  }
}

function pointAt(text: string, at: number, length: number): string {
  const lineStart = text.lastIndexOf('\n', at - 1) + 1;
  const nextLine = text.indexOf('\n', at);
  const lineEnd = nextLine === -1 ? text.length : nextLine;
  const from = Math.max(lineStart, at - Math.floor(SHOWN / 2));
  const to = Math.min(lineEnd, from + SHOWN);
  const before = from > lineStart ? '...' : '';
  const after = to < lineEnd ? '...' : '';
  const shown = legible(text.slice(from, to));
  const carets = '^'.repeat(Math.max(1, Math.min(length, to - at)));
  return `  ${before}${shown}${after}\n  ${' '.repeat(before.length + at - from)}${carets}`;
}

/** One column for each character, whatever it would do to a terminal. */
function legible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '.');
}
