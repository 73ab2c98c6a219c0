/** Stands in a pattern for any text, and for any one character. */
type Wildcard = '*' | '?';

/** A piece of a pattern: text to the letter, or a wildcard. */
type Piece = { readonly text: string } | { readonly wildcard: Wildcard };

/** Wildcards in one pattern: Elasticsearch makes an automaton of it, which doubles with each `?` behind a `*`. */
export const MOST_WILDCARDS = 10;

/**
 * A text with wildcards: `*` is any text, `?` any one character, and `\` takes the meaning off the next one. Elasticsearch
 * reads the same.
 */
export class Pattern {
  /** In its one form: nothing is escaped that need not be. */
  readonly source: string;
  readonly wildcards: number;
  /** What it matches where it has no wildcards. */
  readonly literal: string | undefined;

  constructor(source: string) {
    const pieces = piecesOf(source);
    this.source = pieces.map((piece) => ('text' in piece ? escapePattern(piece.text) : piece.wildcard)).join('');
    this.wildcards = pieces.filter((piece) => 'wildcard' in piece).length;
    this.literal = this.wildcards > 0 ? undefined : pieces.map((piece) => ('text' in piece ? piece.text : '')).join('');
  }

  get matchesAll(): boolean {
    return this.source === '*';
  }
}

/** The pattern that matches this text alone. */
export function escapePattern(text: string): string {
  return text.replace(/[*?\\]/g, '\\$&');
}

function piecesOf(source: string): Piece[] {
  const pieces: Piece[] = [];
  for (const [part] of source.matchAll(/\\.|\*+|\?|[^\\*?]+|\\/gs)) {
    if (part.startsWith('*')) pieces.push({ wildcard: '*' });
    else if (part === '?') pieces.push({ wildcard: '?' });
    else pieces.push({ text: part.length > 1 && part.startsWith('\\') ? part.slice(1) : part });
  }
  return pieces;
}
