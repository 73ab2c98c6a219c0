import type { LogRecord } from '../../record/record.ts';

/**
 * Records from this length on have a request of their own: what one of them is refused for is no other's fault. A shorter
 * one is never taken to be too long, whatever an answer says.
 */
export const LONG = 1024 * 1024;

/** Whether a record is sent in a request of its own. */
export function isLong({ document }: LogRecord): boolean {
  return document.open.length >= LONG;
}
