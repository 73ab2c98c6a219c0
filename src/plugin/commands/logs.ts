import { isClusterName } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { isStatus, type StatusError } from '../../kube/status.ts';
import {
  DEFAULT_LIMIT,
  formatParameters,
  MAX_ANSWER_BYTES,
  MAX_LIMIT,
  type QueryParameters,
} from '../../logs/query/log-query.ts';
import { RESOURCE_NAMES, SELECTOR_WORDS, selectLogTypes } from '../../logs/types/index.ts';
import type { LogType, StoredRecord } from '../../logs/types/log-type.ts';
import { LOG_ACCESS_API, LOG_ACCESS_GROUP } from '../../rbac/log-access.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { parseMoment } from '../duration.ts';
import { alignColumns, printable, printableJson } from '../print.ts';

/** A record as the aggregated API gives it out. */
type LogItem = StoredRecord & { readonly '@timestamp': number };

/** `logs`: what RBAC lets the caller see of a cluster's logs. */
export const command = defineCommand({
  args: [],
  description: `
Show logs of a managed cluster: who talked to whom (flow), what was asked of DNS (dns), who changed what (audit), and
whatever else Calico logs (--type). The newest last.

What you may see is decided by Kubernetes RBAC in the management cluster: apiGroup lma.tigera.io, the cluster as
resource, verb get, and as resource name one that covers the log type:
${RESOURCE_NAMES.join(', ')}
(audit* and audit are both audit logs, * is everything).
Logs of all namespaces are shown. The store shows new records about a second after they arrive.`,
  examples: `
# The last 100 flows
kubectl mcm logs --cluster prod-eu

# DNS answers of the last five minutes
kubectl mcm logs --cluster prod-eu --type dns --since 5m

# The last 1000 audit records, as JSON, one a line
kubectl mcm logs --cluster prod-eu --type audit --tail 1000 -o json`,
  flags: {
    cluster: { type: 'string', value: 'NAME', required: true, description: 'The managed cluster.' },
    type: {
      type: 'string',
      default: 'flow',
      value: 'TYPE',
      description: `Type of log: ${SELECTOR_WORDS.join(', ')} (audit: both of Calico's and Kubernetes' audit logs).`,
    },
    since: {
      type: 'string',
      value: 'TIME',
      description: 'Only records since then: a duration back from now (15m, 2h, 7d), an RFC 3339 time or a date (UTC).',
    },
    until: { type: 'string', value: 'TIME', description: 'Only records before then, in the same forms.' },
    tail: {
      type: 'string',
      value: 'N',
      default: String(DEFAULT_LIMIT),
      description: `At most so many records, the newest; up to ${MAX_LIMIT}.`,
    },
    output: {
      type: 'string',
      short: 'o',
      default: 'compact',
      choices: ['compact', 'json'],
      description: 'Output format.',
    },
  },
  hint: ({ flag, args }) => {
    const [cluster = 'NAME'] = args;
    if (flag === 'f' || flag === 'follow') {
      const again = didYouMean([`watch kubectl mcm logs --cluster ${cluster} --since 1m`]);
      return `Logs are read once, and not followed yet. ${again}`;
    }
    const named = args.length === 1 && isClusterName(cluster);
    return flag === undefined && named ? didYouMean([`kubectl mcm logs --cluster ${cluster}`]) : undefined;
  },
  run: async ({ flags, global, io }) => {
    const types = selectLogTypes(flags.type);
    if (types === undefined) {
      throw new UserError(
        `error: invalid argument "${flags.type}" for "--type" flag: must be one of ${SELECTOR_WORDS.join(', ')}`,
      );
    }
    const window = {
      since: moment('since', flags.since, io.now()),
      until: moment('until', flags.until, io.now()),
      limit: limit(flags.tail),
    };
    if (!isClusterName(flags.cluster)) {
      throw new UserError(
        `error: invalid argument "${flags.cluster}" for "--cluster" flag: not a managed cluster's name`,
      );
    }
    if (window.since !== undefined && window.until !== undefined && window.until <= window.since) {
      throw new UserError('error: --until is not after --since, so nothing can be between them');
    }
    const { found, refused, truncated } = await readLogs(connect(global, io), flags.cluster, types, window, io.signal);
    for (const { status } of refused) io.err.write(`warning: not shown: ${status.message ?? status.reason}\n`);
    for (const type of truncated) {
      io.err.write(
        `warning: not all of what --tail asks for is shown: an answer holds ${MAX_ANSWER_BYTES / 1024 / 1024} MiB, and older ${type.label} records would make it longer. Use --since and --until to see them.\n`,
      );
    }
    if (found.length === 0) io.err.write('No resources found\n');
    else if (flags.output === 'json') for (const { item } of found) io.out.write(`${printableJson(item)}\n`);
    else io.out.write(alignColumns(found.map(compactLine), '  '));
    return 0;
  },
});

