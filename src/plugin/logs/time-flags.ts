import { UserError } from '../../errors.ts';
import type { FlagSpecs, FlagValues } from '../command.ts';
import { parseMoment } from '../duration.ts';

const FORMS = 'a duration back from now (15m, 2h, 7d), an RFC 3339 time or a date (UTC)';

/** The flags that say when. */
export const TIME_FLAGS = {
  since: {
    type: 'string',
    value: 'TIME',
    description: `Only records since then: ${FORMS}. Without it, --until and --tail: the last 15 minutes.`,
  },
  'since-time': { type: 'string', value: 'TIME', description: 'The same, by the name it has in kubectl logs.' },
  until: { type: 'string', value: 'TIME', description: 'Only records before then, in the same forms.' },
} as const satisfies FlagSpecs;

/** How far back is looked where nothing says it. */
export const DEFAULT_SINCE = '15m';

/** Milliseconds since 1970, from the first to before the second. */
export interface TimeRange {
  readonly since: number | undefined;
  readonly until: number | undefined;
}

/** `bounded` says that something else than time limits what is shown. @throws UserError */
export function timeRange(flags: FlagValues<typeof TIME_FLAGS>, bounded: boolean, now: number): TimeRange {
  if (flags.since !== undefined && flags['since-time'] !== undefined) {
    throw new UserError('error: at most one of --since and --since-time may be used');
  }
  const until = moment('until', flags.until, now);
  const preset = until === undefined && !bounded ? DEFAULT_SINCE : undefined;
  const since = moment('since-time', flags['since-time'], now) ?? moment('since', flags.since ?? preset, now);
  if (since !== undefined && until !== undefined && until <= since) {
    throw new UserError('error: --until is not after --since, so nothing can be between them');
  }
  return { since, until };
}

function moment(flag: string, text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const found = parseMoment(text, now);
  if (found !== undefined) return found;
  throw new UserError(`error: invalid argument "${text}" for "--${flag}" flag: time: invalid duration "${text}"`, {
    hint: 'a duration (15m, 2h, 7d), an RFC 3339 time (2026-11-22T18:00:00Z) or a date (2026-11-22) is needed',
  });
}
