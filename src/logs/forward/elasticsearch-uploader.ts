import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, messageOf, UserError } from '../../errors.ts';
import { Backoff } from '../backoff.ts';
import { NAMED_LETTERS, type UploadAnswer } from '../ingest/upload.ts';
import type { DeadLetter } from '../record/record.ts';
import { BulkLines, type FileLines } from '../store/elasticsearch/bulk-lines.ts';
import { type BulkAnswer, type BulkVerdict, verdictsOf } from '../store/elasticsearch/bulk-verdict.ts';
import type { ElasticsearchOptions } from '../store/elasticsearch/elasticsearch-options.ts';
import { Endpoint, type EndpointResponse } from '../store/elasticsearch/endpoint.ts';
import { SETTINGS_TEMPLATE, takePublished } from '../store/elasticsearch/published-settings.ts';
import { LONG } from '../store/elasticsearch/record-length.ts';
import { IndexTemplates } from '../store/elasticsearch/templates.ts';
import { StoreUnavailable } from '../store/log-store.ts';
import { CurrentSettings } from '../store/store-settings.ts';
import {
  type ChunkUploader,
  NotAcknowledged,
  retryAfterOf,
  type UploadFailure,
  type UploadRequest,
} from './chunk-uploader.ts';

/** How much longer than its lines a body is, for short ones; one that needs more gets it. */
const GROWTH = 1.3;

export interface ElasticsearchUploaderOptions {
  /** Under which name records are stored. */
  readonly cluster: string;
  /** This node, in records and ids. */
  readonly host: string;
  readonly elasticsearch: ElasticsearchOptions;
  /** Requests at once. */
  readonly connections: number;
  /** Milliseconds without any acknowledgement after which an upload is given up. */
  readonly retryFor: number;
  /** Told of every attempt that failed and will be made again. */
  readonly onRetry: (reason: string) => void;
}

/**
 * Writes chunks of files straight into Elasticsearch, as the manager would: the same indices, ids and documents, so that
 * what came by the one way is known by the other. Each item has a verdict of its own, and only those that were held back
 * are sent again.
 */
export class ElasticsearchUploader implements ChunkUploader {
  readonly #options: ElasticsearchUploaderOptions;
  readonly #endpoint: Endpoint;
  readonly #templates: IndexTemplates;
  readonly #settings = new CurrentSettings();
  /** Bodies to use again, at most as many as there are connections. */
  readonly #spare: BulkLines[] = [];
  /** How many bytes a request may have; less than all once Elasticsearch, or what stands before it, has said 413. */
  #mostBytes = Number.POSITIVE_INFINITY;
  #lastProgress = performance.now();

