import { performance } from 'node:perf_hooks';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { codeOf, messageOf, UserError } from '../errors.ts';
import type { KubeContext } from './kubeconfig.ts';
import { collectionPath, type KubeObject, objectPath } from './objects.ts';
import { isStatus, parseStatus, StatusError } from './status.ts';

/** The owner of the fields we write by server-side apply. */
export const FIELD_MANAGER = 'kubectl-mcm';

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface RequestOptions {
  readonly query?: Query | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ApplyOptions extends RequestOptions {
  readonly fieldManager?: string;
  /** Ask the server what would happen; nothing is stored. */
  readonly dryRun?: boolean | undefined;
  /** Take fields over that another manager owns. */
  readonly force?: boolean | undefined;
}

export interface Applied<T> {
  readonly object: T;
  readonly outcome: 'created' | 'configured' | 'unchanged';
}

/** Times that a request is sent again because the server was too busy, or not quite there yet: as many as client-go does. */
const MOST_RETRIES = 10;

export interface KubeClientOptions {
  /**
   * Milliseconds without a byte of the answer before a request fails; 0 (the default) waits for ever, as kubectl does.
   * What runs unattended must give one: a connection that died in silence answers nothing, not even an error.
   */
  readonly timeout?: number | undefined;
  /** Told of each request once it is answered (kubectl's -v=6). */
  readonly onRequest?: ((line: string) => void) | undefined;
}

interface Body {
  readonly contentType: string;
  readonly text: string;
}

/** The API server could not be reached, in kubectl's words. */
export class ConnectionError extends UserError {
  override readonly name = 'ConnectionError';
}

/**
 * One API server, as one identity. JSON in, JSON out; a failure Status is thrown as StatusError, an unreachable server
 * as ConnectionError.
 */
export class KubeClient {
  readonly context: KubeContext;
  readonly #options: KubeClientOptions;

  constructor(context: KubeContext, options: KubeClientOptions = {}) {
    this.context = context;
    this.#options = options;
  }

  get #timeout(): number {
    return this.#options.timeout ?? 0;
  }

  async get<T>(path: string, options: RequestOptions = {}): Promise<T> {
    return (await this.#json('GET', path, options)) as T;
  }

  /** The object, or undefined where the server has none of that name. */
  async find<T extends KubeObject>(
    object: Pick<T, 'apiVersion' | 'kind' | 'metadata'>,
    options: RequestOptions = {},
  ): Promise<T | undefined> {
    try {
      return await this.get<T>(objectPath(object), options);
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  }

  /** Whether the server knows the object's resource: false for a CRD that is not installed. */
  async serves(object: KubeObject, options: RequestOptions = {}): Promise<boolean> {
    try {
      await this.get(collectionPath(object), { ...options, query: { limit: 1 } });
      return true;
    } catch (error) {
      if (isStatus(error, 404)) return false;
      throw error;
    }
  }

  /** POST; a name that is taken is StatusError 409 AlreadyExists. */
  async create<T extends KubeObject>(
    object: T,
    options: RequestOptions & { readonly dryRun?: boolean } = {},
  ): Promise<T> {
    const query = { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict', dryRun: dryRun(options.dryRun) };
    return (await this.#json('POST', collectionPath(object), { ...options, query }, jsonBody(object))) as T;
  }

  /** POST of a review (SubjectAccessReview and its like), which is answered and not stored. */
  async review<T>(path: string, body: unknown, options: RequestOptions = {}): Promise<T> {
    return (await this.#json('POST', path, options, jsonBody(body))) as T;
  }

  /** Server-side apply of the whole object; says whether it changed anything. */
  async apply<T extends KubeObject>(object: T, options: ApplyOptions = {}): Promise<Applied<T>> {
    const before = await this.find<T>(object, { signal: options.signal });
    const after = await this.#serverSideApply(object, objectPath(object), options);
    if (before === undefined) return { object: after, outcome: 'created' };
    return { object: after, outcome: sameContent(before, after) ? 'unchanged' : 'configured' };
  }

  /** Server-side apply of an object's status; StatusError 404 when the object is gone. */
  async applyStatus<T extends KubeObject>(object: T, options: ApplyOptions): Promise<T> {
    return await this.#serverSideApply(object, `${objectPath(object)}/status`, options);
  }

  /**
   * Merge patch: members that are null are removed. With a resourceVersion in it, StatusError 409 where somebody else has
   * changed the object since.
   */
  async patch<T extends KubeObject>(
    object: Pick<T, 'apiVersion' | 'kind' | 'metadata'>,
    patch: object,
    options: RequestOptions & { readonly dryRun?: boolean } = {},
  ): Promise<T> {
    const query = { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict', dryRun: dryRun(options.dryRun) };
    const body = { contentType: 'application/merge-patch+json', text: JSON.stringify(patch) };
    return (await this.#json('PATCH', objectPath(object), { ...options, query }, body)) as T;
  }

  /** PUT of the whole object at a path of its own, as that of a subresource. */
  async replace<T>(
    path: string,
    object: object,
    options: RequestOptions & { readonly dryRun?: boolean } = {},
  ): Promise<T> {
    const query = { fieldManager: FIELD_MANAGER, dryRun: dryRun(options.dryRun) };
    return (await this.#json('PUT', path, { ...options, query }, jsonBody(object))) as T;
  }

  async delete(object: KubeObject, options: RequestOptions & { readonly dryRun?: boolean } = {}): Promise<void> {
    const { uid } = object.metadata;
    const body = {
      // kubectl's own, of every kind: a Job's pods would be left behind otherwise.
      propagationPolicy: 'Background',
      // With the uid as precondition only the object that was read is deleted, never a namesake created since.
      ...(uid === undefined ? {} : { preconditions: { uid } }),
      // Where there is a body, the server does not look at the query.
      ...(options.dryRun === true ? { dryRun: ['All'] } : {}),
    };
    await this.#json('DELETE', objectPath(object), options, jsonBody(body));
  }

  /** The same; that it has gone meanwhile is as well. */
  async deleteIfThere(...[object, options]: Parameters<KubeClient['delete']>): Promise<void> {
    try {
      await this.delete(object, options);
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
    }
  }

  /** An answer that goes on (a watch): the open body. Silence of `idleTimeout` milliseconds breaks it. */
  async stream(path: string, options: RequestOptions & { readonly idleTimeout: number }): Promise<Readable> {
    const response = await this.#send('GET', path, options, undefined, options.idleTimeout);
    if (response.statusCode >= 400) {
      throw new StatusError(parseStatus(response.statusCode, await response.body.text()));
    }
    return response.body;
  }

  async #serverSideApply<T extends KubeObject>(object: T, path: string, options: ApplyOptions): Promise<T> {
    const query = {
      fieldManager: options.fieldManager ?? FIELD_MANAGER,
      fieldValidation: 'Strict',
      dryRun: dryRun(options.dryRun),
      force: options.force === true ? true : undefined,
    };
    const body = { contentType: 'application/apply-patch+yaml', text: JSON.stringify(object) };
    return (await this.#json('PATCH', path, { query, signal: options.signal }, body)) as T;
  }

  async #json(method: Dispatcher.HttpMethod, path: string, options: RequestOptions, body?: Body): Promise<unknown> {
    const response = await this.#sendUntilTaken(method, path, options, body);
    let text: string;
    try {
      text = await response.body.text();
    } catch (error) {
      throw this.#connectionError(error);
    }
    if (response.statusCode >= 400) throw new StatusError(parseStatus(response.statusCode, text));
    try {
      return JSON.parse(text);
    } catch {
      const what = `${this.context.server} answered ${response.statusCode} with what is not JSON`;
      throw new ConnectionError(`Unable to connect to the server: ${what} - did you specify a Kubernetes API server?`);
    }
  }

  /** A server that says when to come again (429 with Retry-After) has done nothing of it yet. */
  async #sendUntilTaken(
    method: Dispatcher.HttpMethod,
    path: string,
    options: RequestOptions,
    body: Body | undefined,
  ): Promise<Dispatcher.ResponseData> {
    for (let retries = 0; ; retries++) {
      const response = await this.#send(method, path, options, body, this.#timeout);
      const seconds = response.statusCode === 429 ? Number(response.headers['retry-after']) : Number.NaN;
      if (Number.isNaN(seconds) || retries === MOST_RETRIES) return response;
      await response.body.dump();
      await sleep(seconds * 1000, undefined, { signal: options.signal });
    }
  }

  async #send(
    method: Dispatcher.HttpMethod,
    path: string,
    { query, signal }: RequestOptions,
    body: Body | undefined,
    bodyTimeout: number,
  ): Promise<Dispatcher.ResponseData> {
    const { headers, dispatcher } = await this.context.authenticate();
    const { origin, pathname } = new URL(this.context.server);
    const pathAndQuery = `${pathname.replace(/\/$/, '')}${path}${queryString(query)}`;
    const started = performance.now();
    try {
      const response = await dispatcher.request({
        origin,
        path: pathAndQuery,
        method,
        headers: {
          accept: 'application/json',
          'user-agent': 'kubectl-mcm',
          ...headers,
          ...(body === undefined ? {} : { 'content-type': body.contentType }),
        },
        body: body?.text ?? null,
        headersTimeout: this.#timeout,
        bodyTimeout,
        ...(signal === undefined ? {} : { signal }),
      });
      const took = Math.round(performance.now() - started);
      this.#options.onRequest?.(`${method} ${origin}${pathAndQuery} ${response.statusCode} in ${took} milliseconds`);
      return response;
    } catch (error) {
      if (signal?.aborted === true) throw error;
      throw this.#connectionError(error);
    }
  }

  #connectionError(error: unknown): ConnectionError {
    const { host, hostname } = new URL(this.context.server);
    const code = codeOf(error) ?? '';
    switch (code) {
      case 'ECONNREFUSED':
        return new ConnectionError(
          `The connection to the server ${host} was refused - did you specify the right host or port?`,
          { cause: error },
        );
      case 'ENOTFOUND':
      case 'EAI_AGAIN':
        return new ConnectionError(`Unable to connect to the server: dial tcp: lookup ${hostname}: no such host`, {
          cause: error,
        });
      case 'UND_ERR_CONNECT_TIMEOUT':
      case 'UND_ERR_HEADERS_TIMEOUT':
      case 'UND_ERR_BODY_TIMEOUT':
      case 'ETIMEDOUT':
        return new ConnectionError('Unable to connect to the server: context deadline exceeded', { cause: error });
      default:
        return new ConnectionError(`Unable to connect to the server: ${tlsWords(code) ?? messageOf(error)}`, {
          cause: error,
        });
    }
  }
}

function tlsWords(code: string): string | undefined {
  const certificate = 'tls: failed to verify certificate: x509: ';
  switch (code) {
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return `${certificate}certificate signed by unknown authority`;
    case 'CERT_HAS_EXPIRED':
      return `${certificate}certificate has expired or is not yet valid`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `${certificate}certificate is not valid for this name`;
    default:
      return undefined;
  }
}

function jsonBody(value: unknown): Body {
  return { contentType: 'application/json', text: JSON.stringify(value) };
}

function dryRun(asked: boolean | undefined): string | undefined {
  return asked === true ? 'All' : undefined;
}

function queryString(query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) parameters.set(key, String(value));
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

/** Equal apart from bookkeeping that a write of the same content may touch. */
function sameContent(before: KubeObject, after: KubeObject): boolean {
  return JSON.stringify(withoutBookkeeping(before)) === JSON.stringify(withoutBookkeeping(after));
}

function withoutBookkeeping(object: KubeObject): KubeObject {
  const { managedFields: _managedFields, resourceVersion: _resourceVersion, ...metadata } = object.metadata;
  return { ...object, metadata: metadata as KubeObject['metadata'] };
}
