import { pino } from 'pino';
import { UserError } from '../../errors.ts';
import { ElasticsearchStore } from '../../logs/store/elasticsearch/elasticsearch-store.ts';
import { type ListenAddress, runManager } from '../../manager/manager.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';

/** `manager`: the server in (or beside) the management cluster. */
export const command = defineCommand({
  args: [],
  description: `
Run the server that managed clusters connect to: it takes their logs (mutual TLS), stores them in Elasticsearch, and
answers queries for whom Kubernetes RBAC lets see them. "kubectl mcm install management" must have been run before.

In a pod it uses the pod's ServiceAccount, elsewhere the kubeconfig. It logs JSON lines on stdout.`,
  examples: `
# In the management cluster
kubectl mcm manager --elasticsearch http://elasticsearch:9200

# On a host beside it, with a kubeconfig for the ServiceAccount kubectl-mcm/manager
kubectl mcm manager --kubeconfig manager.kubeconfig --elasticsearch http://10.0.0.9:9200`,
  flags: {
    elasticsearch: { type: 'string', value: 'URL', required: true, description: 'The central Elasticsearch, 8 or 9.' },
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
  },
  handlesSignals: true,
  run: async ({ flags, global, io }) => {
    const log = pino({ level: global.verbosity >= 6 ? 'debug' : 'info' });
    const client = connect(global, io);
    const store = new ElasticsearchStore({ url: httpUrl('elasticsearch', flags.elasticsearch) });
    const options = {
      client,
      store,
      log,
      clusters: listenAddress('listen', flags.listen),
      api: listenAddress('api-listen', flags['api-listen']),
      health: listenAddress('health-listen', flags['health-listen']),
    };
    await runManager(options, io.signal);
    log.info('manager stopped');
    return 0;
  },
});

function httpUrl(flag: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return text;
  throw new UserError(`error: invalid argument "${text}" for "--${flag}" flag: not an http or https URL`);
}

function listenAddress(flag: string, text: string): ListenAddress {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65535) {
    throw new UserError(`error: invalid argument "${text}" for "--${flag}" flag: not of the form HOST:PORT`);
  }
  return { host: bracketed ?? (plain === '' ? '0.0.0.0' : (plain ?? '')), port };
}
