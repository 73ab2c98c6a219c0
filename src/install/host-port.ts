import { isIP } from 'node:net';
import type { HostPort } from './management.ts';

const HOST_NAME = /^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*$/;

/** `HOST:PORT`, an IPv6 address in brackets; undefined for what is not of that form. */
export function readHostPort(text: string): HostPort | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? '';
  const port = Number(digits);
  const isHost = bracketed === undefined ? HOST_NAME.test(host) : isIP(host) === 6;
  return isHost && port >= 1 && port <= 65535 ? { host, port } : undefined;
}
