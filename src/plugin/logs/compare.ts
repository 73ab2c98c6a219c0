/** The order of two texts, the same whatever language the user's system speaks. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
