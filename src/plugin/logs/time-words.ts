import { humanDuration } from '../duration.ts';

export const TIME_FORMATS = ['RFC3339', 'short', 'unix', 'age'] as const;
export type TimeFormat = (typeof TIME_FORMATS)[number];

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** How times are shown: `utc` or in the time zone of whoever looks; RFC 3339 is always UTC. */
export interface TimeWording {
  readonly format: TimeFormat;
  readonly utc: boolean;
  /** Milliseconds since 1970, from which ages are counted. */
  readonly now: number;
}

/** A time in milliseconds since 1970, in words; no record can make this fail. */
export function timeWords(time: unknown, { format, utc, now }: TimeWording): string {
  const at = new Date(Number(time));
  if (Number.isNaN(at.getTime())) return '<unknown>';
  switch (format) {
    case 'RFC3339':
      return at.toISOString();
    case 'unix':
      return (at.getTime() / 1000).toFixed(3);
    case 'age':
      return humanDuration(now - at.getTime());
    case 'short':
      return short(utc ? at : new Date(at.getTime() - at.getTimezoneOffset() * 60_000));
  }
}

/** `Nov 22 18:31:04.000` */
function short(shifted: Date): string {
  const iso = shifted.toISOString();
  return `${MONTHS[shifted.getUTCMonth()]} ${iso.slice(8, 10)} ${iso.slice(11, 23)}`;
}
