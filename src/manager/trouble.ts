import type { StoreFault } from '../logs/store/log-store.ts';

/** Something that keeps records from being stored, as the API tells it. */
export interface Trouble {
  readonly reason: StoreFault;
  readonly message: string;
}

/** Where Elasticsearch's own page of the matter is. */
const MORE = /; for more information, see [^\s\];]+/;

/**
 * For those who may see no record: what Elasticsearch says of its own accord may quote one, and what it quotes is left
 * out.
 */
export function troubleOf({ fault, message }: { readonly fault: StoreFault; readonly message: string }): Trouble {
  const quote = fault === 'Unknown' ? message.search(/['"]/) : -1;
  const shown = quote === -1 ? message : `${message.slice(0, quote)}…`;
  return { reason: fault, message: shown.replace(MORE, '') };
}
