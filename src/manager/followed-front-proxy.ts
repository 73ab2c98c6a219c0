import type { Logger } from 'pino';
import { messageOf } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ConfigMap } from '../kube/objects.ts';
import { watchCollection } from '../kube/watch.ts';
import { FRONT_PROXY_CONFIG, type FrontProxy, readFrontProxy } from './front-proxy.ts';

const { namespace, name } = FRONT_PROXY_CONFIG;
const CONFIG_MAPS = `/api/v1/namespaces/${namespace}/configmaps`;

/** How kube-apiserver introduces its users, as it says now. */
export class FollowedFrontProxy {
  readonly #client: KubeClient;
  readonly #log: Logger;
  #refusal: string | undefined;

  constructor(client: KubeClient, log: Logger) {
    this.#client = client;
    this.#log = log;
  }

  /** Why what was published last is not in force; undefined where it is. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** What is published now. @throws Error when that is of no use */
  async read(signal: AbortSignal): Promise<FrontProxy> {
    return readFrontProxy(await this.#client.get<ConfigMap>(`${CONFIG_MAPS}/${name}`, { signal }));
  }

  /** Hands on what is published, and each change of it, until `signal` aborts. What is of no use changes nothing. */
  async follow(take: (frontProxy: FrontProxy) => void, signal: AbortSignal): Promise<void> {
    const events = watchCollection<ConfigMap>(this.#client, CONFIG_MAPS, {
      signal,
      fieldSelector: `metadata.name=${name}`,
      onError: (error) => this.#log.warn({ reason: messageOf(error) }, 'front-proxy configuration cannot be watched'),
    });
    for await (const event of events) {
      const config = event.type === 'list' ? event.objects[0] : event.object;
      if (config === undefined || event.type === 'delete') continue;
      try {
        take(readFrontProxy(config));
        this.#refusal = undefined;
      } catch (error) {
        this.#refusal = `what was published last is not taken: ${messageOf(error)}`;
        this.#log.error({ reason: messageOf(error) }, 'front-proxy configuration not taken');
      }
    }
  }
}
