import { MAX_ANSWER_BYTES } from '../../query/log-query.ts';
import type { LogType } from '../../types/log-type.ts';

/** Records of a page whose length nobody knows, and of the largest: an answer may hold many more bytes than records. */
const FIRST_PAGE = 500;
const LARGEST_PAGE = 5_000;

/** How many records are asked for at once, by how long those of their types were last: each page costs a search. */
export class PageSizes {
  /** Bytes of a record in JSON, by the names of types. */
  readonly #lengths = new Map<string, number>();

  /** As many as so many bytes have room for. */
  of(types: readonly LogType[], bytes: number): number {
    const length = this.#lengths.get(keyOf(types)) ?? MAX_ANSWER_BYTES / FIRST_PAGE;
    return Math.min(LARGEST_PAGE, Math.max(1, Math.ceil(bytes / length)));
  }

  note(types: readonly LogType[], records: number, bytes: number): void {
    if (records > 0) this.#lengths.set(keyOf(types), bytes / records);
  }

  /** So many were more than an answer may hold. */
  tooMany(types: readonly LogType[], records: number): void {
    this.note(types, Math.max(1, Math.floor(records / 8)), MAX_ANSWER_BYTES);
  }
}

function keyOf(types: readonly LogType[]): string {
  return types.map(({ name }) => name).join();
}
