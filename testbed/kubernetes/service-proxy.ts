import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Workbench } from '../testbed.ts';

interface Service {
  readonly spec: {
    readonly clusterIP: string;
    readonly ports: readonly {
      readonly name?: string;
      readonly port: number;
      readonly targetPort: number | string;
    }[];
  };
}

/**
 * API servers take no endpoint on loopback, and pass nothing to an APIService without endpoints; what they dial is the
 * Service's own address. So this one, of those for documentation (RFC 5737), only says that there is a pod.
 */
const NOWHERE = '192.0.2.1';

/**
 * A Service's own address and ports (the testbed's are in 127.0.0.0/8), passed on to a pod, as kube-proxy would: so
 * kube-apiserver finds the backend of an APIService, and others find the pod, by what the Service says.
 */
export class ServiceProxy {
  /** The Service's cluster IP. */
  readonly ip: string;
  readonly #servers: readonly Server[];
  readonly #sockets: Set<Socket>;

  private constructor(ip: string, servers: readonly Server[], sockets: Set<Socket>) {
    this.ip = ip;
    this.#servers = servers;
    this.#sockets = sockets;
  }

  static async start(
    workbench: Workbench,
    what: { readonly context?: string; readonly namespace?: string; readonly service: string },
    to: { readonly ip: string },
  ): Promise<ServiceProxy> {
    const { context = workbench.facts.management.name, namespace = 'kubectl-mcm', service } = what;
    const found = await workbench.mustKubectl([
      '--context',
      context,
      '-n',
      namespace,
      'get',
      'service',
      service,
      '-o',
      'json',
    ]);
    const { clusterIP, ports } = (JSON.parse(found) as Service).spec;
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: service, namespace, labels: { 'kubernetes.io/service-name': service } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [NOWHERE], conditions: { ready: true } }],
      ports: ports.map(({ name = '', targetPort }) => ({ name, port: targetPort, protocol: 'TCP' })),
    };
    await workbench.mustKubectl(['--context', context, 'apply', '-f', '-'], { input: JSON.stringify(slice) });
    const sockets = new Set<Socket>();
    const servers = await Promise.all(
      ports.map(async ({ port, targetPort }) => {
        const server = createServer((socket) => relay(socket, connect(Number(targetPort), to.ip), sockets));
        server.listen(port, clusterIP);
        await once(server, 'listening');
        return server;
      }),
    );
    return new ServiceProxy(clusterIP, servers, sockets);
  }

  stop(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

function relay(one: Socket, other: Socket, sockets: Set<Socket>): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    sockets.add(from);
    from.on('error', () => undefined);
    from.once('close', () => {
      sockets.delete(from);
      to.destroy();
    });
    from.pipe(to);
  }
}
