import { type Client, errors } from '@elastic/elasticsearch';
import { codeOf, messageOf } from '../../../errors.ts';
import { StoreUnavailable } from '../log-store.ts';
import { type BulkAnswer, type BulkVerdict, FILTER_PATH, verdictsOf } from './bulk-verdict.ts';
import { faultOf } from './fault.ts';
import { actionOf, type DayIndex } from './index-names.ts';

/** One document to create. */
export interface BulkItem {
  readonly at: DayIndex;
  readonly id: string;
  /** The document's JSON in pieces, in one line. */
  readonly pieces: readonly (Buffer | string)[];
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
  return verdictsOf(answer, items.length);
}

/** A failed request as the reason why the store cannot be used, without the URL's credentials. */
export function unavailable(error: unknown): StoreUnavailable {
  if (error instanceof errors.ResponseError) {
    const { type, reason = '' } = (error.body as { error?: { type?: string; reason?: string } })?.error ?? {};
    const fault = faultOf({ status: error.statusCode ?? 0, type, reason });
    // Elasticsearch itself always says what is wrong.
    if (type === undefined) {
      return new StoreUnavailable(`what is in front of Elasticsearch answered ${error.statusCode}`, {
        cause: error,
        fault,
      });
    }
    return new StoreUnavailable(`Elasticsearch answered ${error.statusCode} ${type}: ${reason}`, {
      cause: error,
      fault,
    });
  }
  const what = codeOf(error) ?? messageOf(error);
  return new StoreUnavailable(`Elasticsearch cannot be reached: ${what}`, { cause: error, fault: 'Unreachable' });
}

function bulkBody(items: readonly BulkItem[]): Buffer {
  const parts: (Buffer | string)[] = [];
  let length = 0;
  for (const { at, id, pieces } of items) {
    parts.push(`${actionOf(at)}"_id":${JSON.stringify(id)}}}\n`, ...pieces, '\n');
  }
  for (const part of parts) length += Buffer.byteLength(part);
  const body = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) at += typeof part === 'string' ? body.write(part, at) : part.copy(body, at);
  return body;
}
