import { UserError } from '../errors.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3, Ti: 1024 ** 4 };

/** Bytes of a flag, as Kubernetes writes quantities. @throws UserError when it is none, or less than `least`. */
export function sizeOf(flag: string, text: string, least = '0'): number {
  const bytes = bytesOf(text);
  if (bytes === undefined) throw invalid(flag, text, 'must be bytes, as 1073741824 or 1Gi');
  if (bytes < (bytesOf(least) ?? 0)) throw invalid(flag, text, `must be at least ${least}`);
  return bytes;
}

function bytesOf(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d{1,12})(Ki|Mi|Gi|Ti)?$/.exec(text) ?? [];
  return number === undefined ? undefined : Number(number) * (UNITS[unit] ?? 1);
}

function invalid(flag: string, text: string, why: string): UserError {
  return new UserError(`error: invalid argument "${text}" for "--${flag}" flag: ${why}`);
}
