import type { KubeClient } from '../../kube/client.ts';
import { isStatus, type StatusError } from '../../kube/status.ts';
import { formatParameters, type QueryParameters } from '../../logs/query/log-query.ts';
import type { Shortcoming } from '../../logs/query/shortcoming.ts';
import type { LogType } from '../../logs/types/log-type.ts';
import type { LogItem, LogList } from '../../manager/log-reader.ts';
import { LOG_ACCESS_API } from '../../rbac/log-access.ts';

/** The logs of one type of one cluster. */
export interface LogSource {
  readonly cluster: string;
  readonly type: LogType;
  readonly parameters: Omit<QueryParameters, 'after'>;
}

/** As many records as were asked for at most. */
export interface LogPage {
  readonly items: readonly LogItem[];
  /** Where more are; undefined where there are none. */
  readonly next: string | undefined;
  readonly shortcomings: readonly Shortcoming[];
}

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

  /** @throws StatusError what the API server said under the most particular name */
  async read(from: string | undefined): Promise<LogPage> {
    let forbidden: StatusError | undefined;
    for (const grant of this.#grants) {
      try {
        const { metadata, items, shortcomings } = await this.#get(grant, from);
        this.#grants = [grant];
        return { items, next: metadata.continue, shortcomings };
      } catch (error) {
        if (!isStatus(error, 403)) throw error;
        forbidden ??= error;
      }
    }
    throw forbidden ?? new Error(`${this.#source.type.name} can be granted under no name`);
  }

  async #get(grant: string, from: string | undefined): Promise<LogList> {
    const { cluster, type, parameters } = this.#source;
    const query = {
      type: type.name,
      ...Object.fromEntries(formatParameters(parameters)),
      ...(from === undefined ? {} : { continue: from }),
    };
    const path = `/apis/${LOG_ACCESS_API}/${encodeURIComponent(cluster)}/${grant}`;
    return await this.#client.get<LogList>(path, { query, signal: this.#signal });
  }
}
