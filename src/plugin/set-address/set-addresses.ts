import { messageOf, UserError } from '../../errors.ts';
import { writeManagementAddress } from '../../install/management-config.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isStatus, StatusError } from '../../kube/status.ts';
import type { ManagementAddress } from '../../manager/management-address.ts';
import type { Io } from '../command.ts';
import { inParallel } from '../in-parallel.ts';
import { formatTable, plural, printable } from '../print.ts';
import { type ChangeOptions, changeAddress, type Outcome, reasonOf } from './address-change.ts';
import { ClusterAddresses } from './cluster-addresses.ts';

export interface SetAddressesOptions extends Omit<ChangeOptions, 'addresses' | 'signal' | 'onProgress'> {
  readonly management: KubeClient;
  /** Names of clusters. */
  readonly clusters: readonly string[];
  /** Whether these are all there are: then manifests carry the address from now on, too. */
  readonly all: boolean;
  /** Which is changed before all others; undefined for any that is connected. */
  readonly canary: string | undefined;
  readonly parallel: number;
  readonly dryRun: 'none' | 'client' | 'server';
  readonly io: Io;
}

/** What is known of the clusters before anything is done. */
interface Found {
  /** Whose address is to be changed, those first of which a run before this one was not sure. */
  readonly due: readonly ManagementAddress[];
  /** Of those that have it already, or cannot be asked. */
  readonly outcomes: readonly Outcome[];
}

/**
 * Changes the address of clusters, one of them before all others. Everything that can be refused is refused first.
 * Resolves with the exit code: 0 where every cluster is connected by the new one.
 */
export async function setAddresses(options: SetAddressesOptions): Promise<number> {
  const { management, address, dryRun, io } = options;
  const { signal } = io;
  const addresses = new ClusterAddresses(management, signal);
  const found = await findAddresses(addresses, options);
  if (options.all) await writeManagementAddress(management, address, { dryRun: true, signal });
  if (dryRun !== 'none') return await rehearse(found, addresses, options);
  const onProgress = (cluster: string, words: string) => io.err.write(`${cluster}: ${printable(words)}\n`);
  const change: ChangeOptions = { ...options, addresses, signal, onProgress };
  const canary = canaryOf(found, options);
  const others = found.due.filter((one) => one !== canary);
  const first = canary === undefined ? [] : [await changeAddress(canary, change)];
  if (first.some(({ result }) => result !== 'confirmed')) {
    io.err.write(`Nothing else was touched: ${canary?.metadata.name} is not connected by ${address}.\n`);
    return summarize([...found.outcomes, ...first, ...others.map(untouched)], options);
  }
  const isGood = first.length > 0 || found.outcomes.some(({ result }) => result === 'unchanged');
  if (options.all && isGood && (await writeManagementAddress(management, address, { dryRun: false, signal }))) {
    io.err.write(`Manifests that are made from now on say ${address}.\n`);
  }
  const { parallel } = options;
  const rest = await inParallel(others, { parallel, signal }, async (one) => await tryToChange(one, change));
  return summarize([...found.outcomes, ...first, ...rest], options);
}

/** @throws StatusError where the caller may not ask, or nobody answers */
async function findAddresses(
  addresses: ClusterAddresses,
  { clusters, address, parallel, io }: SetAddressesOptions,
): Promise<Found> {
  const { signal } = io;
  const asked = await inParallel(clusters, { parallel, signal }, async (cluster) => await askOne(addresses, cluster));
  const outcomes = asked.flatMap((one) => ('result' in one ? [one] : []));
  const known = asked.flatMap((one) => ('spec' in one ? [one] : []));
  const isDone = ({ spec, status }: ManagementAddress) => spec.address === address && status?.phase === 'Settled';
  const due = known.filter((one) => !isDone(one));
  const isBegun = ({ spec }: ManagementAddress) => spec.address === address;
  return {
    due: [...due.filter(isBegun), ...due.filter((one) => !isBegun(one))],
    outcomes: [
      ...known.filter(isDone).map(({ metadata: { name: cluster }, spec: { address: old } }): Outcome => {
        return { cluster, old, result: 'unchanged', words: 'is connected by it already' };
      }),
      ...outcomes,
    ],
  };
}

