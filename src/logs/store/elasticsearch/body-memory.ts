/** More than most bodies have; a larger one is made for itself. */
const KEPT = 3 * 1024 * 1024;

/**
 * Memory of requests that are done, for the next ones. Made anew for each, megabytes outside of JavaScript's heap would
 * have that collected several times a second.
 */
export class BodyMemory {
  /** At most as many as there were requests at once. */
  readonly #spare: Buffer[] = [];

  /** So many bytes, with anything in them. */
  take(length: number): Buffer {
    if (length > KEPT) return Buffer.allocUnsafeSlow(length);
    return (this.#spare.pop() ?? Buffer.allocUnsafeSlow(KEPT)).subarray(0, length);
  }

  /** Of a body that nobody sends or reads any more. */
  giveBack(body: Buffer): void {
    if (body.buffer.byteLength === KEPT) this.#spare.push(Buffer.from(body.buffer));
  }
}
