import { createServer, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { InnerServer } from '../inner-server.ts';
import { YamuxSession } from '../yamux/session.ts';
import { type ApiTarget, apiProxy } from './api-proxy.ts';
import { Backoff } from './backoff.ts';
import { type DialOptions, dial } from './dial.ts';

/** Guardian's: milliseconds from an answered ping to the next, and until an unanswered one ends the session. */
const PING_INTERVAL = 100;
const PING_TIMEOUT = 10_000;

/** Milliseconds between two looks whether the manager is somewhere else. */
const ADDRESS_INTERVAL = 3_000;

export interface AgentOptions {
  /**
   * Where to, and with which keys: asked anew for each connection, since keys are replaced, and while one is open, since
   * another address means to dial anew. May throw what is wrong with them.
   */
  readonly manager: () => DialOptions;
  /** Whether the management side may know the address that was dialled: it can change it, and wants to see that it has. */
  readonly tellsAddress: boolean;
  /** The kube-apiserver that the management side may ask. */
  readonly api: ApiTarget;
  /** Where workloads of the cluster (Goldmane) connect, to be passed on; undefined for nowhere. */
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  readonly events: AgentEvents;
}

export interface AgentEvents {
  listening(address: string): void;
  connected(): void;
  /** Not connected any more, or not at all; dials again in `retry` milliseconds. */
  disconnected(reason: string, retry: number): void;
}

/**
 * The managed cluster's end of a tunnel, which is what Guardian is: dials the management side, passes what it asks for
 * to the kube-apiserver, and what workloads send to it. Runs until `signal` aborts, whatever becomes of connections.
 *
 * @throws Error when it cannot listen.
 */
export async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  let session: YamuxSession | undefined;
  const listener = await listen(options, () => session);
  const backoff = new Backoff();
  try {
    while (!signal.aborted) {
      let reason: string;
      let lasted = 0;
      try {
        const manager = options.manager();
        session = new YamuxSession(await dial(manager, signal), { role: 'client' });
        const begun = performance.now();
        options.events.connected();
        const proxy = apiProxy(options.api, options.tellsAddress ? manager.address : undefined);
        const stopLooking = redialElsewhere(session, manager.address, options);
        reason = await serve(session, innerServer(manager, proxy), signal).finally(stopLooking);
        lasted = performance.now() - begun;
      } catch (error) {
        reason = (error as Error).message;
      }
      session = undefined;
      if (signal.aborted) break;
      const pause = backoff.after(lasted);
      options.events.disconnected(reason, pause);
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    listener?.close();
  }
}

function innerServer({ certificate, key }: DialOptions, listener: ReturnType<typeof apiProxy>): InnerServer {
  const context = createSecureContext({ cert: certificate, key, minVersion: 'TLSv1.2' });
  // Guardian offers HTTP/2 alone and lets those in who know nothing but HTTP/1.1, without naming that in its answer, as
  // Go does; Node either names it or refuses them.
  return new InnerServer({ context, protocols: ['h2', 'http/1.1'], listener });
}

/** Resolves with the reason once the session is over. */
async function serve(session: YamuxSession, inner: InnerServer, signal: AbortSignal): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  session.once('close', (reason) => resolve(reason.message));
  session.on('stream', (stream) => inner.accept(stream));
  // No new streams: the management side wants us to dial anew.
  session.once('goAway', () => session.close(new Error('the management side asked to dial anew')));
  const stop = () => session.close(new Error('the agent stops'));
  signal.addEventListener('abort', stop, { once: true });
  try {
    void keepAlive(session);
    return await promise;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Ends a session once the manager is to be dialled by another address. @returns what ends the looking */
function redialElsewhere(session: YamuxSession, dialled: string, { manager }: AgentOptions): () => void {
  const look = setInterval(() => {
    const address = addressOf(manager);
    if (address !== undefined && address !== dialled)
      session.close(new Error(`the manager is at ${address} from now on`));
  }, ADDRESS_INTERVAL).unref();
  return () => clearInterval(look);
}

/** undefined where it cannot be read: in the middle of being written, or wrong. What was dialled stays so long. */
function addressOf(manager: AgentOptions['manager']): string | undefined {
  try {
    return manager().address;
  } catch {
    return undefined;
  }
}

async function keepAlive(session: YamuxSession): Promise<void> {
  while (!session.closed) {
    await sleep(PING_INTERVAL, undefined, { ref: false });
    const late = setTimeout(() => {
      session.close(new Error(`a ping was not answered within ${PING_TIMEOUT / 1000} s`));
    }, PING_TIMEOUT);
    await session.ping().catch(() => undefined);
    clearTimeout(late);
  }
}

/** Each connection becomes a stream of the tunnel, its bytes as they are. */
async function listen(
  { listen: at, events }: AgentOptions,
  session: () => YamuxSession | undefined,
): Promise<Server | undefined> {
  if (at === undefined) return undefined;
  // Half-open: who has said all that they want to say may still be waiting for the answer.
  const server = createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true }, (socket) => {
    passOn(socket, session()).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, resolve);
  });
  const address = server.address();
  events.listening(typeof address === 'object' && address !== null ? `${address.address}:${address.port}` : '');
  return server;
}

async function passOn(socket: Socket, session: YamuxSession | undefined): Promise<void> {
  if (session === undefined) throw new Error('not connected');
  const stream = session.open();
  await Promise.all([pipeline(socket, stream), pipeline(stream, socket)]);
}