  constructor(options: ElasticsearchUploaderOptions) {
    this.#options = options;
    this.#endpoint = new Endpoint(options.elasticsearch, options.connections);
    this.#templates = new IndexTemplates(this.#settings, {
      settings: () => this.#askSettings(),
      put: async (name, template) => {
        const response = await this.#endpoint.putIndexTemplate(name, template);
        if (response.code !== 200) throw this.#refusal(response);
      },
    });
  }

  async upload(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer> {
    return await this.#upload(request, signal, this.#options.retryFor);
  }

  async uploadOnce(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer> {
    return await this.#upload(request, signal, 0);
  }

  async close(): Promise<void> {
    this.#endpoint.close();
  }

  async #upload(request: UploadRequest, signal: AbortSignal, retryFor: number): Promise<UploadAnswer> {
    const lines = this.#spare.pop() ?? new BulkLines(this.#settings, request.chunk.bytes.length * GROWTH);
    try {
      const load = new Load(lines, request, this.#options);
      const backoff = new Backoff();
      for (;;) {
        const failure = await this.#attempt(load, signal);
        if (failure === undefined) {
          this.#lastProgress = performance.now();
          return load.answer;
        }
        signal.throwIfAborted();
        const pause = backoff.next(failure.retryAfter);
        if (performance.now() + pause - this.#lastProgress > retryFor) throw new NotAcknowledged(failure);
        this.#options.onRetry(failure.reason);
        await sleep(pause, undefined, { signal });
      }
    } finally {
      this.#spare.push(lines);
    }
  }

  /** Sends what is left of a load. Returns why something still is. */
  async #attempt(load: Load, signal: AbortSignal): Promise<UploadFailure | undefined> {
    try {
      await this.#templates.inPlace(signal);
      const failure = await this.#sendItems(load, signal);
      if (load.letters.length > 0) await this.#setAside(load, signal);
      return failure;
    } catch (error) {
      signal.throwIfAborted();
      this.#templates.distrust();
      if (error instanceof UserError) throw error;
      if (error instanceof NotAcknowledged)
        return { reason: error.message, answered: error.answered, retryAfter: error.retryAfter };
      const reason = error instanceof StoreUnavailable ? error.message : unreachable(error);
      return { reason, answered: false, retryAfter: 0 };
    }
  }

  /** Dead letters are rare: they go the manager's way, whose client is loaded only then. */
  async #setAside(load: Load, signal: AbortSignal): Promise<void> {
    const { ElasticsearchStore } = await import('../store/elasticsearch/elasticsearch-store.ts');
    const store = new ElasticsearchStore(this.#options.elasticsearch, this.#settings);
    try {
      await store.setAside(load.letters, load.file.type, load.file, signal);
      load.lettersKept();
    } finally {
      await store.close();
    }
  }

  /** One request after the other, each as long as is taken. Leaves in the load what has to be sent again. */
  async #sendItems(load: Load, signal: AbortSignal): Promise<UploadFailure | undefined> {
    const { body } = load.lines;
    const held: number[] = [];
    let failure: UploadFailure | undefined;
    let from = 0;
    while (from < body.count) {
      const to = body.fitting(from, this.#mostBytes);
      const bytes = body.sentAt(Date.now(), from, to);
      const sent = await this.#post(bytes, signal);
      if (sent.kind === 'too-long' && to - from > 1) {
        this.#mostBytes = Math.floor(bytes.length / 2);
        continue;
      }
      if (sent.kind === 'too-long' && bytes.length >= LONG) {
        load.refuse(from, sent.reason);
        from = to;
        continue;
      }
      if (sent.kind !== 'answered') {
        // What comes behind a request that failed as a whole is not tried for now.
        failure = sent;
        break;
      }
      failure = load.take(sent.answer, from, to, held) ?? failure;
      from = to;
    }
    for (let item = from; item < body.count; item++) held.push(item);
    load.lines.keep(held);
    return failure;
  }

  /** @throws UserError when it never will be taken. */
  async #post(bytes: Buffer, signal: AbortSignal): Promise<Sent> {
    let response: EndpointResponse;
    try {
      response = await this.#endpoint.bulk(bytes, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#templates.distrust();
      return { kind: 'failed', reason: unreachable(error), answered: false, retryAfter: 0 };
    }
    if (response.code === 200) return { kind: 'answered', answer: response.body };
    if (response.code === 413) {
      const reason = `Elasticsearch takes no request of ${bytes.length} bytes`;
      return { kind: 'too-long', reason, answered: true, retryAfter: 0 };
    }
    this.#templates.distrust();
    const error = this.#refusal(response);
    if (error instanceof UserError) throw error;
    return { kind: 'failed', reason: error.message, answered: true, retryAfter: error.retryAfter };
  }

  /** The manager decides where records go and how long they stay, and says so where forwarders find it. */
  async #askSettings(): Promise<void> {
    const response = await this.#endpoint.getComponentTemplate(SETTINGS_TEMPLATE);
    if (response.code !== 200 && response.code !== 404) throw this.#refusal(response);
    takePublished(this.#settings, JSON.parse(response.body.toString()));
  }

  /** What to make of any other answer than 200: for ever, or for now. */
  #refusal(response: EndpointResponse): UserError | NotAcknowledged {
    const { code } = response;
    const where = `the Elasticsearch at ${this.#options.elasticsearch.url}`;
    const reason = `Elasticsearch answered ${code}${errorOf(response)}`;
    if (code === 401 || code === 403) {
      return new UserError(`error: ${where} refuses this forwarder: ${reason}`, {
        hint: 'give credentials with --elasticsearch-credentials that may create documents and manage index templates',
      });
    }
    if (code < 500 && code !== 408 && code !== 429) {
      return new UserError(`error: what answers as ${where} does not take records: ${reason}`);
    }
    return new NotAcknowledged({ reason, answered: true, retryAfter: retryAfterOf(response.retryAfter) });
  }
}

