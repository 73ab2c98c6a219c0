const ESCAPE = '\u001b';

/** Terminal sequences of our own, which take no room, and whatever takes some: what others wrote steers nothing any more. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin so.
const PIECES = /\u001b\[[\d;]*m|./gsu;

/** Characters of two columns: those of East Asia, and emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

/** What is put on the character before it. */
const COMBINING = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** Lines of text (each with its end) that take at most so many columns; `mark` stands for what is cut off. */
export function cutLines(text: string, width: number, mark: string): string {
  return text
    .split('\n')
    .map((line) => cutLine(line, width, mark))
    .join('\n');
}

function cutLine(line: string, width: number, mark: string): string {
  const pieces = line.match(PIECES) ?? [];
  const widths = pieces.map(columnsOf);
  if (widths.reduce((sum, one) => sum + one, 0) <= width) return line;
  const end = mark.slice(0, width);
  let room = width - end.length;
  let isCut = false;
  return pieces
    .map((piece, at) => {
      // Colours end, whatever else does.
      if (piece.startsWith(ESCAPE)) return piece;
      if (isCut) return '';
      room -= widths[at] ?? 0;
      isCut = room < 0;
      return isCut ? end : piece;
    })
    .join('');
}

/** Columns that a character takes on a terminal. */
function columnsOf(piece: string): number {
  if (piece.startsWith(ESCAPE) || COMBINING.test(piece)) return 0;
  return WIDE.test(piece) ? 2 : 1;
}
