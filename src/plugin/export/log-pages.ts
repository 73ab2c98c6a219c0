import { messageOf } from '../../errors.ts';
import { ConnectionError, type KubeClient } from '../../kube/client.ts';
import { isStatus, type StatusError } from '../../kube/status.ts';
import { formatParameters, type QueryParameters } from '../../logs/query/log-query.ts';
import type { LogType } from '../../logs/types/log-type.ts';
import type { LogList } from '../../manager/log-reader.ts';
import { LOG_ACCESS_API } from '../../rbac/log-access.ts';

/** The logs of one type of one cluster. */
export interface LogSource {
  readonly cluster: string;
  readonly type: LogType;
  readonly parameters: Omit<QueryParameters, 'after'>;
}

/** As many records as were asked for at most. */
export interface LogPage {
  /** Where more are; undefined where there are none. Known before the records are: they are still on their way then. */
  readonly next: string | undefined;
  readonly list: Promise<Pick<LogList, 'items' | 'shortcomings'>>;
}

/** How an answer begins, before anything that others have written: `continue` is in base64url. */
const BEGINNING = /^\{"kind":"LogList","apiVersion":"[\w./-]+","metadata":\{(?:"continue":"([\w-]+)")?\}/;

/** The pages of a source, each of which can be asked for by where the one before ended, in this process or a later one. */
export class LogPages {
  readonly #client: KubeClient;
  readonly #source: LogSource;
  readonly #signal: AbortSignal;
  /** Names under which it can have been granted, most particular first; the one that was, once that is known. */
  #grants: readonly string[];

  constructor(client: KubeClient, source: LogSource, signal: AbortSignal) {
    this.#client = client;
    this.#source = source;
    this.#signal = signal;
    this.#grants = source.type.grants;
  }

  /**
   * Resolves as soon as it is known where to go on. `list` may reject.
   * @throws StatusError what the API server said under the most particular name, ConnectionError
   */
  async read(from: string | undefined): Promise<LogPage> {
    let forbidden: StatusError | undefined;
    for (const grant of this.#grants) {
      try {
        const page = await this.#get(grant, from);
        this.#grants = [grant];
        return page;
      } catch (error) {
        if (!isStatus(error, 403)) throw error;
        forbidden ??= error;
      }
    }
    throw forbidden ?? new Error(`${this.#source.type.name} can be granted under no name`);
  }

  async #get(grant: string, from: string | undefined): Promise<LogPage> {
    const { cluster, type, parameters } = this.#source;
    const query = {
      type: type.name,
      ...Object.fromEntries(formatParameters(parameters)),
      ...(from === undefined ? {} : { continue: from }),
    };
    const path = `/apis/${LOG_ACCESS_API}/${encodeURIComponent(cluster)}/${grant}`;
    const body = await this.#client.stream(path, { query, signal: this.#signal, idleTimeout: IDLE_TIMEOUT });
    return await pageOf(body.setEncoding('utf8'));
  }
}

/** Milliseconds: the manager gives a read up before. */
const IDLE_TIMEOUT = 60_000;

/** @throws ConnectionError where the answer ends before it says where to go on */
async function pageOf(body: AsyncIterable<string>): Promise<LogPage> {
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

/** Characters; a cursor has some 150. */
const LONGEST_BEGINNING = 4_096;

async function restOf(chunks: AsyncIterator<string>, beginning: string): Promise<LogList> {
  const texts = [beginning];
  for (let next = await nextOf(chunks); next.done !== true; next = await nextOf(chunks)) texts.push(next.value);
  const text = texts.join('');
  try {
    return JSON.parse(text) as LogList;
  } catch {
    throw brokenOff(text);
  }
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
