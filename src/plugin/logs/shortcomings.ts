import { UserError } from '../../errors.ts';
import { failure, StatusError } from '../../kube/status.ts';
import type { Gap, Shortcoming } from '../../logs/query/shortcoming.ts';
import { LOG_TYPES } from '../../logs/types/index.ts';
import type { LogType, LogTypeName } from '../../logs/types/log-type.ts';
import { humanDuration } from '../duration.ts';
import { printable } from '../print.ts';
import { humanBytes } from '../stored-days.ts';
import { compare } from './compare.ts';

/** Exit code of an answer that is not whole. */
export const PARTIAL = 3;

/** What keeps answers from being whole, each once however often it is said, with what was last said of it. */
export class Shortcomings {
  readonly #byKey = new Map<string, Shortcoming>();

  add(shortcomings: readonly Shortcoming[]): void {
    for (const shortcoming of shortcomings) this.#byKey.set(keyOf(shortcoming), shortcoming);
  }

  get all(): readonly Shortcoming[] {
    return [...this.#byKey.values()];
  }

  /** Those that `before` does not have. */
  since(before: Shortcomings): readonly Shortcoming[] {
    return this.all.filter((one) => !before.#byKey.has(keyOf(one)));
  }

  /** @throws StatusError where nothing of any cluster and type may be read: what was said of the first */
  throwIfNothingIsLeft(clusters: readonly string[], types: readonly LogType[]): void {
    const refused = inOrder(this.all).filter((one) => one.kind === 'Refused');
    if (refused.length < clusters.length * types.length) return;
    const [first] = types.flatMap(({ name }) => refused.filter(({ type }) => type === name));
    const { reason = 'Forbidden', message = '' } = first ?? {};
    throw new StatusError(failure(reason === 'NotFound' ? 404 : 403, reason, message));
  }
}

/** @throws UserError that says that an answer is not whole */
export function refusePartial(
  shortcomings: readonly Shortcoming[],
  err: { write(text: string): unknown },
  now: number,
) {
  if (shortcomings.length === 0) return;
  for (const warning of warningsOf(shortcomings, now)) err.write(warning);
  throw new UserError('error: these logs cannot be shown as a whole, which --strict asks for');
}

/** A line each, in the order of the clusters, whichever answered first. Gaps of one kind are one. */
export function warningsOf(shortcomings: readonly Shortcoming[], now: number): readonly string[] {
  const gaps = Map.groupBy(
    shortcomings.filter((one) => one.kind === 'Gap'),
    ({ cluster, type, reason }) => `${cluster}/${type}/${reason}`,
  );
  const others = shortcomings.filter((one) => one.kind !== 'Gap');
  return inOrder([...others, ...[...gaps.values()].map(together)]).map((one) => `warning: ${describe(one, now)}\n`);
}

/** What to say of one that is no more; undefined where that is no news. */
export function overWords(shortcoming: Shortcoming): string | undefined {
  const { kind, cluster } = shortcoming;
  switch (kind) {
    case 'Refused':
      return `${labelOf(shortcoming.type)} logs of cluster "${cluster}" are shown again`;
    case 'Disconnected':
      return `cluster "${cluster}" is heard of again`;
    case 'Unsent':
      return `${labelOf(shortcoming.type)} logs of cluster "${cluster}" have all been sent`;
    case 'Behind':
      return `cluster "${cluster}" is not behind with ${recordsOf(shortcoming.type, undefined)} any more`;
    case 'Gap':
      return undefined;
  }
}

/** The same for what is the same, however long it has been so. */
function keyOf(shortcoming: Shortcoming): string {
  const { kind, cluster } = shortcoming;
  if (kind === 'Disconnected') return `${kind}/${cluster}`;
  const key = `${kind}/${cluster}/${shortcoming.type}`;
  return kind === 'Gap' ? `${key}/${shortcoming.from}/${shortcoming.to}/${shortcoming.reason}` : key;
}

function describe(shortcoming: Shortcoming, now: number): string {
  const { kind, cluster } = shortcoming;
  switch (kind) {
    case 'Refused':
      return `${labelOf(shortcoming.type)} logs of cluster "${cluster}" are not shown: ${printable(shortcoming.message)}`;
    case 'Disconnected': {
      const { since } = shortcoming;
      const newer = `logs newer than ${seconds(since)} may be missing`;
      return `cluster "${cluster}" has been disconnected for ${age(since, now)}; ${newer}`;
    }
    case 'Unsent': {
      const { bytes, type, newest } = shortcoming;
      const unsent = `${humanBytes(bytes)} of ${labelOf(type)} logs`;
      return `cluster "${cluster}" has still to send ${unsent}; those newer than ${seconds(newest)} may be missing`;
    }
    case 'Behind': {
      const { records, type, since } = shortcoming;
      const behind = `${recordsOf(type, records)}, in the manager's spool for ${age(since, now)}`;
      return `cluster "${cluster}" is behind by ${behind}`;
    }
    case 'Gap': {
      const { count, type, from, to, reason } = shortcoming;
      const span = `of ${seconds(from)} to ${seconds(to)}`;
      return `cluster "${cluster}" has lost ${recordsOf(type, count)} ${span} (${printable(reason)})`;
    }
  }
}

/** `3 flow records` */
function recordsOf(type: LogTypeName, count: number | undefined): string {
  const records = `${labelOf(type)} record${count === 1 ? '' : 's'}`;
  return count === undefined ? records : `${count} ${records}`;
}

function together(gaps: readonly Gap[]): Gap {
  const [first] = gaps as readonly [Gap];
  const counts = gaps.map(({ count = Number.NaN }) => count);
  const count = counts.reduce((sum, one) => sum + one, 0);
  const from = gaps.map((gap) => gap.from).reduce((a, b) => (a < b ? a : b));
  const to = gaps.map((gap) => gap.to).reduce((a, b) => (a > b ? a : b));
  return { ...first, from, to, count: Number.isNaN(count) ? undefined : count };
}

function inOrder<T extends Shortcoming>(shortcomings: readonly T[]): readonly T[] {
  return shortcomings.toSorted((a, b) => compare(a.cluster, b.cluster) || compare(a.kind, b.kind));
}

function labelOf(name: LogTypeName): string {
  return LOG_TYPES.find((type) => type.name === name)?.label ?? name;
}

function seconds(time: string): string {
  return new Date(time).toISOString().replace(/\.\d+/, '');
}

function age(since: string, now: number): string {
  return humanDuration(Math.max(0, now - Date.parse(since)));
}
