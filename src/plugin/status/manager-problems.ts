import type {
  ManagerItem,
  ManagerStatus,
  RetentionStatus,
  SpoolStatus,
  StoreStatus,
} from '../../manager/manager-status.ts';
import type { Trouble } from '../../manager/trouble.ts';
import { humanDuration } from '../duration.ts';
import { wordOf } from '../stored-days.ts';
import { expiryProblem } from './expiry.ts';
import { type Problem, problem } from './problem.ts';
import { STORE_FAULTS } from './store-faults.ts';

/** How much of the shards, and of the spool, may be taken before that is worth a warning. */
const NEARLY_ALL_SHARDS = 0.9;
const NEARLY_ALL_SPOOL = 0.8;

/** What is not as it should be of a manager, and of what is behind it. */
export function managerProblems({ metadata, status }: ManagerItem, now: number): Problem[] {
  const { checks, store, spool, retention, refusedSettings, certificateExpires } = status;
  // How the store is, is told in other words below.
  const failed = checks.filter(({ ok, optional }) => !ok && optional !== true);
  const heldBack = heldBackProblems(status, now);
  // What keeps records back today was told already.
  const tomorrow = heldBack.some(({ reason }) => reason === retention.tomorrow?.reason)
    ? undefined
    : retention.tomorrow;
  const isAtLimit = [...heldBack, { reason: tomorrow?.reason }].some(({ reason }) => reason === 'ShardLimit');
  return [
    ...failed.map(({ name, message }) =>
      problem('error', 'NotReady', `the manager is not ready: ${name}: ${message}`, "look into the manager's log"),
    ),
    ...storeProblems(store).filter(({ reason }) => !(isAtLimit && reason === 'ShardsNearLimit')),
    ...heldBack,
    ...(spool === undefined ? [] : spoolProblems(spool)),
    ...(store.trouble === undefined ? retentionProblems({ ...retention, tomorrow }) : []),
    ...refusedSettings.map((refused) =>
      problem('warning', 'SettingsRefused', refused, 'change it: kubectl mcm retention set, kubectl mcm layout set'),
    ),
    ...expiryProblem(
      [{ of: `the manager ${metadata.name}`, expires: Date.parse(certificateExpires) }],
      'run "kubectl mcm install management" again, and start the manager again',
      now,
    ),
  ];
}

function storeProblems({ trouble, health, answersAnybody, shards, dataNodes, shardsPerNode }: StoreStatus): Problem[] {
  const problems: Problem[] = [];
  if (trouble !== undefined) problems.push(faultProblem(trouble.reason, [trouble.message]));
  if (health === 'red') {
    const why = 'Elasticsearch is red: some indices cannot be written or read';
    problems.push(problem('error', 'StoreRed', why, 'see GET /_cluster/allocation/explain'));
  }
  if (health === 'yellow') {
    const why = 'Elasticsearch is yellow: some indices have no replica, and go with the next node';
    problems.push(problem('warning', 'StoreYellow', why, 'see GET /_cluster/allocation/explain'));
  }
  const most = (dataNodes ?? 0) * (shardsPerNode ?? 0);
  if (shards !== undefined && shards > NEARLY_ALL_SHARDS * most) {
    const why = `Elasticsearch has ${shards} of the ${most} shards that it may have`;
    problems.push(problem('warning', 'ShardsNearLimit', why, STORE_FAULTS.ShardLimit.todo));
  }
  if (answersAnybody === true) {
    const why = 'Elasticsearch answers without authentication: whoever reaches it reads and deletes logs past RBAC';
    const todo = 'turn its security on (see docs/storage.md), or let nobody but the manager reach it';
    problems.push(problem('warning', 'StoreOpen', why, todo));
  }
  return problems;
}

/** What the store does not take of single clusters and log types, cause by cause. */
function heldBackProblems({ spool, turnedAway, store }: ManagerStatus, now: number): Problem[] {
  const waiting = (spool?.backlog ?? []).flatMap(({ cluster, type, heldBack }) =>
    heldBack.map(({ reason, message, tried }) => ({
      reason,
      place: `${cluster}, ${wordOf(type)}: ${message} (tried ${humanDuration(now - Date.parse(tried))} ago)`,
    })),
  );
  const refused = turnedAway.map(({ cluster, type, reason, message, uploads }) => ({
    reason,
    place: `${cluster}, ${wordOf(type)}: ${message} (${uploads} uploads turned away)`,
  }));
  const groups = Map.groupBy([...waiting, ...refused], ({ reason }) => reason);
  // Where it is the whole store, that was told already.
  if (store.trouble !== undefined) groups.delete(store.trouble.reason);
  return [...groups].map(([reason, troubles]) =>
    faultProblem(
      reason,
      troubles.map(({ place }) => place),
    ),
  );
}

function faultProblem(reason: Trouble['reason'], places: readonly string[]): Problem {
  // A newer manager may have a word that we have not.
  const { what, todo } = STORE_FAULTS[reason] ?? STORE_FAULTS.Unknown;
  const indices = new Set(places.flatMap((place) => INDEX.exec(place)?.[0] ?? []));
  const [index = ''] = indices;
  // What is to be done can be copied then.
  const filled = indices.size === 1 ? todo.replaceAll('INDEX', index) : todo;
  // That one passes by itself, unless it lasts.
  const level = reason === 'Overloaded' ? 'warning' : 'error';
  return { level, reason, message: what, places, todo: filled };
}

/** The names that our indices have. */
const INDEX = /\b[a-z][a-z0-9_]*\.[-a-z0-9]+\.\d{8}\b/;

function spoolProblems({ trouble, used, free }: SpoolStatus): Problem[] {
  const { what, todo } = STORE_FAULTS.SpoolFull;
  if (trouble !== undefined) return [problem('error', 'SpoolTakesNothing', trouble, todo)];
  if (used <= NEARLY_ALL_SPOOL * (used + free)) return [];
  return [problem('warning', 'SpoolFilling', `${what} soon`, todo)];
}

function retentionProblems({ error, tomorrow }: RetentionStatus): Problem[] {
  const problems: Problem[] = [];
  if (error !== undefined) {
    const todo = 'the manager tries again every minute; until it succeeds, no day is deleted';
    problems.push(problem('error', 'DaysNotLookedAfter', `old days cannot be looked after: ${error}`, todo));
  }
  if (tomorrow !== undefined) {
    const { todo } = STORE_FAULTS[tomorrow.reason] ?? STORE_FAULTS.Unknown;
    const why = `tomorrow's indices cannot be created, so that logs wait from midnight (UTC) on: ${tomorrow.message}`;
    problems.push(problem('warning', 'TomorrowNotCreated', why, todo));
  }
  return problems;
}
