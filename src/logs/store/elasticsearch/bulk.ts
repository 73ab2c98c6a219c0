import { type Client, errors } from '@elastic/elasticsearch';
import { codeOf, messageOf } from '../../../errors.ts';
import { StoreUnavailable } from '../log-store.ts';
import type { BodyMemory } from './body-memory.ts';
import { type BulkAnswer, type BulkVerdict, FILTER_PATH, verdictsOf } from './bulk-verdict.ts';
import { faultOf } from './fault.ts';
import { actionOf, type DayIndex } from './index-names.ts';

/** One document to create. */
export interface BulkItem {
  readonly at: DayIndex;
  readonly id: string;
  /** The document's JSON in two pieces, in one line. */
  readonly open: Buffer;
  readonly rest: string;
}

/**
 * Creates documents in one `_bulk` request; resolves with a verdict for each, in order.
 * @throws StoreUnavailable when the request as a whole failed, or its answer does not fit what was asked.
 */
export async function bulkCreate(
  client: Client,
  items: readonly BulkItem[],
  memory: BodyMemory,
  signal: AbortSignal,
): Promise<readonly BulkVerdict[]> {
  if (items.length === 0) return [];
  const body = bulkBody(items, memory);
  let answer: BulkAnswer;
  try {
    answer = await client.transport.request<BulkAnswer>(
      { method: 'POST', path: '/_bulk', querystring: { filter_path: FILTER_PATH }, bulkBody: body },
      { signal },
    );
  } catch (error) {
    if (signal.aborted) throw error;
    throw unavailable(error);
  }
  // Of a request that has failed something may still be under way.
  memory.giveBack(body);
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

function bulkBody(items: readonly BulkItem[], memory: BodyMemory): Buffer {
  // What stands between two documents is one text: each piece that is written costs a call.
  const texts: string[] = [];
  let rest = '';
  let length = 0;
  let at: DayIndex | undefined;
  let action = '';
  for (const item of items) {
    if (item.at !== at) {
      at = item.at;
      action = actionOf(at);
    }
    const text = `${rest}${action}"_id":${JSON.stringify(item.id)}}}\n`;
    texts.push(text);
    length += Buffer.byteLength(text) + item.open.length;
    rest = `${item.rest}\n`;
  }
  const body = memory.take(length + Buffer.byteLength(rest));
  let end = 0;
  for (let n = 0; n < items.length; n++) {
    end += body.write(texts[n] as string, end);
    end += (items[n] as BulkItem).open.copy(body, end);
  }
  body.write(rest, end);
  return body;
}
