import { pino } from 'pino';
import { readTunnelCredentials } from '../../clusters/tunnel-credentials.ts';
import { UserError } from '../../errors.ts';
import { loadKubeContext } from '../../kube/kubeconfig.ts';
import { runAgent } from '../../tunnel/agent/agent.ts';
import { serverNameOf } from '../../tunnel/agent/dial.ts';
import { defineCommand } from '../command.ts';
import { parseHostPort, parseListenAddress } from '../host-port.ts';

/** `agent`: the managed cluster's end of the tunnel. */
export const command = defineCommand({
  args: [],
  description: `
Connect a managed cluster to its manager by a tunnel, as Calico's Guardian does, for clusters that run without
tigera-operator: what the manager asks of the cluster goes to its kube-apiserver, with the agent's own rights; what
connects to --listen, Goldmane for one, is passed to the manager.

The key pair is that of the manifest which "kubectl mcm add-cluster" made (Secret tigera-managed-cluster-connection).
Where the address in it changes, the agent dials anew. In a pod it uses the pod's ServiceAccount for the kube-apiserver,
elsewhere the kubeconfig. HTTPS_PROXY and NO_PROXY are honoured. It logs JSON lines on stdout and connects again for ever.`,
  examples: `
# Beside a cluster, with the manifest and a kubeconfig for it
kubectl mcm agent --credentials prod-eu.yaml --context prod-eu

# In a pod, with the Secret mounted
kubectl mcm agent --credentials /certs --address mgmt.example.com:30449 --listen :8080`,
  flags: {
    credentials: {
      type: 'string',
      value: 'PATH',
      required: true,
      description: 'The manifest of add-cluster, or the directory in which its Secret is mounted.',
    },
    address: {
      type: 'string',
      value: 'HOST:PORT',
      description: "The manager's port for clusters. Default: what the manifest says.",
    },
    listen: {
      type: 'string',
      value: 'HOST:PORT',
      description: 'Where workloads of the cluster connect, to be passed to the manager. Default: nowhere.',
    },
  },
  handlesSignals: true,
  run: async ({ flags, global, io }) => {
    const read = () => readManager(flags.credentials, flags.address);
    const { cluster, ...found } = read();
    let { address } = found;
    const listen = flags.listen === undefined ? undefined : parseListenAddress('listen', flags.listen);
    const log = pino({ level: global.verbosity >= 6 ? 'debug' : 'info' });
    const events = {
      listening: (at: string) => log.info({ cluster, listen: at }, 'listening for workloads'),
      connected: () => log.info({ cluster, manager: address }, 'connected'),
      disconnected: (reason: string, retry: number) =>
        log.warn({ cluster, manager: address, reason, retryMilliseconds: Math.round(retry) }, 'not connected'),
    };
    const api = loadKubeContext(global.kube, io.env);
    const manager = () => {
      const now = read();
      address = now.address;
      return { ...now, env: io.env };
    };
    // Given by hand, it cannot be changed from outside.
    const tellsAddress = flags.address === undefined;
    await runAgent({ manager, tellsAddress, api, listen, events }, io.signal);
    return 0;
  },
});

/** By what the cluster is known, and where the manager is. @throws UserError */
function readManager(path: string, given: string | undefined) {
  const { address: known, ...credentials } = readTunnelCredentials(path);
  const address = given ?? known;
  if (address === undefined) {
    throw new UserError(`error: ${path} does not say where the manager is`, { hint: 'give --address HOST:PORT' });
  }
  parseHostPort('address', address);
  requireServerName(path, credentials.ca);
  return { ...credentials, address };
}

function requireServerName(path: string, ca: string): void {
  try {
    serverNameOf(ca);
  } catch (error) {
    throw new UserError(`error: ${path}: ${(error as Error).message}`);
  }
}
