import { UserError } from '../../errors.ts';
import { RBAC_GROUP, type Subject, subjectOf } from '../../rbac/rbac-objects.ts';
import type { FlagSpecs, FlagValues } from '../command.ts';

/** Of commands that give rights to somebody, beside the argument USER. */
export const SUBJECT_FLAGS = {
  group: { type: 'string', value: 'GROUP', description: 'A group, instead of a user.' },
  serviceaccount: {
    type: 'string',
    value: 'NAMESPACE:NAME',
    description: 'A ServiceAccount of the management cluster, instead of a user.',
  },
} as const satisfies FlagSpecs;

/** Whom the argument or the flags name. @throws UserError where that is nobody, or more than one. */
export function subjectFrom(user: string | undefined, flags: FlagValues<typeof SUBJECT_FLAGS>): Subject {
  const { group, serviceaccount } = flags;
  const subjects = [
    ...(user === undefined ? [] : [subjectOf(user)]),
    ...(group === undefined ? [] : [{ kind: 'Group', name: group, apiGroup: RBAC_GROUP }]),
    ...(serviceaccount === undefined ? [] : [serviceAccount(serviceaccount)]),
  ];
  const [subject] = subjects;
  if (subject !== undefined && subjects.length === 1 && subject.name !== '') return subject;
  throw new UserError('error: exactly one of USER, --group and --serviceaccount is required');
}

/** A ServiceAccount as kubectl's own flags name it. */
function serviceAccount(text: string): Subject {
  const [, namespace, name] = /^([-a-z0-9]+):([-a-z0-9.]+)$/.exec(text) ?? [];
  if (namespace !== undefined && name !== undefined) return { kind: 'ServiceAccount', name, namespace };
  throw new UserError(`error: invalid argument "${text}" for "--serviceaccount" flag: not of the form NAMESPACE:NAME`);
}
