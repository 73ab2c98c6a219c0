/** Frame types (see yamux.md beside this file). */
export const TYPE = { data: 0, windowUpdate: 1, ping: 2, goAway: 3 } as const;

/** Flags, in any combination. */
export const FLAG = { syn: 1, ack: 2, fin: 4, rst: 8 } as const;

/** What a GOAWAY says. */
export const GO_AWAY = { normal: 0, protocolError: 1, internalError: 2 } as const;

export const HEADER_LENGTH = 12;

/** What a stream may have in flight before the first window update, in either direction. */
export const INITIAL_WINDOW = 256 * 1024;

/**
 * A header's 12 bytes, big-endian: version, type, flags, stream and length, which is the body's (data), the credit
 * (window update), the opaque value (ping) or the reason (go away).
 */
export function encodeHeader(type: number, flags: number, streamId: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_LENGTH);
  header[0] = 0;
  header[1] = type;
  header[2] = 0;
  header[3] = flags;
  header.writeUInt32BE(streamId, 4);
  header.writeUInt32BE(length, 8);
  return header;
}

/** The peer sent what the protocol does not allow; the session cannot go on. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}
