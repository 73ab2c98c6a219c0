import type { JsonFields } from './json-fields.ts';

/** What flow logs write for an enum of Goldmane's, by its number. */
export type EnumNames = Readonly<Record<number, string>>;

export const ENDPOINT_TYPES: EnumNames = { 1: 'wep', 2: 'hep', 3: 'ns', 4: 'net' };
export const REPORTERS: EnumNames = { 1: 'src', 2: 'dst' };
/** Of flows and of policies; no flow ends with a pass. */
export const ACTIONS: EnumNames = { 1: 'allow', 2: 'deny', 3: 'pass' };

/** Enums are 32 bits wide on the wire, and none has negative numbers. */
export const ENUM_RANGE = { to: 0x7fff_ffff };

/** "-" where it is missing, and the number itself where a later Calico sends one that has no name here. */
export function enumName(fields: JsonFields, member: string, names: EnumNames): string {
  const value = fields.whole(member, ENUM_RANGE);
  return value === 0 ? '-' : (names[value] ?? String(value));
}
