import { auditEe, auditKube } from './audit.ts';
import { dns } from './dns.ts';
import { flows } from './flows.ts';
import { gaps } from './gaps.ts';
import type { LogType } from './log-type.ts';

/** Every log type there is; a new one is a module beside these and a line here. */
export const LOG_TYPES: readonly LogType[] = [flows, dns, auditEe, auditKube];

/** What is sent and stored: the logs, and what is missing in them. */
export const STORED_TYPES: readonly LogType[] = [...LOG_TYPES, gaps];

/** What people may ask for: a type by its label, its Calico name or a common form, and `audit` for both audit logs. */
const SELECTORS: ReadonlyMap<string, readonly LogType[]> = new Map<string, readonly LogType[]>([
  ...LOG_TYPES.flatMap((type) => [type.label, type.name].map((word): [string, LogType[]] => [word, [type]])),
  ['audit', [auditEe, auditKube]],
]);

/** Words to offer for a type, in the order to list them. */
export const SELECTOR_WORDS: readonly string[] = ['flow', 'dns', 'audit', 'audit-ee', 'audit-kube'];

/** The types a word stands for, or undefined where it stands for none. */
export function selectLogTypes(word: string): readonly LogType[] | undefined {
  return SELECTORS.get(word);
}
