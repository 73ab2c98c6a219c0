import type { estypes } from '@elastic/elasticsearch';
import type { Filter, Match, MatchValue, Range, Scalar } from '../../query/filter.ts';
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
  if (field.stored) return values.flatMap((value) => labelQueries(field, value));
  const exact: Scalar[] = [];
  const queries: Query[] = [];
  for (const value of values) {
    if (value.kind === 'wildcard') queries.push({ wildcard: { [field.path]: { value: value.pattern.source } } });
    else if (value.kind === 'network') queries.push({ term: { [field.path]: value.network } });
    else exact.push(value.value);
  }
  return [...equals(field, exact), ...queries];
}

/** Of a list of labels, and of an object with a member for each. */
function labelQueries(field: Field, value: MatchValue): Query[] {
  const { text, key } = labelOf(value);
  const query = (path: string, wanted: string): Query =>
    value.kind === 'wildcard' ? { wildcard: { [path]: { value: wanted } } } : { term: { [path]: wanted } };
  return [query(field.path, text), query(`${field.path}.${key}`, text.slice(key.length + 1))];
}

/** A label has its key in full, which holds nothing that a pattern would escape. */
function labelOf(value: MatchValue): { readonly text: string; readonly key: string } {
  const text = value.kind === 'wildcard' ? value.pattern.source : value.kind === 'exact' ? String(value.value) : '';
  return { text, key: text.slice(0, text.indexOf('=')) };
}

/** Fields that are read from the records themselves, for each search that looks at some: of labels, all that it asks for. */
export function storedFields(filter: Filter | undefined): estypes.MappingRuntimeFields {
  switch (filter?.kind) {
    case 'and':
    case 'or':
      return Object.assign({}, ...filter.filters.map(storedFields));
    case 'not':
      return storedFields(filter.filter);
    case 'match': {
      const { field, values } = filter;
      if (!field.stored) return {};
      const paths = [field.path, ...values.map((value) => `${field.path}.${labelOf(value).key}`)];
      return Object.fromEntries(paths.map((path) => [path, { type: 'keyword' }]));
    }
    default:
      return {};
  }
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