/** A record with the type it was asked for as. */
interface Found {
  readonly type: LogType;
  readonly item: LogItem;
}

type Window = Pick<QueryParameters, 'since' | 'until' | 'limit'>;

/** What a read of one type answers: the newest first, and where to go on for older ones. */
interface LogList {
  readonly metadata: { readonly continue?: string };
  readonly items: readonly LogItem[];
}

interface Reads {
  /** Oldest first. */
  readonly found: readonly Found[];
  readonly truncated: readonly LogType[];
  /** Answers to what RBAC does not allow, where it allows something else of what was asked for. */
  readonly refused: readonly StatusError[];
}

/** Reads each type by itself: one may be allowed and the other not. @throws StatusError 403 when none is. */
async function readLogs(
  client: KubeClient,
  cluster: string,
  types: readonly LogType[],
  window: Window,
  signal: AbortSignal,
): Promise<Reads> {
  const found: Found[] = [];
  const truncated: LogType[] = [];
  const refused: StatusError[] = [];
  for (const type of types) {
    try {
      const list = await readType(client, cluster, type, window, signal);
      for (const item of list.items.toReversed()) found.push({ type, item });
      if (list.metadata.continue !== undefined && list.items.length < window.limit) truncated.push(type);
    } catch (error) {
      if (!isStatus(error, 403)) throw error;
      refused.push(error);
    }
  }
  const [first] = refused;
  if (first !== undefined && refused.length === types.length) throw first;
  found.sort((a, b) => a.item['@timestamp'] - b.item['@timestamp']);
  return { found: found.slice(-window.limit), truncated, refused };
}

/** Reads under the names that can have been granted, most particular first. @throws StatusError */
async function readType(
  client: KubeClient,
  cluster: string,
  type: LogType,
  window: Window,
  signal: AbortSignal,
): Promise<LogList> {
  let forbidden: StatusError | undefined;
  for (const name of type.grants) {
    const path = `/apis/${LOG_ACCESS_API}/${encodeURIComponent(cluster)}/${name}`;
    const parameters = formatParameters({ ...window, filter: undefined, order: 'desc' });
    const query = { ...Object.fromEntries(parameters), type: type.name };
    try {
      return await client.get<LogList>(path, { query, signal });
    } catch (error) {
      if (isStatus(error, 503))
        throw error.withHint(`Is the manager running? kubectl get apiservice v1.${LOG_ACCESS_GROUP}`);
      // A 404 that names no object is about the API itself.
      if (isStatus(error, 404) && error.status.details?.name === undefined) {
        throw error.withHint('This is no management cluster yet: kubectl mcm install management --address HOST:PORT');
      }
      if (!isStatus(error, 403)) throw error;
      forbidden ??= error;
    }
  }
  throw forbidden ?? new Error(`${type.name} can be granted under no name`);
}

function moment(flag: string, text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const found = parseMoment(text, now);
  if (found !== undefined) return found;
  throw new UserError(`error: invalid argument "${text}" for "--${flag}" flag: time: invalid duration "${text}"`, {
    hint: 'a duration (15m, 2h, 7d), an RFC 3339 time (2026-11-22T18:00:00Z) or a date (2026-11-22) is needed',
  });
}

function limit(text: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= MAX_LIMIT) return value;
  throw new UserError(`error: invalid argument "${text}" for "--tail" flag: must be a number from 1 to ${MAX_LIMIT}`);
}

function compactLine({ type, item }: Found): string[] {
  return [stamp(item['@timestamp']), ...type.compact(item).map(printable)];
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Nov 22 18:31:04.000`, in the time zone of whoever looks. */
function stamp(milliseconds: number): string {
  const at = new Date(milliseconds);
  const two = (value: number) => String(value).padStart(2, '0');
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${MONTHS[at.getMonth()]} ${two(at.getDate())} ${clock}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}
