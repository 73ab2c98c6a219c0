import type { Field } from '../types/field.ts';
import { valueText } from './field-value.ts';
import type { Exists, Filter, Match, MatchValue, Scalar } from './filter.ts';
import { escapePattern, Pattern } from './pattern.ts';
import { quoted } from './query-tokens.ts';

/** A filter in Calico's query language, of which parseFilter makes the same filter. */
export function printFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'and':
    case 'or': {
      const word = filter.kind === 'and' ? ' AND ' : ' OR ';
      return filter.filters.map((inner) => inParentheses(inner)).join(word);
    }
    case 'not':
      return printNot(filter.filter);
    case 'range':
      return `${printKey(filter.field.name)} ${filter.operator} ${printScalar(filter.field, filter.value)}`;
    default:
      return printSet(filter, false);
  }
}

function inParentheses(filter: Filter): string {
  const text = printFilter(filter);
  return filter.kind === 'and' || filter.kind === 'or' ? `(${text})` : text;
}

function printNot(filter: Filter): string {
  if (filter.kind === 'match' || filter.kind === 'exists') return printSet(filter, true);
  return `NOT ${inParentheses(filter)}`;
}

function printSet(filter: Match | Exists, negated: boolean): string {
  const key = printKey(filter.field.name);
  const values: readonly MatchValue[] = filter.kind === 'exists' ? [ANY] : filter.values;
  const [first, ...others] = values;
  if (first !== undefined && first.kind !== 'wildcard' && others.length === 0) {
    const value = first.kind === 'network' ? quoted(first.network) : printScalar(filter.field, first.value);
    return `${key} ${negated ? '!=' : '='} ${value}`;
  }
  const items = values.map((value) => printItem(filter.field, value)).join(', ');
  return `${key} ${negated ? 'NOTIN' : 'IN'} {${items}}`;
}

const ANY: MatchValue = { kind: 'wildcard', pattern: new Pattern('*') };

function printItem(field: Field, value: MatchValue): string {
  if (value.kind === 'wildcard') return quoted(value.pattern.source);
  if (value.kind === 'network') return quoted(value.network);
  const { value: scalar } = value;
  return typeof scalar === 'string' ? quoted(escapePattern(scalar)) : printScalar(field, scalar);
}

function printScalar(field: Field, value: Scalar): string {
  const text = valueText(field, value);
  return field.kind === 'number' ? text : quoted(text);
}

/** Calico takes a bare key of letters, digits and underscores. */
function printKey(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : quoted(name);
}
