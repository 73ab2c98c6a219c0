/** What flow logs write for an enum of Goldmane's, by its number. */
export type EnumNames = Readonly<Record<number, string>>;

export const ENDPOINT_TYPES: EnumNames = { 1: 'wep', 2: 'hep', 3: 'ns', 4: 'net' };
export const REPORTERS: EnumNames = { 1: 'src', 2: 'dst' };
/** Of flows and of policies; no flow ends with a pass. */
export const ACTIONS: EnumNames = { 1: 'allow', 2: 'deny', 3: 'pass' };

/** Enums are 32 bits wide on the wire, and none has negative numbers. */
export const ENUM_RANGE = { from: 0, to: 0x7fff_ffff };

/** "-" for 0, and the number itself where a later Calico sends one that has no name here. */
export function enumName(value: number, names: EnumNames): string {
  return value === 0 ? '-' : (names[value] ?? String(value));
}
