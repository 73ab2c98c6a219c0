import { UserError } from '../../errors.ts';
import type { KubeObject } from '../../kube/objects.ts';
import type { FlagSpecs } from '../command.ts';

export const NAMESPACE_FLAG = {
  namespace: {
    type: 'string',
    short: 'n',
    value: 'NAMESPACE',
    default: 'default',
    description: 'Namespace of the ServiceAccount.',
  },
} as const satisfies FlagSpecs;

const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** @throws UserError where no ServiceAccount can have the name. */
export function serviceAccountOf(name: string, namespace: string): KubeObject {
  for (const text of [name, namespace]) {
    if (NAME.test(text)) continue;
    throw new UserError(
      `error: "${text}" is no name of a ServiceAccount or namespace: lower-case letters, digits, "-" and "."`,
    );
  }
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } };
}
