import { HEADER_LENGTH, ProtocolError, TYPE } from './frame.ts';

/** Told of frames as they come. Whatever it throws ends the reading. */
export interface FrameHandler {
  /** A header; of a data frame, `length` bytes of body follow. */
  onFrame(type: number, flags: number, streamId: number, length: number): void;
  /** A piece of the body of the data frame before: a view of the chunk it came in. */
  onBody(piece: Buffer, last: boolean): void;
}

/**
 * Cuts a stream of bytes into frames, however its chunks fall. Copies nothing but headers that are split over chunks,
 * and holds no body: its pieces are handed on as they come.
 */
export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #header = Buffer.alloc(HEADER_LENGTH);
  #headerLength = 0;
  #bodyLeft = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** True where the bytes may end without cutting a frame in two. */
  get atBoundary(): boolean {
    return this.#headerLength === 0 && this.#bodyLeft === 0;
  }

  /** @throws ProtocolError for a version or type that yamux does not have, and what the handler throws. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#bodyLeft > 0) at = this.#takeBody(chunk, at);
      else if (this.#headerLength === 0 && chunk.length - at >= HEADER_LENGTH) at = this.#takeHeader(chunk, at);
      else at = this.#takePartOfHeader(chunk, at);
    }
  }

  #takeBody(chunk: Buffer, at: number): number {
    const end = Math.min(at + this.#bodyLeft, chunk.length);
    this.#bodyLeft -= end - at;
    this.#handler.onBody(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end), this.#bodyLeft === 0);
    return end;
  }

  #takePartOfHeader(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#header, this.#headerLength, at, at + HEADER_LENGTH - this.#headerLength);
    this.#headerLength += taken;
    if (this.#headerLength === HEADER_LENGTH) {
      this.#headerLength = 0;
      this.#takeHeader(this.#header, 0);
    }
    return at + taken;
  }

  #takeHeader(bytes: Buffer, at: number): number {
    const version = bytes[at];
    const type = bytes[at + 1] ?? 0;
    if (version !== 0) throw new ProtocolError(`yamux version ${version} is not known`);
    if (type > TYPE.goAway) throw new ProtocolError(`yamux frame type ${type} is not known`);
    const length = bytes.readUInt32BE(at + 8);
    if (type === TYPE.data) this.#bodyLeft = length;
    this.#handler.onFrame(type, bytes.readUInt16BE(at + 2), bytes.readUInt32BE(at + 4), length);
    return at + HEADER_LENGTH;
  }
}
