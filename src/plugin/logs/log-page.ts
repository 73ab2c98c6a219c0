import { messageOf } from '../../errors.ts';
import { ConnectionError } from '../../kube/client.ts';
import { JsonCursor } from '../../logs/json-cursor.ts';
import type { LogList } from '../../manager/log-reader.ts';

/** A part of what a source has, whose records nobody has parsed. */
export interface LogPage {
  /** Where more are; undefined where there are none. Known before the records are: they are still on their way then. */
  readonly next: string | undefined;
  readonly list: Promise<TextList>;
}

/** A LogList whose items are in JSON, with nothing between their tokens. */
export interface TextList extends Pick<LogList, 'shortcomings'> {
  readonly items: readonly string[];
}

/** How an answer begins, before anything that others have written: `continue` is in base64url. */
const BEGINNING = /^\{"kind":"LogList","apiVersion":"[\w./-]+","metadata":\{(?:"continue":"([\w-]+)")?\}/;

/** Characters; a cursor has some 150. */
const LONGEST_BEGINNING = 4_096;

/**
 * Reads an answer: resolves as soon as it is known where to go on; `list` may reject.
 * @throws ConnectionError where the answer ends before it says where
 */
export async function readPage(body: AsyncIterable<string>): Promise<LogPage> {
  const chunks = body[Symbol.asyncIterator]();
  let text = '';
  for (;;) {
    const { value, done } = await nextOf(chunks);
    if (done === true) throw brokenOff(text);
    text += value;
    const beginning = BEGINNING.exec(text);
    if (beginning === null && text.length < LONGEST_BEGINNING) continue;
    if (beginning === null) throw brokenOff(text);
    const list = restOf(chunks, text);
    list.catch(() => undefined);
    return { next: beginning[1], list };
  }
}

async function restOf(chunks: AsyncIterator<string>, beginning: string): Promise<TextList> {
  const texts = [beginning];
  for (let next = await nextOf(chunks); next.done !== true; next = await nextOf(chunks)) texts.push(next.value);
  const text = texts.join('');
  try {
    return readList(text);
  } catch {
    throw brokenOff(text);
  }
}

/** @throws SyntaxError */
function readList(text: string): TextList {
  const cursor = new JsonCursor(text);
  const items: string[] = [];
  let shortcomings: TextList['shortcomings'] = [];
  cursor.object((key) => {
    if (key === 'items') cursor.array(() => items.push(cursor.value()));
    else {
      const value = cursor.value();
      if (key === 'shortcomings') shortcomings = JSON.parse(value) as TextList['shortcomings'];
    }
  });
  cursor.end();
  return { shortcomings, items };
}

async function nextOf(chunks: AsyncIterator<string>): Promise<IteratorResult<string>> {
  try {
    return await chunks.next();
  } catch (error) {
    throw new ConnectionError(`Unable to connect to the server: ${messageOf(error)}`, { cause: error });
  }
}

function brokenOff(text: string): ConnectionError {
  return new ConnectionError(
    `Unable to connect to the server: it answered with what is no whole list: ${text.slice(0, 100)}`,
  );
}
