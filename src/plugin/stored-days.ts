import { LOG_DAYS_PATH } from '../install/management.ts';
import type { KubeClient } from '../kube/client.ts';
import { isStatus } from '../kube/status.ts';
import { STORED_TYPES } from '../logs/types/index.ts';
import type { DayItem } from '../manager/stored-days.ts';

/** The stored days, of all clusters or one. @throws StatusError that says what to do. */
export async function readDays(
  client: KubeClient,
  cluster: string | undefined,
  signal: AbortSignal,
): Promise<readonly DayItem[]> {
  const list = await client.get<{ readonly items: readonly DayItem[] }>(LOG_DAYS_PATH, { signal }).catch((error) => {
    if (isStatus(error, 404) || isStatus(error, 503)) {
      throw error.withHint('the manager tells this: is it installed by "kubectl mcm install management", and running?');
    }
    if (isStatus(error, 403)) throw error.withHint('it takes the verb "list" on "days" of logs.kubectl-mcm.io');
    throw error;
  });
  return cluster === undefined ? list.items : list.items.filter((item) => item.cluster === cluster);
}

const DEAD_LETTERS = 'dead-letters';

/** The word for what is kept: `flow`, `audit-ee`, `dead-letters`. */
export function wordOf(kept: string): string {
  return STORED_TYPES.find(({ name }) => name === kept)?.label ?? DEAD_LETTERS;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `1.5GiB` */
export function humanBytes(bytes: number): string {
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)}${UNITS[unit]}`;
}
