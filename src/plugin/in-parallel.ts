import { UserError } from '../errors.ts';
import { Turns } from '../turns.ts';

/** Does the work for each, so many at once, in their order. Rejects with the first failure. */
export async function inParallel<T, R>(
  items: readonly T[],
  { parallel, signal }: { readonly parallel: number; readonly signal: AbortSignal },
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const turns = new Turns({ atOnce: parallel, waiting: Number.POSITIVE_INFINITY });
  return await Promise.all(items.map((item) => turns.take(() => work(item), signal)));
}

/** How many at once, as --parallel says it. @throws UserError */
export function parallelOf(text: string): number {
  const value = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (value > 0) return value;
  throw new UserError(`error: invalid argument "${text}" for "--parallel" flag: must be from 1 to 999`);
}
