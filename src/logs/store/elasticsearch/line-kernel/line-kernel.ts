import { type Global, instantiate } from '../../../web-assembly.ts';
import { WASM } from './compiled.ts';

/** What assembly.ts exports, see there. */
interface Assembly {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly PIECE: Global;
  readonly PIECE_BYTES: Global;
  readonly ACTION: Global;
  readonly MEMBERS: Global;
  readonly ITEMS: Global;
  readonly STARTS: Global;
  readonly ENDS: Global;
  readonly count: Global;
  readonly written: Global;
  readonly stopped: Global;
  begin(): void;
  clear(bytes: number): void;
  surround(actionBytes: number, memberBytes: number): void;
  turn(start: number, bytes: number, timeDigits: number, from: number, to: number, at: number): void;
  take(from: number, to: number, base: number, offset: number): number;
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
  /** Where each of them ends, counted from the first byte of those before. */
  readonly ends: Int32Array;
  /** Where the line of each begins. */
  readonly starts: Int32Array;
}

/** How lines must begin. */
interface Beginning {
  /** Where in the piece a line stands that does, and how many bytes of it count: up to behind the one after its time. */
  readonly start: number;
  readonly length: number;
  /** Of how many digits the time is; 0 for times of another form. */
  readonly digits: number;
  /** The first and the last time that is taken, as those digits say it. */
  readonly from: number;
  readonly to: number;
  /** Where the digits stand in what is added to each line. */
  readonly at: number;
}

/** Bytes that the beginning of a line may have, and what stands around its bytes in an item. */
export const LONGEST_TEXT = 4096;

/**
 * Lines to items of a `_bulk` body, many in one call: from JavaScript each line would take a dozen calls of Node.js, which
 * cost more than what they do. See docs/adr/0005.
 */
export class LineKernel {
  /** Where lines are put, to be taken. */
  readonly piece: Buffer;
  readonly #action: Buffer;
  readonly #members: Buffer;
  readonly #items: Buffer;
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #assembly: Assembly;

  constructor() {
    const assembly = instantiate<Assembly>(WASM);
    const { buffer } = assembly.memory;
    this.piece = Buffer.from(buffer, assembly.PIECE.value, assembly.PIECE_BYTES.value);
    this.#action = Buffer.from(buffer, assembly.ACTION.value, LONGEST_TEXT);
    this.#members = Buffer.from(buffer, assembly.MEMBERS.value, LONGEST_TEXT);
    this.#items = Buffer.from(buffer, assembly.ITEMS.value);
    this.#starts = new Int32Array(buffer, assembly.STARTS.value);
    this.#ends = new Int32Array(buffer, assembly.ENDS.value);
    this.#assembly = assembly;
  }

  /** For another file: what its lines begin with is not known. */
  begin(): void {
    this.#assembly.begin();
  }

  /** What stands before a line's offset and checksum in its item, and at its end instead of the line's last byte. */
  surround(action: Uint8Array, members: Uint8Array): void {
    this.#action.set(action);
    this.#members.set(members);
    this.#assembly.surround(action.length, members.length);
  }

  /** Has lines taken that begin so, or with other digits where there are digits. */
  turn({ start, length, digits, from, to, at }: Beginning): void {
    this.#assembly.turn(start, length, digits, from, to, at);
  }

  /**
   * Makes items of the lines from `from` to before `to` in the piece, for as long as they can be. The piece stands at
   * `base` among the caller's lines, and these at `offset` in their file. Returns where the first line begins that was
   * not taken; `stopped` says why.
   */
  take(from: number, to: number, base: number, offset: number): number {
    return this.#assembly.take(from, to, base, offset);
  }

  /** Why no more lines were taken, one of Stop. */
  get stopped(): number {
    return this.#assembly.stopped.value;
  }

  /** All items that were made since `clear`. */
  get items(): Items {
    const { written, count } = this.#assembly;
    return {
      bytes: this.#items.subarray(0, written.value),
      ends: this.#ends.subarray(0, count.value),
      starts: this.#starts.subarray(0, count.value),
    };
  }

  /** Makes room for items, before which there are so many bytes of others. */
  clear(before: number): void {
    this.#assembly.clear(before);
  }
}
