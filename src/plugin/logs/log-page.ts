import { messageOf } from '../../errors.ts';
import { ConnectionError } from '../../kube/client.ts';
import type { LogList } from '../../manager/log-reader.ts';

/** A part of what a source has, whose records nobody has parsed. */
export interface LogPage {
  /** Where more are; undefined where there are none. Known before the records are: they are still on their way then. */
  readonly next: string | undefined;
  readonly list: Promise<RecordLines>;
}

/** A LogList whose items are lines of JSON in UTF-8, each with its end, as the manager writes them. */
export interface RecordLines extends Pick<LogList, 'shortcomings'> {
  readonly lines: Buffer;
  readonly records: number;
}

/** How an answer begins, before anything that others have written: `continue` is in base64url. */
const BEGINNING = /^\{"kind":"LogList","apiVersion":"[\w./-]+","metadata":\{(?:"continue":"([\w-]+)")?\}/;

/** Bytes; a cursor has some 150. */
const LONGEST_BEGINNING = 4_096;

/** Before the items, which come last, each in a line; behind them; and both where there are none. */
const ITEMS = '"items":[';
const END = '\n]}';
const NO_ITEMS = ']}';
const END_OF_LINE = 0x0a;
const NOTHING = Buffer.alloc(0);

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

/** Takes the lines as they are, but for the commas at their ends. @throws Error */
function readList(bytes: Buffer): RecordLines {
  // In a string its quotes would have a backslash before them.
  const behindHead = bytes.indexOf(ITEMS) + ITEMS.length;
  const { shortcomings } = JSON.parse(`${bytes.toString('utf8', 0, behindHead)}]}`) as LogList;
  if (bytes.length === behindHead + NO_ITEMS.length) return { shortcomings, lines: NOTHING, records: 0 };
  const end = bytes.length - END.length;
  if (bytes[behindHead] !== END_OF_LINE || bytes.indexOf(END, end) !== end) throw new Error('it does not end');
  let [records, length, from] = [0, behindHead, behindHead + 1];
  for (let to = bytes.indexOf(END_OF_LINE, from); to !== -1; to = bytes.indexOf(END_OF_LINE, from)) {
    // In its own place: each line is two bytes longer than what is kept of it.
    length += bytes.copy(bytes, length, from, to === end ? to : to - 1);
    bytes[length++] = END_OF_LINE;
    records++;
    from = to + 1;
  }
  return { shortcomings, lines: bytes.subarray(behindHead, length), records };
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
