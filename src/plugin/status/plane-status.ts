import type { UserError } from '../../errors.ts';
import { isStatus } from '../../kube/status.ts';
import type { ManagerItem } from '../../manager/manager-status.ts';
import { type ClusterCounts, clusterProblems, countClusters } from './cluster-problems.ts';
import { managerProblems } from './manager-problems.ts';
import type { Part, Plane } from './plane.ts';
import type { Problem } from './problem.ts';

/** How the management plane is: what `status -o json` prints. */
export interface PlaneStatus {
  readonly problems: readonly Problem[];
  /** Parts that were not read for want of a right, in kubectl's words. */
  readonly notRead: readonly { readonly part: 'managers' | 'clusters'; readonly message: string }[];
  /** The manager that answered. */
  readonly managers?: readonly ManagerItem[] | undefined;
  readonly clusters?: ClusterCounts | undefined;
}

export function planeStatus({ managers, clusters }: Plane, now: number): PlaneStatus {
  const problems = [
    ...('items' in managers
      ? managers.items.flatMap((item) => managerProblems(item, now))
      : failureProblem(managers.failure, NO_MANAGER)),
    ...('items' in clusters ? clusterProblems(clusters.items, now) : failureProblem(clusters.failure, NO_CLUSTERS)),
  ];
  return {
    problems: problems.sort((a, b) => a.level.localeCompare(b.level)),
    notRead: [...notRead('managers', managers), ...notRead('clusters', clusters)],
    managers: 'items' in managers ? managers.items : undefined,
    clusters: 'items' in clusters ? countClusters(clusters.items) : undefined,
  };
}

/** Whether there is anything to show. */
export function isEmpty({ managers, clusters, problems }: PlaneStatus): boolean {
  return managers === undefined && clusters === undefined && problems.length === 0;
}

/** 1 where something is wrong or nothing could be read, 3 where nothing is wrong in what could be, but that is not all. */
export function exitCodeOf(status: PlaneStatus): number {
  if (isEmpty(status) || status.problems.some(({ level }) => level === 'error')) return 1;
  return status.notRead.length > 0 ? 3 : 0;
}

const NO_MANAGER = {
  reason: 'NoManager',
  message: 'no manager answers',
  todo: 'start it (kubectl mcm manager), see that kube-apiserver reaches its API port, and run "kubectl mcm install management" again where it was installed by an older version',
};
const NO_CLUSTERS = {
  reason: 'NoManagedClusters',
  message: 'the managed clusters cannot be read',
  todo: 'try again; if it lasts, look into the log of the management cluster\'s kube-apiserver, or run "kubectl mcm install management" again',
};

/** A failure that is no matter of rights. */
function failureProblem(failure: UserError, words: Pick<Problem, 'reason' | 'message' | 'todo'>): Problem[] {
  return isStatus(failure, 403) ? [] : [{ level: 'error', ...words, places: [failure.message] }];
}

function notRead(part: 'managers' | 'clusters', read: Part<unknown>): PlaneStatus['notRead'] {
  return 'failure' in read && isStatus(read.failure, 403) ? [{ part, message: read.failure.message }] : [];
}
