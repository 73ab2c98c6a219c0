import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { messageOf } from '../../errors.ts';
import { CA_DNS_NAME } from '../../install/management.ts';
import { untilAborted } from '../../until-aborted.ts';
import { parseHostPort } from '../host-port.ts';
import { expiryFinding } from './expiry-finding.ts';
import { type Finding, ok, wrong } from './finding.ts';

/** Milliseconds for each step. */
const PATIENCE = 5_000;

export interface DialOptions {
  /** `HOST:PORT` that managed clusters dial. */
  readonly address: string;
  /** PEM: who may answer. */
  readonly ca: string;
  readonly now: number;
  readonly signal: AbortSignal;
}

/**
 * What a managed cluster does to reach the manager, done from here: the name, the port, and whose certificate answers.
 * Each step is made only where the one before went well.
 */
export async function dialChecks({ address, ca, now, signal }: DialOptions): Promise<readonly Finding[]> {
  const { host, port } = parseHostPort('address', address);
  const findings: Finding[] = [];
  const limited = () => AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  try {
    if (isIP(host) === 0) await untilAborted(lookup(host), limited());
    findings.push(ok('dns', isIP(host) === 0 ? `${host} has an address` : `${host} is an address`));
  } catch (error) {
    signal.throwIfAborted();
    return [wrong('dns', `the name ${host} has no address`, messageOf(error), ANOTHER_ADDRESS)];
  }
  let socket: Socket;
  try {
    socket = await settled(connectTcp({ host, port }), 'connect', limited());
    findings.push(ok('tcp', `${address} takes connections from here`));
  } catch (error) {
    signal.throwIfAborted();
    const what = `nothing takes connections at ${address}, seen from here`;
    return [
      ...findings,
      wrong(
        'tcp',
        what,
        messageOf(error),
        `start the manager (kubectl mcm manager), open the way to it, or: ${ANOTHER_ADDRESS}`,
      ),
    ];
  }
  try {
    const tls = await settled(connectTls({ socket, servername: CA_DNS_NAME, ca }), 'secureConnect', limited());
    const expires = Date.parse(tls.getPeerCertificate().valid_to);
    tls.destroy();
    const todo = 'kubectl mcm upgrade, and start the manager again';
    return [...findings, expiryFinding('tls', `the certificate that ${address} answers with`, expires, todo, now)];
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    const todo = `is this the manager? kubectl mcm upgrade makes it a certificate, with which it has to be started again; or: ${ANOTHER_ADDRESS}`;
    return [
      ...findings,
      wrong('tls', `what answers at ${address} is not the manager of this cluster`, messageOf(error), todo),
    ];
  }
}

const ANOTHER_ADDRESS = 'kubectl mcm upgrade --address HOST:PORT';

async function settled<T extends Socket | TLSSocket>(socket: T, event: string, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  socket.once(event, () => resolve(socket));
  socket.on('error', reject);
  socket.once('close', () => reject(new Error('the connection was closed')));
  try {
    return await untilAborted(promise, signal);
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? new Error(`no answer within ${PATIENCE / 1000} s`) : error;
  }
}
