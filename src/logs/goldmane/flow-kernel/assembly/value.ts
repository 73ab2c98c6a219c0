/** A value as it stands in the line; where there is none it has no bytes, and is 0. */
export class Value {
  from: usize = 0;
  to: usize = 0;
  number: i64 = 0;

  get isEmpty(): bool {
    return this.from === this.to;
  }
}

/** Eight characters of a constant, of ASCII, as bytes. */
export function eightOf(text: string, from: usize): u64 {
  const characters = v128.load(changetype<usize>(text) + (from << 1));
  return i64x2.extract_lane(i8x16.narrow_i16x8_u(characters, characters), 0);
}
