import { messageOf } from '../../errors.ts';
import { ConnectionError } from '../../kube/client.ts';
import { JsonCursor } from '../../logs/json-cursor.ts';
import type { LogList } from '../../manager/log-reader.ts';

/** A part of what a source has, whose records nobody has parsed. */
export interface LogPage {
  /** Where more are; undefined where there are none. Known before the records are: they are still on their way then. */
  readonly next: string | undefined;
  readonly list: Promise<RecordLines>;
}

/** A LogList whose items are lines of JSON in UTF-8, each with its end. */
export interface RecordLines extends Pick<LogList, 'shortcomings'> {
  readonly lines: Buffer;
  readonly records: number;
}

/** How an answer begins, before anything that others have written: `continue` is in base64url. */
const BEGINNING = /^\{"kind":"LogList","apiVersion":"[\w./-]+","metadata":\{(?:"continue":"([\w-]+)")?\}/;

/** Bytes; a cursor has some 150. */
const LONGEST_BEGINNING = 4_096;

const END_OF_LINE = 0x0a;

/**
 * Reads an answer: resolves as soon as it is known where to go on; `list` may reject.
 * @throws ConnectionError where the answer ends before it says where
 */
export async function readPage(body: AsyncIterable<Buffer>): Promise<LogPage> {
  const chunks = body[Symbol.asyncIterator]();
  let bytes: Buffer = Buffer.alloc(0);
  for (;;) {
    const { value, done } = await nextOf(chunks);
    if (done === true) throw brokenOff(bytes);
    bytes = Buffer.concat([bytes, value]);
    const beginning = BEGINNING.exec(bytes.toString('latin1', 0, LONGEST_BEGINNING));
    if (beginning === null && bytes.length < LONGEST_BEGINNING) continue;
    if (beginning === null) throw brokenOff(bytes);
    const list = restOf(chunks, bytes);
    list.catch(() => undefined);
    return { next: beginning[1], list };
  }
}

async function restOf(chunks: AsyncIterator<Buffer>, beginning: Buffer): Promise<RecordLines> {
  const parts = [beginning];
  for (let next = await nextOf(chunks); next.done !== true; next = await nextOf(chunks)) parts.push(next.value);
  const bytes = Buffer.concat(parts);
  try {
    return readList(bytes);
  } catch {
    throw brokenOff(bytes);
  }
}

/** Makes lines of the items where they are. @throws SyntaxError */
function readList(bytes: Buffer): RecordLines {
  // What says where a value ends is ASCII, and in UTF-8 nothing else has its bytes.
  const cursor = new JsonCursor(bytes.toString('latin1'));
  let [from, to, records] = [0, 0, 0];
  let shortcomings: RecordLines['shortcomings'] = [];
  cursor.object((key) => {
    const start = cursor.at;
    if (key === 'items') {
      from = start + 1;
      cursor.array(() => {
        if (!cursor.skip()) throw new SyntaxError(`an item before ${cursor.at} is not in one line`);
        to = cursor.at + 1;
        records++;
        bytes[cursor.at] = END_OF_LINE;
      });
    } else {
      cursor.skip();
      if (key === 'shortcomings') {
        shortcomings = JSON.parse(bytes.toString('utf8', start, cursor.at)) as RecordLines['shortcomings'];
      }
    }
  });
  cursor.end();
  return { shortcomings, lines: bytes.subarray(from, Math.max(from, to)), records };
}

async function nextOf(chunks: AsyncIterator<Buffer>): Promise<IteratorResult<Buffer>> {
  try {
    return await chunks.next();
  } catch (error) {
    throw new ConnectionError(`Unable to connect to the server: ${messageOf(error)}`, { cause: error });
  }
}

function brokenOff(bytes: Buffer): ConnectionError {
  const beginning = bytes.toString('utf8', 0, 100);
  return new ConnectionError(`Unable to connect to the server: it answered with what is no whole list: ${beginning}`);
}
