import { DAY, SOON } from '../status/expiry.ts';
import { doubtful, type Finding, ok, wrong } from './finding.ts';

/** How long a certificate is still good; times are in milliseconds since 1970. */
export function expiryFinding(id: string, what: string, expires: number, todo: string, now: number): Finding {
  const date = new Date(expires).toISOString().slice(0, 10);
  const days = Math.floor((expires - now) / DAY);
  if (expires <= now) return wrong(id, `${what} has run out`, `it was good until ${date}`, todo);
  if (days < SOON) return doubtful(id, `${what} runs out in ${days} days`, `it is good until ${date}`, todo);
  return ok(id, `${what} is good for ${days} days, until ${date}`);
}
