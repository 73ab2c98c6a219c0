import { type Logger, pino } from 'pino';
import { messageOf, UserError } from '../../errors.ts';
import { MOST_SCANNED } from '../../logs/query/scan.ts';
import type { SpoolingOptions } from '../../logs/spool/spooling-store.ts';
import { ElasticsearchStore } from '../../logs/store/elasticsearch/elasticsearch-store.ts';
import { CurrentSettings } from '../../logs/store/store-settings.ts';
import { runManager } from '../../manager/manager.ts';
import { TUNNEL_LIMITS } from '../../tunnel/tunnels.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { ELASTICSEARCH_FLAGS, elasticsearchOptions } from '../elasticsearch-flags.ts';
import { parseListenAddress } from '../host-port.ts';
import { sizeOf } from '../size.ts';

/** Milliseconds for a request to the API server, unless --request-timeout says otherwise. */
const REQUEST_TIMEOUT = 15_000;

/** `manager`: the server in (or beside) the management cluster. */
export const command = defineCommand({
  args: [],
  description: `
Run the server that managed clusters connect to: it takes their logs (mutual TLS), stores them in Elasticsearch, and
answers queries for whom Kubernetes RBAC lets see them. "kubectl mcm install management" must have been run before.

With --spool, records that Elasticsearch does not take, or not soon, are written to disk and acknowledged, and get into
Elasticsearch in their order when it takes them again. Without it, senders are told to come back.

In a pod it uses the pod's ServiceAccount, elsewhere the kubeconfig. A request to the API server that is not answered
in 15 seconds has failed, unless --request-timeout says otherwise. It logs JSON lines on stdout.`,
  examples: `
# In the management cluster
kubectl mcm manager --elasticsearch http://elasticsearch:9200

# On a host beside it, with a kubeconfig for the ServiceAccount kubectl-mcm/manager
kubectl mcm manager --kubeconfig manager.kubeconfig \\
  --elasticsearch https://10.0.0.9:9200 --elasticsearch-credentials elasticsearch.yaml \\
  --spool /var/lib/kubectl-mcm/spool`,
  flags: {
    elasticsearch: {
      type: 'string',
      value: 'URL',
      required: true,
      description: 'The central Elasticsearch, 8 or 9; several nodes with commas between their URLs.',
    },
    ...ELASTICSEARCH_FLAGS,
    'ilm-policy': {
      type: 'string',
      value: 'NAME',
      description:
        "Leave it to this policy of Elasticsearch's index lifecycle management to delete old days; the retention then only says which records are too old to be taken.",
    },
    'query-records': {
      type: 'string',
      value: 'NUMBER',
      default: String(MOST_SCANNED),
      description:
        'How many records one query with a filter may have to look through; a tenth of it where a pattern begins with a wildcard, a fiftieth for a label of DNS logs. 0: any number.',
    },
    spool: {
      type: 'string',
      value: 'DIR',
      description: 'Where records wait on disk while Elasticsearch does not take them; without it, senders must wait.',
    },
    'spool-size': {
      type: 'string',
      value: 'SIZE',
      default: '10Gi',
      description: 'How much of the disk the spool may take: 64Mi or more.',
    },
    listen: {
      type: 'string',
      value: 'HOST:PORT',
      default: '0.0.0.0:9449',
      description: 'Where managed clusters connect.',
    },
    'api-listen': {
      type: 'string',
      value: 'HOST:PORT',
      default: '0.0.0.0:8443',
      description: 'Where kube-apiserver connects.',
    },
    'health-listen': {
      type: 'string',
      value: 'HOST:PORT',
      default: '127.0.0.1:9090',
      description: 'Where /livez, /readyz and /metrics are served, in plain HTTP.',
    },
    'tunnel-bytes-per-second': {
      type: 'string',
      value: 'SIZE',
      default: `${TUNNEL_LIMITS.bytesPerSecond / 1024 ** 2}Mi`,
      description: 'How much one cluster may send through its tunnel. What is more waits in the cluster.',
    },
  },
  handlesSignals: true,
  run: async ({ flags, global, io }) => {
    const log = pino({ level: global.verbosity >= 6 ? 'debug' : 'info' });
    // Without one, an API server that is cut off in silence would be waited for for ever.
    const client = connect({ ...global, requestTimeout: global.requestTimeout || REQUEST_TIMEOUT }, io);
    const settings = new CurrentSettings();
    const mostScanned = numberOf('query-records', flags['query-records']);
    const elasticsearch = { ...elasticsearchOptions(flags.elasticsearch, flags), mostScanned };
    const store = new ElasticsearchStore(elasticsearch, settings);
    const { 'ilm-policy': policy } = flags;
    if (policy !== undefined) await usePolicy(store, settings, policy, io.signal, log);
    const options = {
      client,
      store,
      spool: spoolOptions(flags.spool, flags['spool-size']),
      settings,
      days: store.days,
      storeReport: store.report,
      storeUrls: [elasticsearch.url, ...(elasticsearch.otherUrls ?? [])].map(originOf),
      answersAnybody: (signal: AbortSignal) => store.answersAnybody(signal),
      log,
      clusters: parseListenAddress('listen', flags.listen),
      api: parseListenAddress('api-listen', flags['api-listen']),
      tunnelBytesPerSecond: sizeOf('tunnel-bytes-per-second', flags['tunnel-bytes-per-second'], LEAST_RATE),
      health: parseListenAddress('health-listen', flags['health-listen']),
    };
    await runManager(options, io.signal);
    log.info('manager stopped');
    return 0;
  },
});

function numberOf(flag: string, text: string): number {
  if (/^\d{1,12}$/.test(text)) return Number(text);
  throw new UserError(`error: invalid argument "${text}" for "--${flag}" flag: must be a whole number, or 0 for any`);
}

/** What may be shown: a query could hold anything. */
function originOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname === '/' ? '' : pathname}`;
}

/** Less than the pieces that records come in would be no use to anybody. */
const LEAST_RATE = '64Ki';

/** Less would not hold what thirty-two uploads have in memory. */
const LEAST_SPOOL = '64Mi';

function spoolOptions(directory: string | undefined, size: string): SpoolingOptions | undefined {
  return directory === undefined ? undefined : { directory, size: sizeOf('spool-size', size, LEAST_SPOOL) };
}

/** @throws UserError when Elasticsearch says that it cannot be; where it does not answer, each write asks again. */
async function usePolicy(
  store: ElasticsearchStore,
  settings: CurrentSettings,
  policy: string,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  settings.ilmPolicy = policy;
  const refusal = await store.refusePolicy(signal).catch((error: unknown) => {
    log.warn({ reason: messageOf(error) }, 'it is not known yet whether Elasticsearch has the ILM policy');
    return undefined;
  });
  if (refusal === undefined) return;
  throw new UserError(`error: --ilm-policy ${policy}: ${refusal}`, {
    hint: 'leave the flag out: then the manager deletes days itself, see "kubectl mcm retention --help"',
  });
}
