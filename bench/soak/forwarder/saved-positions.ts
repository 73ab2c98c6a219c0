import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoggedFile } from './line-ledger.ts';

/** What a forwarder has in its checkpoint. */
export class SavedPositions {
  readonly #path: string;

  constructor(stateDirectory: string) {
    this.#path = join(stateDirectory, 'checkpoint.json');
  }

  /** Whether it knows the file: then it must ship all of it, whatever becomes of it. */
  isKnown({ key }: LoggedFile): boolean {
    return this.#read().some(({ fileKey }) => fileKey === key);
  }

  /** Whether all of it is acknowledged. */
  isShipped({ key, size }: LoggedFile): boolean {
    return this.#read().some(({ fileKey, offset }) => fileKey === key && offset >= size);
  }

  /** Nothing while it is being replaced. */
  #read(): readonly { readonly fileKey: string; readonly offset: number }[] {
    try {
      const { positions } = JSON.parse(readFileSync(this.#path, 'utf8')) as { positions: [] };
      return positions;
    } catch {
      return [];
    }
  }
}
