import { auditEe, auditKube } from './audit.ts';
import { bgp } from './bgp.ts';
import { dns } from './dns.ts';
import { events } from './events.ts';
import { flows } from './flows.ts';
import { gaps } from './gaps.ts';
import { l7 } from './l7.ts';
import type { LogType } from './log-type.ts';
import { waf } from './waf.ts';

/** Every log type there is; a new one is a module beside these and a line here. */
export const LOG_TYPES: readonly LogType[] = [flows, dns, auditEe, auditKube, l7, bgp, events, waf];

/** What is sent and stored: the logs, and what is missing in them. */
export const STORED_TYPES: readonly LogType[] = [...LOG_TYPES, gaps];

/** Words to offer for a type, or several, in the order to list them. */
export const SELECTOR_WORDS: readonly string[] = [
  ...new Set(LOG_TYPES.flatMap(({ group, label }) => (group === undefined ? [label] : [group, label]))),
];

/** The types a word stands for, by their group, label or Calico's name; undefined where it stands for none. */
export function selectLogTypes(word: string): readonly LogType[] | undefined {
  const types = LOG_TYPES.filter(({ group, label, name }) => [group, label, name].includes(word));
  return types.length === 0 ? undefined : types;
}

/** Names under which RBAC rules can grant log types, the widest last. */
export const RESOURCE_NAMES: readonly string[] = [
  ...new Set([...LOG_TYPES.flatMap(({ grants }) => grants.slice(0, -1)), '*']),
];