async function askOne(addresses: ClusterAddresses, cluster: string): Promise<ManagementAddress | Outcome> {
  try {
    return await addresses.get(cluster);
  } catch (error) {
    if (isStatus(error, 403)) {
      throw error.withHint(
        'it takes the verbs "get" and "update" on "managedclusters/address" of proxy.kubectl-mcm.io',
      );
    }
    if (isStatus(error, 404) && error.status.details?.name === undefined) {
      throw error.withHint('the manager is of an older version: kubectl mcm upgrade --image IMAGE');
    }
    if (!(error instanceof StatusError) || error.code === 404) throw error;
    const result = error.code === 503 ? 'not connected' : 'refused';
    return { cluster, old: undefined, result, words: reasonOf(error) };
  }
}

/** undefined where one that is connected by the address already shows that it is good, or none is left. */
function canaryOf({ due, outcomes }: Found, { canary, clusters }: SetAddressesOptions): ManagementAddress | undefined {
  const isProven = outcomes.some(({ result }) => result === 'unchanged');
  if (canary === undefined) return isProven ? undefined : due[0];
  if (!clusters.includes(canary)) {
    throw new UserError(`error: the canary "${canary}" is not among the clusters whose address is to be changed`);
  }
  const outcome = outcomes.find(({ cluster }) => cluster === canary);
  if (outcome === undefined || outcome.result === 'unchanged') {
    return due.find(({ metadata }) => metadata.name === canary);
  }
  throw new UserError(`error: the canary cannot be changed: ${printable(outcome.words)}`, {
    hint: 'name another by --canary, or none: then it is the first that is connected',
  });
}

/** What goes wrong with one cluster is no reason to leave the others where they are. */
async function tryToChange(before: ManagementAddress, options: ChangeOptions): Promise<Outcome> {
  try {
    return await changeAddress(before, options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { cluster: before.metadata.name, old: before.spec.address, result: 'refused', words: messageOf(error) };
  }
}

function untouched({ metadata, spec }: ManagementAddress): Outcome {
  return { cluster: metadata.name, old: spec.address, result: 'not changed', words: 'was not touched' };
}

/** Says what would be done; asked of each cluster, too, where that is wanted. */
async function rehearse(found: Found, addresses: ClusterAddresses, options: SetAddressesOptions): Promise<number> {
  const { address, revertAfterSeconds, dryRun, parallel, io } = options;
  const canary = canaryOf(found, options);
  const revert = revertAfterSeconds === undefined ? {} : { revertAfterSeconds };
  const would = await inParallel(found.due, { parallel, signal: io.signal }, async (one): Promise<Outcome> => {
    const cluster = one.metadata.name;
    const words = one === canary ? 'would be changed first' : 'would be changed';
    const outcome: Outcome = { cluster, old: one.spec.address, result: 'not changed', words };
    if (dryRun === 'client') return outcome;
    try {
      await addresses.put(cluster, { address, ...revert }, { dryRun: true });
      return outcome;
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      return { ...outcome, result: 'refused', words: reasonOf(error) };
    }
  });
  const outcomes = [...found.outcomes, ...would];
  io.out.write(tableOf(outcomes, address));
  return outcomes.some(({ result }) => result === 'refused' || result === 'not connected') ? 1 : 0;
}

function summarize(outcomes: readonly Outcome[], { address, io }: SetAddressesOptions): number {
  io.out.write(tableOf(outcomes, address));
  const left = outcomes.filter(({ result }) => result !== 'confirmed' && result !== 'unchanged');
  if (left.length === 0) return 0;
  const again = 'mend what is said of them, and run the same again';
  io.err.write(`${plural(left.length, 'cluster')} not connected by ${address}: ${again}\n`);
  if (left.some(({ result }) => result === 'not connected')) {
    const install = 'kubectl mcm install managed NAME --managed-context CONTEXT --image IMAGE';
    io.err.write(`A cluster that can never connect by the old address again is given the new one by: ${install}\n`);
  }
  return 1;
}

function tableOf(outcomes: readonly Outcome[], address: string): string {
  const rows = outcomes
    .toSorted((one, other) => (one.cluster < other.cluster ? -1 : 1))
    .map(({ cluster, old = '<unknown>', result, words }) => [
      cluster,
      printable(old),
      address,
      result,
      printable(words),
    ]);
  return formatTable(['CLUSTER', 'OLD', 'NEW', 'RESULT', 'WHY'], rows);
}
