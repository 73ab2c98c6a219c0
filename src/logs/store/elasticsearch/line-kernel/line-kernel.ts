import { type Global, instantiate } from '../../../web-assembly.ts';
import { WASM } from './compiled.ts';

/** What assembly.ts exports, see there. */
interface Assembly {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly PIECE: Global;
  readonly PIECE_BYTES: Global;
  readonly BEGINNING: Global;
  readonly ACTION: Global;
  readonly MEMBERS: Global;
  readonly ITEMS: Global;
  readonly STARTS: Global;
  readonly ENDS: Global;
  readonly count: Global;
  readonly written: Global;
  readonly stopped: Global;
  clear(): void;
  take(from: number, to: number, offset: number, beginning: number, action: number, members: number): number;
}

/** Why no more lines were taken. */
export const Stop = {
  /** The next one does not begin as it should. */
  otherBeginning: 0,
  /** It is not in the form, see PlainLines. */
  otherForm: 1,
  /** There is no room for its item. */
  full: 2,
  /** It does not end in the piece. */
  part: 3,
} as const;

/** What became of lines; good until more are taken. */
interface Items {
  readonly bytes: Uint8Array;
  /** Where each of them ends. */
  readonly ends: Int32Array;
  /** Where in the piece the line of each began. */
  readonly starts: Int32Array;
}

/** A part of the memory, and how many bytes of it count. */
class Text {
  readonly bytes: Buffer;
  length = 0;

  constructor(memory: ArrayBuffer, { value }: Global) {
    this.bytes = Buffer.from(memory, value, LONGEST_TEXT);
  }

  put(bytes: Uint8Array): void {
    this.bytes.set(bytes);
    this.length = bytes.length;
  }
}

/** Bytes that a Text may have. */
export const LONGEST_TEXT = 4096;

/**
 * Lines to items of a `_bulk` body, many in one call: from JavaScript each line would take a dozen calls of Node.js, which
 * cost more than what they do. See docs/adr/0005.
 */
export class LineKernel {
  /** Where lines are put, to be taken. */
  readonly piece: Buffer;
  /** How lines must begin. */
  readonly beginning: Text;
  /** What stands before a line's offset and checksum in its item. */
  readonly action: Text;
  /** What stands at the end of an item instead of the line's last byte. */
  readonly members: Text;
  readonly #items: Buffer;
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #assembly: Assembly;

  constructor() {
    const assembly = instantiate<Assembly>(WASM);
    const { buffer } = assembly.memory;
    this.piece = Buffer.from(buffer, assembly.PIECE.value, assembly.PIECE_BYTES.value);
    this.beginning = new Text(buffer, assembly.BEGINNING);
    this.action = new Text(buffer, assembly.ACTION);
    this.members = new Text(buffer, assembly.MEMBERS);
    this.#items = Buffer.from(buffer, assembly.ITEMS.value);
    this.#starts = new Int32Array(buffer, assembly.STARTS.value);
    this.#ends = new Int32Array(buffer, assembly.ENDS.value);
    this.#assembly = assembly;
  }

  /** For another file: nothing is left of the one before. */
  begin(): void {
    this.beginning.length = 0;
    this.#assembly.clear();
  }

  /**
   * Makes items of the lines from `from` to before `to` in the piece, for as long as they can be; that offset is the
   * piece's in the file. Returns where the first line begins that was not taken; `stopped` says why.
   */
  take(from: number, to: number, offset: number): number {
    const { beginning, action, members } = this;
    return this.#assembly.take(from, to, offset, beginning.length, action.length, members.length);
  }

  /** Why no more lines were taken, one of Stop. */
  get stopped(): number {
    return this.#assembly.stopped.value;
  }

  /** All items since the last call. */
  items(): Items {
    const { written, count } = this.#assembly;
    const items = {
      bytes: this.#items.subarray(0, written.value),
      ends: this.#ends.subarray(0, count.value),
      starts: this.#starts.subarray(0, count.value),
    };
    this.#assembly.clear();
    return items;
  }
}
