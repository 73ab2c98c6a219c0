import type { estypes } from '@elastic/elasticsearch';
import type { Filter, Match, Range, Scalar } from '../../query/filter.ts';
import type { Field } from '../../types/field.ts';

type Query = estypes.QueryDslQueryContainer;

/** A filter in Elasticsearch's query DSL: never scored, by nothing that needs a module of its own. */
export function compileFilter(filter: Filter): Query {
  switch (filter.kind) {
    case 'and':
      return { bool: { filter: filter.filters.map(compileFilter) } };
    case 'or':
      return any(filter.filters.map(compileFilter));
    case 'not':
      return { bool: { must_not: [compileFilter(filter.filter)] } };
    case 'match':
      return within(filter.field, any(matches(filter)));
    case 'range':
      return within(filter.field, range(filter.field, { [BOUNDS[filter.operator]]: filter.value }));
    case 'exists':
      return within(filter.field, { exists: { field: filter.field.path } });
  }
}

const BOUNDS = { '<': 'lt', '<=': 'lte', '>': 'gt', '>=': 'gte' } as const satisfies Record<Range['operator'], string>;

function any(queries: readonly Query[]): Query {
  const [first] = queries;
  if (first !== undefined && queries.length === 1) return first;
  return { bool: { should: [...queries], minimum_should_match: 1 } };
}

/** Objects of a nested list are documents of their own. */
function within({ nested }: Field, query: Query): Query {
  return nested === undefined ? query : { nested: { path: nested, query, ignore_unmapped: true } };
}

function matches({ field, values }: Match): Query[] {
  const exact: Scalar[] = [];
  const queries: Query[] = [];
  for (const value of values) {
    if (value.kind === 'wildcard') queries.push({ wildcard: { [field.path]: { value: value.pattern.source } } });
    else if (value.kind === 'network') queries.push({ term: { [field.path]: value.network } });
    else exact.push(value.value);
  }
  return [...equals(field, exact), ...queries];
}

function equals(field: Field, values: readonly Scalar[]): Query[] {
  if (values.length === 0) return [];
  switch (field.kind) {
    case 'text':
      return values.map((value) => ({ match: { [field.path]: { query: value, operator: 'and' } } }));
    case 'date':
      // A term would be read in the mapping's own formats, which take milliseconds for seconds.
      return values.map((value) => range(field, { gte: value, lte: value }));
    default:
      return [{ terms: { [field.path]: [...values] } }];
  }
}

function range(field: Field, bounds: Readonly<Record<string, Scalar>>): Query {
  const format = field.kind === 'date' ? { format: 'epoch_millis' } : {};
  return { range: { [field.path]: { ...bounds, ...format } } };
}
