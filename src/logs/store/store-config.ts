import { crc32 } from 'node:zlib';
import { parse, stringify } from 'yaml';
import { messageOf, UserError } from '../../errors.ts';
import type { Layout, LayoutHistory } from './elasticsearch/layout.ts';
import { KEPT_NAMES, MOST_DAYS, Retention } from './retention.ts';
import { DEFAULT_SETTINGS, parseHistory, parseLayout, parseRetention, type StoreSettings } from './store-settings.ts';

/** The texts in which the store is configured; what is missing says nothing. */
export interface ConfigTexts {
  readonly retention?: string;
  /** The layout that somebody wants. */
  readonly layout?: string;
  readonly history?: string;
  readonly status?: string;
}

/** What became of a configuration: settings that are in order throughout, and why some of it was not taken. */
export interface ReadConfig {
  readonly settings: StoreSettings;
  /** The layout to change to, where there is one. */
  readonly wanted: Layout | undefined;
  readonly refused: readonly string[];
}

/** Where it is not known how long logs are to be kept, nothing is deleted. */
const FOR_EVER = new Retention(new Map(KEPT_NAMES.map((name) => [name, MOST_DAYS])));

/**
 * Reads a configuration; what of it is not in order changes nothing of what was in force before, which is undefined at the
 * start. @throws UserError when it is not known under which layouts records have been written.
 */
export function readConfig(texts: ConfigTexts, before: StoreSettings | undefined, now: number): ReadConfig {
  const refused: string[] = [];
  const attempt = <T, O>(read: (text: string) => T, text: string | undefined, missing: O, otherwise: T | O): T | O => {
    if (text === undefined) return missing;
    try {
      return read(text);
    } catch (error) {
      refused.push(messageOf(error));
      return otherwise;
    }
  };
  const { retention, layout, history } = texts;
  const settings = {
    layouts:
      before === undefined ? firstHistory(history) : attempt(changed(before), history, before.layouts, before.layouts),
    retention: attempt(parseRetention, retention, DEFAULT_SETTINGS.retention, before?.retention ?? FOR_EVER),
  };
  return { settings, wanted: attempt(parseLayout, layout, undefined, undefined), refused };

  function changed({ layouts }: StoreSettings): (text: string) => LayoutHistory {
    return (text) => {
      const next = parseHistory(text);
      if (layouts.mayBecome(next, now)) return next;
      throw new UserError('history: it would change days that have records');
    };
  }
}

function firstHistory(text: string | undefined): LayoutHistory {
  return text === undefined ? DEFAULT_SETTINGS.layouts : parseHistory(text);
}

/** What a manager says of a configuration. */
export interface ConfigStatus {
  /** fingerprintOf the texts that it is about. */
  readonly answers: string;
  readonly refused: readonly string[];
}

/** Tells texts that people write from others. */
export function fingerprintOf({ retention = '', layout = '' }: ConfigTexts): string {
  return crc32(`${retention}\n---\n${layout}`).toString(16);
}

export function formatStatus({ answers, refused }: ConfigStatus): string {
  return stringify({ answers, refused });
}

/** undefined where no manager has said anything. */
export function parseStatus(text: string | undefined): ConfigStatus | undefined {
  const { answers, refused } = (text === undefined ? undefined : (parse(text) as Partial<ConfigStatus> | null)) ?? {};
  return answers === undefined ? undefined : { answers: String(answers), refused: refused ?? [] };
}
