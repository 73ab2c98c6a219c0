import { UserError } from '../../errors.ts';
import { allOf, type Filter } from '../../logs/query/filter.ts';
import { fieldsOwner, type Order } from '../../logs/query/log-query.ts';
import { parseFilter } from '../../logs/query/parse-filter.ts';
import { printFilter } from '../../logs/query/print-filter.ts';
import { Fields } from '../../logs/types/field.ts';
import { SELECTOR_WORDS, selectLogTypes } from '../../logs/types/index.ts';
import type { LogType } from '../../logs/types/log-type.ts';
import type { FlagSpec } from '../command.ts';
import { toYaml } from '../print.ts';
import { filterOfFlags } from './filter-flags.ts';
import type { TimeRange } from './time-flags.ts';

/** What is asked for of each cluster, whichever these are. */
export interface AskedLogs extends TimeRange {
  /** Each type with its own filter: flags mean other fields of other types. */
  readonly types: readonly { readonly type: LogType; readonly filter: Filter | undefined }[];
  /** Order in which to show the records. */
  readonly order: Order;
  /** At most so many, the newest; undefined for all. */
  readonly tail: number | undefined;
}

/** Of commands that look for records of types, beside those of filter-flags.ts. */
export const QUESTION_FLAGS = {
  source: {
    type: 'string',
    value: 'calico|kube',
    choices: ['calico', 'kube'],
    description: 'Of audit logs, only those of this API server.',
  },
  query: {
    type: 'string',
    short: 'q',
    value: 'QUERY',
    description: `Only what this query finds: 'dest_namespace = "store" AND action = "deny"'.`,
  },
} as const satisfies Record<string, FlagSpec>;

/** The types that `--type` names, separated by commas, in either number. @throws UserError */
export function typesOf(words: string): readonly LogType[] {
  const types = words.split(',').flatMap((word) => {
    const [one, many] = [word.trim().replace(/s$/, ''), `${word.trim()}s`];
    const found = selectLogTypes(word.trim()) ?? selectLogTypes(one) ?? selectLogTypes(many);
    if (found !== undefined) return found;
    throw new UserError(
      `error: invalid argument "${words}" for "--type" flag: must be one of ${SELECTOR_WORDS.join(', ')}`,
    );
  });
  return [...new Set(types)];
}

/** Of those types, the audit logs that `--source` says. @throws UserError where the types are others */
export function ofSource(types: readonly LogType[], source: string | undefined): readonly LogType[] {
  if (source === undefined) return types;
  const name = source === 'calico' ? 'audit_ee' : 'audit_kube';
  const chosen = types.filter((type) => type.name === name);
  if (chosen.length === types.length || (chosen.length > 0 && types.every(({ group }) => group === 'audit')))
    return chosen;
  throw new UserError(`error: --source asks for audit logs, and --type for others`, {
    hint: 'kubectl mcm logs --type audit --source calico|kube',
  });
}

/**
 * What the flags and the query ask of a type together, as the manager will read it.
 * @throws UserError for what it would refuse
 */
export function filterFor(
  type: LogType,
  query: string | undefined,
  flags: Readonly<Record<string, unknown>>,
): Filter | undefined {
  const fields = Fields.of([type]);
  const what = fieldsOwner([type]);
  const written = query === undefined ? undefined : parseFilter(query, fields, what);
  const filter = allOf([filterOfFlags(flags, type), written]);
  return filter === undefined ? undefined : parseFilter(printFilter(filter), fields, what);
}

/** What is sent, as `--print-query` shows it: the query can be given to `-q` again. */
export function printAsked({ types, since, until, order, tail }: AskedLogs): string {
  return toYaml(
    types.map(({ type, filter }) => ({
      type: type.label,
      ...(since === undefined ? {} : { since: new Date(since).toISOString() }),
      ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
      order,
      ...(tail === undefined ? {} : { tail }),
      ...(filter === undefined ? {} : { query: printFilter(filter) }),
    })),
  );
}
