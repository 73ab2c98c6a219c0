import { isIP } from 'node:net';
import { UserError } from '../errors.ts';
import { readHostPort } from '../install/host-port.ts';
import type { HostPort } from '../install/management.ts';

/** The `HOST:PORT` that was given for a flag; an IPv6 address stands in brackets. @throws UserError */
export function parseHostPort(flag: string, text: string): HostPort {
  const parsed = readHostPort(text);
  if (parsed !== undefined) return parsed;
  throw new UserError(`error: invalid argument "${text}" for "--${flag}" flag: not of the form HOST:PORT`, {
    hint: 'for example mgmt.example.com:30449, 10.0.0.5:9449 or [2001:db8::1]:9449',
  });
}

/** Whether it is an address that `parseHostPort` takes. */
export function isHostPort(text: string): boolean {
  return readHostPort(text) !== undefined;
}

/**
 * The same for an address to listen on, where `:PORT` means every IPv4 address of the machine, and an IPv6 address may
 * stand without brackets, as a pod's own is put into its arguments. @throws UserError
 */
export function parseListenAddress(flag: string, text: string): HostPort {
  const bare = text.slice(0, text.lastIndexOf(':'));
  if (isIP(bare) === 6) return parseHostPort(flag, `[${bare}]${text.slice(bare.length)}`);
  return parseHostPort(flag, text.startsWith(':') ? `0.0.0.0${text}` : text);
}
