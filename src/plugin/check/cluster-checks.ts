import { CertificateRegistry } from '../../clusters/certificate-registry.ts';
import { CONNECTED_CONDITION, type ManagedCluster } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { LOG_TYPES } from '../../logs/types/index.ts';
import type { LogType } from '../../logs/types/log-type.ts';
import { Turns } from '../../turns.ts';
import { humanDuration } from '../duration.ts';
import { LogReads } from '../logs/log-reads.ts';
import { expiryFinding } from './expiry-finding.ts';
import { doubtful, type Finding, ok, skipped, wrong } from './finding.ts';

const MINUTE = 60_000;

/** How far back the newest record is looked for. */
const DAY = 24 * 60 * MINUTE;

/** Goldmane sends every five minutes, and is up to half a minute late; it tries again for as long. */
const LATE_UPLOAD = 15 * MINUTE;

/** How old the newest record of other types may be, which come when something happens. */
const LATE_RECORD = 60 * MINUTE;

/** What its ManagedCluster says: certificates and tunnel. `context` is its own, where that is looked at as well. */
export function clusterChecks(
  cluster: ManagedCluster,
  registry: CertificateRegistry,
  now: number,
  context?: string,
): readonly Finding[] {
  return [...certificateFindings(cluster, registry, now), sessionFinding(cluster, now, context)];
}

/** The registry of the clusters that there are. */
export function registryOf(clusters: readonly ManagedCluster[]): CertificateRegistry {
  const registry = new CertificateRegistry();
  registry.replaceAll(clusters);
  return registry;
}

function certificateFindings(
  { metadata: { name } }: ManagedCluster,
  registry: CertificateRegistry,
  now: number,
): readonly Finding[] {
  const reissue = `kubectl mcm reissue ${name} -o ${name}.yaml, and apply that in the cluster`;
  const fault = registry.problemOf(name);
  if (fault !== undefined) {
    return [wrong('certificate', 'none of its certificates counts', fault.message, reissue)];
  }
  const findings = (['tunnel', 'forwarder'] as const).flatMap((use) => {
    const expires = registry.expiryOf(name, use);
    return expires === undefined ? [] : [expiryFinding('certificate', `its ${use} certificate`, expires, reissue, now)];
  });
  if (findings.length > 0) return findings;
  return [wrong('certificate', 'it has no certificate, so nothing may speak for it', 'they were revoked', reissue)];
}

function sessionFinding(
  { metadata: { name }, status }: ManagedCluster,
  now: number,
  context: string | undefined,
): Finding {
  const tunnel = status?.conditions?.find(({ type }) => type === CONNECTED_CONDITION);
  const since = status?.connection?.since;
  const howLong = since === undefined ? '' : ` for ${humanDuration(now - Date.parse(since))}`;
  const refused = status?.connection?.lastError;
  const why = [tunnel?.message, refused].filter((text) => text !== undefined && text !== '').join('; ');
  const guardian = 'look at Guardian there: kubectl logs -n calico-system deployment/guardian';
  const look =
    context === undefined
      ? `${guardian}; and from here at its side: kubectl mcm check ${name} --managed-context CONTEXT`
      : `${guardian} --context ${context}`;
  if (tunnel?.status === 'True') return ok('session', `its tunnel is open${howLong}`);
  if (tunnel?.status === 'False') return wrong('session', `its tunnel is closed${howLong}`, why, look);
  if (tunnel?.reason === 'ManagerGone') {
    return doubtful('session', 'it is not known whether it is connected', why, 'start its manager again');
  }
  if (status?.lastSeen !== undefined) return ok('session', 'it has no tunnel; its forwarders send logs');
  if (tunnel === undefined) {
    return wrong('session', 'no manager has taken note of it', '', 'start the manager: kubectl mcm manager --help');
  }
  // Whether its manifest is there has been seen then.
  const todo = context === undefined ? `apply its manifest in the cluster, and ${look}` : look;
  return wrong('session', 'it has never connected', why, todo);
}

/** When the newest record of each type came. Types of which nothing came for a day are told only of flows. */
export async function lagChecks(
  client: KubeClient,
  cluster: string,
  now: number,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const turns = new Turns({ atOnce: LOG_TYPES.length, waiting: 0 });
  const reads = new LogReads({ client, turns, signal });
  const findings = LOG_TYPES.map(async (type): Promise<Finding | undefined> => {
    const id = type.name === 'flows' ? 'last-upload' : `lag-${type.label}`;
    try {
      return await lagFinding(reads, { cluster, type, id, now });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return skipped(id, `${type.label}: what came last could not be read`, error.message);
    }
  });
  return (await Promise.all(findings)).filter((finding) => finding !== undefined);
}

interface LagQuestion {
  readonly cluster: string;
  readonly type: LogType;
  readonly id: string;
  readonly now: number;
}

async function lagFinding(reads: LogReads, { cluster, type, id, now }: LagQuestion): Promise<Finding | undefined> {
  const parameters = {
    ...{ since: now - DAY, until: undefined, arrivedSince: undefined, filter: undefined },
    ...({ order: 'desc', limit: 1 } as const),
  };
  for await (const { items, asOf, shortcomings } of reads.pages({ clusters: [cluster], type, parameters })) {
    const [newest] = items;
    if (newest !== undefined) return newestFinding({ cluster, type, id, now }, newest.item);
    if (asOf !== undefined) break;
    const refusal = shortcomings.find((one) => one.kind === 'Refused');
    return skipped(id, `${type.label}: you may not read it`, refusal?.message ?? '');
  }
  if (type.name !== 'flows') return undefined;
  return doubtful(id, 'no flow came in the last 24 hours', '', GOLDMANE);
}

const GOLDMANE =
  'look at Goldmane there: kubectl get tigerastatus goldmane; kubectl logs -n calico-system deployment/goldmane';

function newestFinding(
  { cluster, type, id, now }: LagQuestion,
  { '@timestamp': time, ingested }: { readonly '@timestamp': number; readonly ingested: number },
): Finding {
  const [age, arrived] = [humanDuration(now - time), humanDuration(now - ingested)];
  const message = `${type.label}: the newest record is ${age} old, and came ${arrived} ago`;
  const isFlows = type.name === 'flows';
  if (now - ingested <= (isFlows ? LATE_UPLOAD : LATE_RECORD)) return ok(id, message);
  const forwarder = `where there should be more: kubectl mcm forward status, on a node of ${cluster}`;
  return doubtful(id, message, 'nothing came since', isFlows ? GOLDMANE : forwarder);
}