function unreachable(error: unknown): string {
  return `Elasticsearch cannot be reached: ${codeOf(error) ?? messageOf(error)}`;
}

/** What became of one request. */
type Sent =
  | { readonly kind: 'answered'; readonly answer: Buffer }
  | ({ readonly kind: 'too-long' | 'failed' } & UploadFailure);

/** One chunk on its way: what is left of it, and what has become of the rest. */
class Load {
  readonly lines: BulkLines;
  readonly file: FileLines;
  letters: DeadLetter[];
  #accepted = 0;
  #known = 0;
  #setAside = 0;
  readonly #reasons: { readonly offset: number; readonly reason: string }[] = [];

  constructor(lines: BulkLines, { type, fileKey, chunk }: UploadRequest, options: ElasticsearchUploaderOptions) {
    const { cluster, host } = options;
    this.lines = lines;
    this.file = { type, cluster, host, position: { fileKey, offset: chunk.offset }, bytes: chunk.bytes };
    this.letters = lines.fill(this.file, Date.now());
  }

  get answer(): UploadAnswer {
    return { accepted: this.#accepted, known: this.#known, setAside: this.#setAside, reasons: this.#reasons };
  }

  lettersKept(): void {
    this.#setAside += this.letters.length;
    for (const { line, reason } of this.letters.slice(0, NAMED_LETTERS - this.#reasons.length)) {
      this.#reasons.push({ offset: line.offset, reason });
    }
    this.letters = [];
  }

  /** Sets an item aside, or has it sent in another form. */
  refuse(item: number, reason: string): void {
    const letter = this.lines.refused(item, reason);
    if (letter !== undefined) this.letters.push(letter);
  }

  /**
   * Takes note of the answer for the items from `from` to before `to`; adds to `held` those that are to be sent again.
   * Returns why there are any.
   */
  take(answer: Buffer, from: number, to: number, held: number[]): UploadFailure | undefined {
    const count = to - from;
    if (isAllCreated(answer, count)) {
      this.#accepted += count;
      return undefined;
    }
    let reason: string | undefined;
    for (const [at, verdict] of readVerdicts(answer, count).entries()) {
      const item = from + at;
      if (
        verdict.kind === 'refused' ||
        (verdict.kind === 'held-back' && this.lines.isMalformed(item, verdict.status))
      ) {
        this.refuse(item, verdict.reason);
      } else if (verdict.kind === 'held-back') {
        held.push(item);
        reason ??= `Elasticsearch cannot take records now: ${verdict.reason}`;
      } else {
        this.#accepted++;
        if (verdict.kind === 'known') this.#known++;
      }
    }
    return reason === undefined ? undefined : { reason, answered: true, retryAfter: 0 };
  }
}

/** A verdict for each item; all are held back by what is no answer to so many. */
function readVerdicts(answer: Buffer, count: number): readonly BulkVerdict[] {
  try {
    return verdictsOf(JSON.parse(answer.toString()) as BulkAnswer, count);
  } catch (error) {
    const reason = error instanceof StoreUnavailable ? error.message : 'its answer cannot be read';
    return Array<BulkVerdict>(count).fill({ kind: 'held-back', reason, status: 0 });
  }
}

const CREATED = '{"create":{"status":201}},';
const BEFORE = Buffer.from('{"errors":false,"items":[');
const AFTER = Buffer.from(']}');
let created = Buffer.alloc(0);

/** Whether it is the answer when every document was created, which it is nearly always: then it need not be parsed. */
function isAllCreated(answer: Buffer, count: number): boolean {
  const end = BEFORE.length + count * CREATED.length - 1;
  if (created.length < end) created = Buffer.from(`${BEFORE}${CREATED.repeat(count)}`);
  return answer.subarray(0, end).equals(created.subarray(0, end)) && answer.subarray(end).equals(AFTER);
}

/** What the server says is wrong, after a space: type and reason, where it says so in its own form. */
function errorOf({ body }: EndpointResponse): string {
  try {
    const { error } = JSON.parse(body.toString()) as {
      readonly error?: { readonly type?: string; readonly reason?: string };
    };
    return error?.type === undefined ? '' : ` ${error.type}: ${error.reason ?? ''}`;
  } catch {
    return '';
  }
}
