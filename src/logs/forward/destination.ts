import { X509Certificate } from 'node:crypto';
import type { ChunkUploader } from './chunk-uploader.ts';
import type { ElasticsearchUploaderOptions } from './elasticsearch-uploader.ts';
import type { UploaderOptions } from './uploader.ts';

type Opened = 'connections' | 'onRetry';

/** Where records are shipped to: a manager, or straight into the Elasticsearch that it would store them in. */
export type DestinationOptions = Omit<UploaderOptions, Opened> | Omit<ElasticsearchUploaderOptions, Opened>;

/** Each loads only what it needs: a client that is not used would be half of what a forwarder has in memory. */
export async function openUploader(
  options: DestinationOptions,
  connections: number,
  onRetry: (reason: string) => void,
): Promise<ChunkUploader> {
  if ('elasticsearch' in options) {
    const { ElasticsearchUploader } = await import('./elasticsearch-uploader.ts');
    return new ElasticsearchUploader({ ...options, connections, onRetry });
  }
  const { Uploader } = await import('./uploader.ts');
  return new Uploader({ ...options, connections, onRetry });
}

/**
 * What positions are kept by: a management plane is its CA, since its address may change; of an Elasticsearch nothing is
 * known but its address.
 */
export function destinationOf(options: DestinationOptions): string {
  const { cluster } = options;
  if ('elasticsearch' in options) return `${cluster}@${options.elasticsearch.url.replace(/\/+$/, '')}`;
  return `${cluster}@${new X509Certificate(options.ca).fingerprint256.replaceAll(':', '').slice(0, 16)}`;
}
