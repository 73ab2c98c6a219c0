import type { Condition, KubeObject } from '../../kube/objects.ts';

/** What tigera-operator runs, as far as it says there how it gets on. */
export interface OperatorObject extends KubeObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** What it says of a condition that holds; undefined where that does not hold. */
export function operatorSays({ status }: OperatorObject, type: 'Degraded' | 'Progressing'): string | undefined {
  const found = holding(status?.conditions, type);
  return found && (found.message || found.reason);
}

/** What Guardian's users wait for as long as the condition `done` does not hold, in words; undefined once it does. */
export function operatorWords(object: OperatorObject, done: 'Available' | 'Ready'): string | undefined {
  const degraded = operatorSays(object, 'Degraded');
  if (degraded !== undefined) return `tigera-operator, which says: ${degraded}`;
  if (holding(object.status?.conditions, done) !== undefined) return undefined;
  const progressing = operatorSays(object, 'Progressing') ?? '';
  return `tigera-operator to start Guardian${progressing === '' ? '' : `; it says: ${progressing}`}`;
}

function holding(conditions: readonly Condition[] = [], wanted: string): Condition | undefined {
  return conditions.find(({ type, status }) => type === wanted && status === 'True');
}
