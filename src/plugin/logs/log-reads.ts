import type { KubeClient } from '../../kube/client.ts';
import { isStatus, StatusError } from '../../kube/status.ts';
import { formatParameters, type QueryParameters } from '../../logs/query/log-query.ts';
import type { LogType, StoredRecord } from '../../logs/types/log-type.ts';
import { LOG_ACCESS_API, LOG_ACCESS_GROUP } from '../../rbac/log-access.ts';
import type { Turns } from '../../turns.ts';

/** A record as the aggregated API gives it out. */
export type LogItem = StoredRecord & { readonly '@timestamp': number; readonly log_id?: string };

/** A record with what it was asked for as. */
export interface FoundItem {
  readonly cluster: string;
  readonly type: LogType;
  readonly item: LogItem;
}

/** The logs of one type of one cluster: every cluster and every type is asked for by itself, as RBAC grants them. */
export interface LogSource {
  readonly cluster: string;
  readonly type: LogType;
  readonly parameters: Omit<QueryParameters, 'after'>;
}

/** What keeps an answer from being whole. */
export type Shortcoming =
  /** The API server said no. */
  | { readonly kind: 'refused'; readonly source: LogSource; readonly error: StatusError }
  /** The cluster is disconnected: what is newer (RFC 3339) may be missing. */
  | { readonly kind: 'missing'; readonly source: LogSource; readonly since: string };

/** What a read answers: as many records as were asked for at most, and where to go on for more. */
interface LogList {
  readonly metadata: { readonly continue?: string };
  readonly missingSince?: string;
  readonly items: readonly LogItem[];
}

/** Reads logs through kube-apiserver, in pages, so many requests at once. */
export class LogReads {
  /** In the order in which they were noticed. */
  readonly shortcomings: Shortcoming[] = [];
  readonly #client: KubeClient;
  readonly #turns: Turns;
  readonly #signal: AbortSignal;

  constructor(client: KubeClient, turns: Turns, signal: AbortSignal) {
    this.#client = client;
    this.#turns = turns;
    this.#signal = signal;
  }

  /**
   * The records of a source page after page. One that the server refuses ends there, and is a shortcoming; anything else
   * that fails is thrown.
   */
  async *pages(source: LogSource): AsyncGenerator<readonly FoundItem[], void, void> {
    let grants = source.type.grants;
    let from: string | undefined;
    do {
      const page = await this.#page(source, grants, from);
      if (page === undefined) return;
      const { list, grant } = page;
      if (from === undefined) this.#noteMissing(source, list);
      // What was granted under one name is read on under it.
      grants = [grant];
      from = list.metadata.continue;
      yield list.items.map((item) => ({ cluster: source.cluster, type: source.type, item }));
    } while (from !== undefined);
  }

  async #page(source: LogSource, grants: readonly string[], from: string | undefined) {
    try {
      return await this.#turns.take(() => this.#read(source, grants, from), this.#signal);
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      this.shortcomings.push({ kind: 'refused', source, error });
      return undefined;
    }
  }

  /** Reads under the names that can have been granted, most particular first. @throws StatusError */
  async #read(
    { cluster, type, parameters }: LogSource,
    grants: readonly string[],
    from: string | undefined,
  ): Promise<{ readonly list: LogList; readonly grant: string }> {
    const query = {
      type: type.name,
      ...Object.fromEntries(formatParameters(parameters)),
      ...(from === undefined ? {} : { continue: from }),
    };
    let forbidden: StatusError | undefined;
    for (const grant of grants) {
      try {
        const path = `/apis/${LOG_ACCESS_API}/${encodeURIComponent(cluster)}/${grant}`;
        return { list: await this.#client.get<LogList>(path, { query, signal: this.#signal }), grant };
      } catch (error) {
        if (!isStatus(error, 403)) throw withHint(error);
        forbidden ??= error;
      }
    }
    throw forbidden ?? new Error(`${type.name} can be granted under no name`);
  }

  #noteMissing(source: LogSource, { missingSince: since }: LogList): void {
    if (since === undefined) return;
    const { until } = source.parameters;
    if (until === undefined || until > Date.parse(since)) this.shortcomings.push({ kind: 'missing', source, since });
  }
}

function withHint(error: unknown): unknown {
  if (isStatus(error, 503)) {
    return error.withHint(`Is the manager running? kubectl get apiservice v1.${LOG_ACCESS_GROUP}`);
  }
  // A 404 that names no object is about the API itself.
  if (isStatus(error, 404) && error.status.details?.name === undefined) {
    return error.withHint('This is no management cluster yet: kubectl mcm install management --address HOST:PORT');
  }
  return error;
}
