import type { Filter } from '../../logs/query/filter.ts';
import { fieldsOwner } from '../../logs/query/log-query.ts';
import { parseFilter } from '../../logs/query/parse-filter.ts';
import { quoted } from '../../logs/query/query-tokens.ts';
import { auditEe, auditKube } from '../../logs/types/audit.ts';
import { Fields } from '../../logs/types/field.ts';
import { type LogType, object, type StoredRecord, text } from '../../logs/types/log-type.ts';
import { PROFILES } from '../../logs/types/policy-hit.ts';
import type { Denial, PolicyStep } from './denials.ts';

/** Somebody changed a policy, or the tier that it is in. */
export interface PolicyChange {
  readonly cluster: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly user: string;
  readonly verb: string;
  /** `networkpolicies.projectcalico.org` */
  readonly resource: string;
  /** `store/default.redis-only`, as the object is named. */
  readonly name: string;
}

/** An object that says what is allowed, in the words of audit logs. */
interface Subject {
  readonly type: LogType;
  /** undefined for what is in no namespace. */
  readonly namespace: string | undefined;
  readonly names: readonly string[];
  readonly resources: RegExp;
}

/** Objects in one query, which may be only so long. */
const MOST_SUBJECTS = 15;

/** Which changes to look for in an audit log. */
export interface ChangesQuery {
  readonly type: LogType;
  readonly filter: Filter;
  /** Whether a record is of such a change. */
  readonly isOne: (record: StoredRecord) => boolean;
}

/** Changes of the policies and tiers that denied something; each API server has those of its own objects. */
export function changesOf(denials: readonly Denial[]): readonly ChangesQuery[] {
  const subjects = new Map(
    denials
      .flatMap(({ policies }) => policies)
      .flatMap(subjectsOf)
      .map((subject) => [JSON.stringify([subject.namespace, subject.names, subject.resources.source]), subject]),
  );
  return [auditEe, auditKube].flatMap((type) => {
    const own = [...subjects.values()].filter((subject) => subject.type === type).slice(0, MOST_SUBJECTS);
    if (own.length === 0) return [];
    const names = own.flatMap((subject) => subject.names).map(quoted);
    const words = `verb IN {create, update, patch, delete} AND objectRef.name IN {${names.join()}} AND NOT responseStatus.code >= 400`;
    const filter = parseFilter(words, Fields.of([type]), fieldsOwner([type]));
    if (filter === undefined) throw new Error('a query without words');
    return [{ type, filter, isOne: (record: StoredRecord) => own.some((subject) => isAbout(subject, record)) }];
  });
}

/** The change that a record of an audit log is about. */
export function changeOf(cluster: string, record: StoredRecord): PolicyChange {
  const reference = object(record.objectRef);
  const namespace = text(reference.namespace);
  return {
    cluster,
    time: Number(record['@timestamp']),
    user: text(object(record.user).username) || '(unknown)',
    verb: text(record.verb),
    resource: [text(reference.resource), text(reference.apiGroup)].filter((part) => part !== '').join('.'),
    name: `${namespace === '' ? '' : `${namespace}/`}${text(reference.name)}`,
  };
}

const KUBERNETES = /^knp\.default\./;

/** The policy, and its tier. Profiles are made of namespaces and service accounts, which say nothing of traffic. */
function subjectsOf({ tier, policy }: PolicyStep): Subject[] {
  if (tier === PROFILES || tier === '') return [];
  const slash = policy.indexOf('/');
  const namespace = slash === -1 ? undefined : policy.slice(0, slash);
  const written = policy.slice(slash + 1);
  const isStaged = written.includes('staged:');
  const own = written.replace('staged:', '');
  const isKubernetes = KUBERNETES.test(own);
  if (isKubernetes && !isStaged) {
    return [{ type: auditKube, namespace, names: [own.replace(KUBERNETES, '')], resources: /^networkpolicies$/ }];
  }
  const bare = own.replace(KUBERNETES, '').replace(`${tier}.`, '');
  const kind = `${namespace === undefined ? 'global' : ''}${isKubernetes ? 'kubernetes' : ''}networkpolicies`;
  return [
    // Calico has tiers in names, and from 3.32 on not always.
    {
      type: auditEe,
      namespace,
      names: [`${tier}.${bare}`, bare],
      resources: new RegExp(`^${isStaged ? 'staged' : ''}${kind}$`),
    },
    { type: auditEe, namespace: undefined, names: [tier], resources: /^tiers$/ },
  ];
}

function isAbout({ namespace, names, resources }: Subject, record: StoredRecord): boolean {
  const reference = object(record.objectRef);
  const isThere = text(reference.namespace) === (namespace ?? '');
  return isThere && names.includes(text(reference.name)) && resources.test(text(reference.resource));
}
