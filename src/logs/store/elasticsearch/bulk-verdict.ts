import { StoreUnavailable } from '../log-store.ts';

/** What Elasticsearch made of one item. */
export type BulkVerdict =
  | { readonly kind: 'created' }
  /** A document of that id is there already. */
  | { readonly kind: 'known' }
  /** The document itself is at fault: no retry will help. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Anything else: nothing is wrong with the document, so it must be sent again. */
  | {
      readonly kind: 'held-back';
      readonly reason: string;
      readonly status: number;
      /** Elasticsearch's word for it, where it gave one. */
      readonly type?: string;
    };

/**
 * The errors that are the document's own fault. By type and never by status: the shard limit, for one, is a 400 too,
 * and to give records up for it would lose a day's logs.
 */
const DOCUMENT_ERRORS: ReadonlySet<string> = new Set([
  'document_parsing_exception',
  'mapper_parsing_exception',
  'strict_dynamic_mapping_exception',
]);

/** The status for want of room or memory, of a request or of an item of it: fewer or smaller ones may find some. */
export const TOO_MANY = 429;

/** Only what verdicts are made from: an answer without it is ten times as long. */
export const FILTER_PATH =
  'errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason';

/** What an answer should be; what comes in its place may be anything. */
export interface BulkAnswer {
  readonly errors?: boolean;
  readonly items?: readonly ({ readonly create?: ItemAnswer | null } | null)[];
}

interface ItemAnswer {
  readonly status?: number;
  readonly error?: { readonly type?: string; readonly reason?: string; readonly caused_by?: { reason?: string } };
}

const BEFORE = '{"errors":false,"items":[';
const ITEM = '{"create":{"status":201}}';
const AFTER = ']}';

/** What it says, if that is that every document was created; undefined for every other answer. */
export function createdAnswer(json: string): BulkAnswer | undefined {
  const count = (json.length - BEFORE.length - AFTER.length + 1) / (ITEM.length + 1);
  if (!Number.isInteger(count) || count < 1 || !json.startsWith(BEFORE)) return undefined;
  if (json !== `${BEFORE}${`${ITEM},`.repeat(count - 1)}${ITEM}${AFTER}`) return undefined;
  return { errors: false, items: Array(count).fill({ create: { status: 201 } }) };
}

/** A verdict for each item, in order. @throws StoreUnavailable when the answer is for another number of items. */
export function verdictsOf(answer: BulkAnswer | null, count: number): readonly BulkVerdict[] {
  const items = Array.isArray(answer?.items) ? (answer.items as NonNullable<BulkAnswer['items']>) : [];
  if (items.length !== count)
    throw new StoreUnavailable(`Elasticsearch answered ${items.length} of ${count} documents`);
  return items.map((item) => verdictOf(item?.create ?? {}));
}

const CREATED: BulkVerdict = { kind: 'created' };
const KNOWN: BulkVerdict = { kind: 'known' };

function verdictOf({ status = 0, error }: ItemAnswer): BulkVerdict {
  if (error === undefined && status >= 200 && status < 300) return CREATED;
  if (status === 409) return KNOWN;
  const type = error?.type ?? `status ${status}`;
  const reason = [error?.reason ?? type, error?.caused_by?.reason].filter((part) => part !== undefined).join(': ');
  return DOCUMENT_ERRORS.has(type) ? { kind: 'refused', reason } : { kind: 'held-back', reason, status, type };
}
