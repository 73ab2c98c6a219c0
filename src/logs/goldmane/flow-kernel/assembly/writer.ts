/** Writes what is known, and what was read. Whatever writes leaves some bytes behind it that are written over. */
import { eightOf, Value } from './value';

const ZERO: u8 = 0x30;

/** Where what is written next goes. */
let out: usize = 0;

export function writeTo(address: usize): void {
  out = address;
}

export function written(): usize {
  return out;
}

/** Writes a constant. */
export function put(text: string): void {
  const length = usize(text.length);
  for (let done: usize = 0; done < length; done += 8) store<u64>(out + done, eightOf(text, done));
  out += length;
}

export function copy(from: usize, length: usize): void {
  for (let done: usize = 0; done < length; done += 16) v128.store(out + done, v128.load(from + done));
  out += length;
}

export function putValue(value: Value): void {
  copy(value.from, value.to - value.from);
}

export function textOr(value: Value, otherwise: string): void {
  if (value.isEmpty) put(otherwise);
  else putValue(value);
}

export function number(value: Value): void {
  textOr(value, '0');
}

/** See enumName in enums.ts; '' where a number has no name. */
export function enumName(value: Value, one: string, two: string, three: string, four: string): void {
  const number = value.number;
  const known = number === 1 ? one : number === 2 ? two : number === 3 ? three : number === 4 ? four : '';
  if (number === 0) put('-');
  else if (known.length > 0) put(known);
  else putValue(value);
}

export function labels(list: Value): void {
  if (list.isEmpty) {
    put('null');
    return;
  }
  put('{"labels":');
  putValue(list);
  put('}');
}

export function digits(number: u64): void {
  let count: usize = 1;
  for (let power: u64 = 10; number >= power; power *= 10) count++;
  let rest = number;
  for (let to = out + count; to > out; rest /= 10) store<u8>(--to, ZERO + u8(rest % 10));
  out += count;
}
