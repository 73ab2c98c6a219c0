import { UserError } from '../errors.ts';
import type { FlagSpec } from './command.ts';

export type Labels = Readonly<Record<string, string>>;

/** Of commands that make objects to which labels can be given. */
export const LABELS_FLAG = {
  labels: {
    type: 'strings',
    short: 'l',
    value: 'KEY=VALUE',
    description: 'Labels of the ManagedCluster, by which -l selects it later. Several are separated by commas.',
  },
} as const satisfies Record<string, FlagSpec>;

/** The labels that a flag says. @throws UserError */
export function labelsOf(flag: string, texts: readonly string[]): Labels {
  const labels = texts
    .flatMap((text) => text.split(','))
    .map((text): [string, string] => {
      const at = text.indexOf('=');
      const [key, value] = at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
      const fault = at === -1 ? 'not of the form KEY=VALUE' : labelFault(key, value);
      if (fault === undefined) return [key, value];
      throw new UserError(`error: invalid argument "${text}" for "--${flag}" flag: ${fault}`);
    });
  return Object.fromEntries(labels);
}

const PREFIX = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const WORD = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** Why Kubernetes would not take such a label (k8s.io/apimachinery/pkg/util/validation); undefined where it would. */
export function labelFault(key: string, value: string): string | undefined {
  const [name = '', prefix, ...more] = key.split('/').reverse();
  const isKey =
    WORD.test(name) && more.length === 0 && (prefix === undefined || (PREFIX.test(prefix) && prefix.length <= 253));
  if (!isKey) return `"${key}" is no label's key`;
  return value === '' || WORD.test(value) ? undefined : `"${value}" is no label's value`;
}
