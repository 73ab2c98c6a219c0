import { UserError } from '../../errors.ts';

/**
 * The place of a record in the order of an answer: its time and when it was stored, both in milliseconds since 1970, and
 * what tells it from others of the same ones: clusters that share an index count by themselves. It stays where it is whatever is stored meanwhile, and no server keeps it.
 */
export interface Cursor {
  readonly time: number;
  readonly ingested: number;
  /** Where it is stored, and its number there; the store's own words. */
  readonly place: string;
  readonly cluster: string;
  readonly number: number;
}

/** Characters of a place: the name of an index is no longer. */
const LONGEST_PLACE = 255;

/** As it stands in `continue`. */
export function formatCursor({ time, ingested, place, cluster, number }: Cursor): string {
  return Buffer.from(JSON.stringify([time, ingested, place, cluster, number])).toString('base64url');
}

/** @throws UserError for what is no cursor. */
export function parseCursor(text: string): Cursor {
  try {
    const values = JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown[];
    const [time, ingested, place, cluster, number, ...more] = values;
    const isOrder = isWhole(time) && isWhole(ingested) && isWhole(number) && more.length === 0;
    if (isOrder && isPlace(place) && isPlace(cluster)) return { time, ingested, place, cluster, number };
  } catch {
    // Not even JSON.
  }
  throw new UserError('continue: this is not what an answer said to continue with');
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isPlace(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_PLACE;
}
