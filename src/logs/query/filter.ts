import type { Field } from '../types/field.ts';
import type { Pattern } from './pattern.ts';

/**
 * Which records to find. Built by the functions below, which keep it in one form: nothing is nested that need not be, so
 * that equal filters are written the same.
 */
export type Filter = AllOf | AnyOf | Not | Match | Range | Exists;

export interface AllOf {
  readonly kind: 'and';
  readonly filters: readonly Filter[];
}

export interface AnyOf {
  readonly kind: 'or';
  readonly filters: readonly Filter[];
}

/** Also true of records that have no such field. */
export interface Not {
  readonly kind: 'not';
  readonly filter: Filter;
}

/** The field, or one of its values where it has several, is one of these. */
export interface Match {
  readonly kind: 'match';
  readonly field: Field;
  readonly values: readonly MatchValue[];
}

/** The field, or one of its values, is before or behind this one. */
export interface Range {
  readonly kind: 'range';
  readonly field: Field;
  readonly operator: RangeOperator;
  readonly value: Scalar;
}

/** The field has a value; null is none, and Calico's "-" is one. */
export interface Exists {
  readonly kind: 'exists';
  readonly field: Field;
}

export const RANGE_OPERATORS = ['<', '<=', '>', '>='] as const;
export type RangeOperator = (typeof RANGE_OPERATORS)[number];

/** Text, an IP address as text, a number, or a time in milliseconds since 1970, as the field's kind has it. */
export type Scalar = string | number | boolean;

export type MatchValue =
  | { readonly kind: 'exact'; readonly value: Scalar }
  | { readonly kind: 'wildcard'; readonly pattern: Pattern }
  /** CIDR, `10.0.0.0/8`. */
  | { readonly kind: 'network'; readonly network: string };

/** All of these; undefined stands for everything, as it does for what is left out here. */
export function allOf(filters: readonly (Filter | undefined)[]): Filter | undefined {
  return join('and', filters);
}

/** Any of these. @throws Error where there are none. */
export function anyOf(filters: readonly Filter[]): Filter {
  const joined = join('or', filters);
  if (joined === undefined) throw new Error('any of nothing');
  return joined;
}

export function not(filter: Filter): Filter {
  return filter.kind === 'not' ? filter.filter : { kind: 'not', filter };
}

/** `*` among the values is what any value matches. */
export function match(field: Field, values: readonly MatchValue[]): Filter {
  const any = values.some((value) => value.kind === 'wildcard' && value.pattern.matchesAll);
  return any ? { kind: 'exists', field } : { kind: 'match', field, values };
}

function join(kind: 'and' | 'or', filters: readonly (Filter | undefined)[]): Filter | undefined {
  const flat = filters.flatMap((filter): readonly Filter[] => {
    if (filter === undefined) return [];
    return filter.kind === kind ? filter.filters : [filter];
  });
  return flat.length < 2 ? flat[0] : { kind, filters: flat };
}
