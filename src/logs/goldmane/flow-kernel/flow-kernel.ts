import { type Global, instantiate } from '../../web-assembly.ts';
import { WASM } from './compiled.ts';

/** What assembly.ts exports, see there. */
interface Assembly {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly LINE: Global;
  readonly LINE_BYTES: Global;
  readonly IDENTITY: Global;
  readonly RECORD: Global;
  readonly identityBytes: Global;
  readonly time: Global;
  read(length: number): number;
}

/** What became of a line. Its bytes are good until the next one is read. */
export interface KernelFlow {
  /** The text that flowIdentity hashes. */
  readonly identity: Buffer;
  /** The FlowRecord as JSON, up to before its last brace. */
  readonly record: Buffer;
  /** Its end, in seconds since 1970. */
  readonly time: number;
}

/**
 * Turns a line of Goldmane's into the bytes of its record, in one pass and without an object for any of its members. See
 * docs/adr/0009.
 */
export class FlowKernel {
  readonly #line: Buffer;
  readonly #identity: Buffer;
  readonly #record: Buffer;
  readonly #assembly: Assembly;

  constructor() {
    const assembly = instantiate<Assembly>(WASM);
    const { buffer } = assembly.memory;
    this.#line = Buffer.from(buffer, assembly.LINE.value, assembly.LINE_BYTES.value);
    this.#identity = Buffer.from(buffer, assembly.IDENTITY.value);
    this.#record = Buffer.from(buffer, assembly.RECORD.value);
    this.#assembly = assembly;
  }

  /** undefined for a line that is not in the very form in which Goldmane writes it. */
  read(line: Buffer): KernelFlow | undefined {
    if (line.length >= this.#line.length) return undefined;
    this.#line.set(line);
    this.#line[line.length] = 0;
    const length = this.#assembly.read(line.length);
    if (length === 0) return undefined;
    return {
      identity: this.#identity.subarray(0, this.#assembly.identityBytes.value),
      record: this.#record.subarray(0, length),
      time: this.#assembly.time.value,
    };
  }
}
