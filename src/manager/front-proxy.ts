import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { messageOf } from '../errors.ts';
import type { ConfigMap } from '../kube/objects.ts';
import type { Requester } from '../rbac/log-access.ts';

/** The ConfigMap in which kube-apiserver publishes how it introduces its users to aggregated API servers. */
export const FRONT_PROXY_CONFIG = { namespace: 'kube-system', name: 'extension-apiserver-authentication' } as const;

/** How kube-apiserver proves itself, and in which headers it says who its user is. */
export interface FrontProxy {
  /** PEM. Only a client certificate of this CA makes the headers count. */
  readonly ca: string;
  /** Common names the certificate may have; none means any. */
  readonly allowedNames: readonly string[];
  readonly usernameHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  readonly extraPrefixes: readonly string[];
}

/** @throws Error when the API server runs without an aggregation layer, or what it says is not of its form. */
export function readFrontProxy({ data = {} }: ConfigMap): FrontProxy {
  const ca = data['requestheader-client-ca-file'];
  if (ca === undefined || ca === '') {
    throw new Error(
      `ConfigMap ${FRONT_PROXY_CONFIG.namespace}/${FRONT_PROXY_CONFIG.name} has no requestheader-client-ca-file: ` +
        'the API server runs without its aggregation layer (--requestheader-client-ca-file)',
    );
  }
  checkCertificates(ca);
  return {
    ca,
    allowedNames: stringsOf(data['requestheader-allowed-names']),
    usernameHeaders: headersOf(data['requestheader-username-headers']),
    uidHeaders: headersOf(data['requestheader-uid-headers']),
    groupHeaders: headersOf(data['requestheader-group-headers']),
    extraPrefixes: headersOf(data['requestheader-extra-headers-prefix']),
  };
}

/** TLS would take a CA that is none for no CA, and then trust nobody. */
function checkCertificates(pem: string): void {
  try {
    if (certificatesIn(pem).length === 0) throw new Error('there is none in it');
  } catch (error) {
    throw new Error(`requestheader-client-ca-file holds no certificates in PEM: ${messageOf(error)}`);
  }
}

function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/**
 * Whether one of these CAs (PEM) has signed the certificate itself, and both are valid now. For connections that another
 * CA verified; one with intermediate certificates has to be opened anew.
 */
export function isIssuedBy(certificate: X509Certificate, ca: string): boolean {
  const isValid = ({ validFromDate, validToDate }: X509Certificate) =>
    validFromDate.getTime() <= Date.now() && Date.now() < validToDate.getTime();
  return certificatesIn(ca).some(
    (issuer) =>
      isValid(issuer) &&
      isValid(certificate) &&
      certificate.checkIssued(issuer) &&
      certificate.verify(issuer.publicKey),
  );
}

/**
 * The user kube-apiserver vouches for; undefined for everybody else, whatever their headers say. The server must be a
 * TLS server that asks for certificates of `proxy.ca`.
 */
export function authenticate(request: IncomingMessage, proxy: FrontProxy): Requester | undefined {
  const { socket } = request;
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const commonName = commonNameOf(socket);
  if (typeof commonName !== 'string') return undefined;
  if (proxy.allowedNames.length > 0 && !proxy.allowedNames.includes(commonName)) return undefined;
  const values = (names: readonly string[]) => names.flatMap((name) => inUtf8(request.headersDistinct[name] ?? []));
  const [user] = values(proxy.usernameHeaders);
  if (user === undefined || user === '') return undefined;
  return { user, uid: values(proxy.uidHeaders)[0], groups: values(proxy.groupHeaders), extra: extraOf(request, proxy) };
}

/** Of connections: reading one out of a certificate takes longer than all else that a request is asked about here. */
const commonNames = new WeakMap<TLSSocket, unknown>();

function commonNameOf(socket: TLSSocket): unknown {
  if (!commonNames.has(socket)) {
    commonNames.set(socket, socket.getPeerX509Certificate()?.toLegacyObject().subject?.CN);
  }
  return commonNames.get(socket);
}

function extraOf(request: IncomingMessage, proxy: FrontProxy): Requester['extra'] {
  const extra: Record<string, readonly string[]> = {};
  for (const [header, values = []] of Object.entries(request.headersDistinct)) {
    const prefix = proxy.extraPrefixes.find((candidate) => header.startsWith(candidate));
    if (prefix !== undefined) extra[decoded(header.slice(prefix.length))] = inUtf8(values);
  }
  return extra;
}

/** kube-apiserver writes names as they are, in UTF-8; Node takes every byte of a header for a character. */
function inUtf8(values: readonly string[]): string[] {
  return values.map((value) => Buffer.from(value, 'latin1').toString('utf8'));
}

/** Keys of extra are percent-encoded, since they may hold what a header's name may not. */
function decoded(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

function stringsOf(json: string | undefined): string[] {
  return json === undefined ? [] : (JSON.parse(json) as string[]);
}

/** Node gives header names in lower case. */
function headersOf(json: string | undefined): string[] {
  return stringsOf(json).map((name) => name.toLowerCase());
}
