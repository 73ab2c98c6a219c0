/** More than what stands around a document: index names have at most 255 bytes, ids 512. */
const AROUND = 2048;

/** The last member of every document and its end; the moment has 13 digits until the year 2286. */
const MOMENT_DIGITS = 13;
const END = '}\n';

/** Milliseconds by which the moment in a document may be before that at which it is sent. */
const STALE = 1000;

/**
 * The body of a `_bulk` request, in one buffer that is used again for the next one. Every document ends with the moment
 * at which it was sent, so that it can be written anew for another attempt.
 *
 * Hundreds of thousands of documents a second go through here: nothing makes an object for each of them.
 */
export class BulkBody {
  #bytes: Buffer;
  #length = 0;
  /** Where each item begins, and where the last one ends. */
  #bounds = new Int32Array(1024);
  #count = 0;
  #moment = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafeSlow(Math.ceil(capacity));
  }

  get count(): number {
    return this.#count;
  }

  /** In bytes. */
  get length(): number {
    return this.#length;
  }

  /** Begins anew, for items that are sent now. */
  clear(now: number): void {
    this.#count = 0;
    this.#length = 0;
    this.#moment = now;
  }

  /** The last bytes of a document, whose last members these are and the moment at which it is sent; both of ASCII. */
  lastMembers(members: string): Buffer {
    return Buffer.from(`${members},"ingested":${this.#moment}${END}`);
  }

  /** Begins an item, whose document will have so many bytes without what is added around it. */
  begin(documentBytes: number): void {
    this.#reserve(documentBytes + AROUND, 1);
  }

  /** Adds items that are whole; `ends` says where in the body each ends. */
  items(items: Uint8Array, ends: Int32Array): void {
    this.#reserve(items.length, ends.length);
    this.#bounds.set(ends, this.#count + 1);
    this.#count += ends.length;
    this.bytes(items);
  }

  /** Adds text of ASCII alone, at most 1024 characters for each item. */
  ascii(text: string): void {
    this.#length += this.#bytes.write(text, this.#length, 'latin1');
  }

  bytes(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Ends an item, to which what lastMembers has made was added last. */
  end(): void {
    this.#bounds[++this.#count] = this.#length;
  }

  /** The end of the items from `from` on that have at most so many bytes together; one item it is at least. */
  fitting(from: number, bytes: number): number {
    if (bytes >= this.#length) return this.#count;
    let to = from + 1;
    while (to < this.#count && (this.#bounds[to + 1] as number) - (this.#bounds[from] as number) <= bytes) to++;
    return to;
  }

  /** The items from `from` to before `to` as they are to be sent now. Good until the body is changed. */
  sentAt(now: number, from: number, to: number): Buffer {
    if (now - this.#moment > STALE) this.#write(now);
    return this.#bytes.subarray(this.#bounds[from], this.#bounds[to]);
  }

  /** Leaves nothing but these items, which are given in their order. */
  keep(items: readonly number[]): void {
    const old = this.#bounds.slice(0, this.#count + 1);
    this.clear(this.#moment);
    for (const item of items) {
      this.#bytes.copyWithin(this.#length, old[item] as number, old[item + 1]);
      this.#length += (old[item + 1] as number) - (old[item] as number);
      this.#bounds[++this.#count] = this.#length;
    }
  }

  /** Makes room for so many bytes more, and items. */
  #reserve(bytes: number, items: number): void {
    const needed = this.#length + bytes;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.ceil(needed * 1.25));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    if (this.#count + items >= this.#bounds.length) {
      const longer = new Int32Array((this.#count + items) * 2);
      longer.set(this.#bounds);
      this.#bounds = longer;
    }
  }

  #write(moment: number): void {
    this.#moment = moment;
    const text = Buffer.from(String(moment));
    for (let item = 1; item <= this.#count; item++) {
      this.#bytes.set(text, (this.#bounds[item] as number) - MOMENT_DIGITS - END.length);
    }
  }
}
