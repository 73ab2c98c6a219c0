import { type Client, errors } from '@elastic/elasticsearch';
import { codeOf, messageOf } from '../../../errors.ts';
import { StoreUnavailable } from '../log-store.ts';

/** One document to create. */
export interface BulkItem {
  readonly index: string;
  readonly id: string;
  /** The document's JSON in pieces, in one line. */
  readonly pieces: readonly (Buffer | string)[];
}

/** What Elasticsearch made of one item. */
export type BulkVerdict =
  | { readonly kind: 'created' }
  /** A document of that id is there already. */
  | { readonly kind: 'known' }
  /** The document itself is at fault: no retry will help. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Anything else: nothing is wrong with the document, so it must be sent again. */
  | { readonly kind: 'held-back'; readonly reason: string };

/**
 * The errors that are the document's own fault. By type and never by status: the shard limit, for one, is a 400 too,
 * and to give records up for it would lose a day's logs.
 */
const DOCUMENT_ERRORS: ReadonlySet<string> = new Set([
  'document_parsing_exception',
  'mapper_parsing_exception',
  'strict_dynamic_mapping_exception',
]);

/** Only what verdicts are made from: an answer without it is ten times as long. */
const FILTER_PATH = 'errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason';

interface BulkAnswer {
  readonly errors?: boolean;
  readonly items?: readonly {
    readonly create?: {
      readonly status?: number;
      readonly error?: { readonly type?: string; readonly reason?: string; readonly caused_by?: { reason?: string } };
    };
  }[];
}

/**
 * Creates documents in one `_bulk` request; resolves with a verdict for each, in order.
 * @throws StoreUnavailable when the request as a whole failed, or its answer does not fit what was asked.
 */
export async function bulkCreate(
  client: Client,
  items: readonly BulkItem[],
  signal: AbortSignal,
): Promise<readonly BulkVerdict[]> {
  if (items.length === 0) return [];
  let answer: BulkAnswer;
  try {
    answer = await client.transport.request<BulkAnswer>(
      { method: 'POST', path: '/_bulk', querystring: { filter_path: FILTER_PATH }, bulkBody: bulkBody(items) },
      { signal },
    );
  } catch (error) {
    if (signal.aborted) throw error;
    throw unavailable(error);
  }
  const verdicts = answer.items ?? [];
  if (verdicts.length !== items.length) {
    throw new StoreUnavailable(`Elasticsearch answered ${verdicts.length} of ${items.length} documents`);
  }
  return verdicts.map(({ create = {} }): BulkVerdict => {
    const { status = 0, error } = create;
    if (error === undefined && status >= 200 && status < 300) return { kind: 'created' };
    if (status === 409) return { kind: 'known' };
    const type = error?.type ?? `status ${status}`;
    const reason = [error?.reason ?? type, error?.caused_by?.reason].filter((part) => part !== undefined).join(': ');
    return { kind: DOCUMENT_ERRORS.has(type) ? 'refused' : 'held-back', reason };
  });
}

/** A failed request as the reason why the store cannot be used, without the URL's credentials. */
export function unavailable(error: unknown): StoreUnavailable {
  if (error instanceof errors.ResponseError) {
    const { type = 'error', reason = '' } = (error.body as { error?: { type?: string; reason?: string } })?.error ?? {};
    return new StoreUnavailable(`Elasticsearch answered ${error.statusCode} ${type}: ${reason}`, { cause: error });
  }
  const what = codeOf(error) ?? messageOf(error);
  return new StoreUnavailable(`Elasticsearch cannot be reached: ${what}`, { cause: error });
}

function bulkBody(items: readonly BulkItem[]): Buffer {
  const parts: (Buffer | string)[] = [];
  let length = 0;
  for (const { index, id, pieces } of items) {
    parts.push(`{"create":{"_index":"${index}","_id":${JSON.stringify(id)}}}\n`, ...pieces, '\n');
  }
  for (const part of parts) length += Buffer.byteLength(part);
  const body = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) at += typeof part === 'string' ? body.write(part, at) : part.copy(body, at);
  return body;
}
