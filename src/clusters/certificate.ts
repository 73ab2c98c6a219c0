import { X509Certificate } from 'node:crypto';

/** What a managed cluster's certificate may be used for: Guardian's tunnel, or our forwarder's uploads. */
export type CertificateUse = 'tunnel' | 'forwarder';

/** What we read from a certificate that somebody presents or registers. */
export interface CertificateFacts {
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
  /** The cluster it speaks for. */
  readonly commonName: string;
  readonly use: CertificateUse | undefined;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
}

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates of a PEM text, in order. @throws Error when there is none, or one does not parse. */
export function readCertificates(pem: string): CertificateFacts[] {
  const blocks = splitPem(pem);
  if (blocks.length === 0) throw new Error('no PEM certificate in it');
  return blocks.map((block) => factsOf(new X509Certificate(block)));
}

/** Each certificate of a PEM text by itself, without a line's end. */
export function splitPem(pem: string): readonly string[] {
  return pem.match(PEM_BLOCK) ?? [];
}

/** SHA-256 of the certificate's DER, lower-case hex. */
export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}

/**
 * What a certificate says of itself; proof only where its fingerprint is known.
 * @throws Error when its key cannot be read.
 */
export function subjectOf(certificate: X509Certificate): Pick<CertificateFacts, 'commonName' | 'use'> {
  // Throws where the key cannot be read: toLegacyObject would end Node.js 24 with a segmentation fault then.
  if (certificate.publicKey.type !== 'public') throw new Error('it has no public key');
  // In Node.js 24 nobody could use TLS any more if toLegacyObject were what loads its parts first, and node:http next.
  process.getBuiltinModule('node:tls');
  // The subject as an object: in the one-line forms a crafted CN could pretend to be another attribute.
  const subject: Readonly<Record<string, unknown>> = { ...certificate.toLegacyObject().subject };
  const { CN, OU } = subject;
  return { commonName: typeof CN === 'string' ? CN : '', use: useOf(OU) };
}

function factsOf(certificate: X509Certificate): CertificateFacts {
  return {
    fingerprint: fingerprintOf(certificate),
    ...subjectOf(certificate),
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
  };
}

/** Calico's own certificates carry no OU and are tunnels'. */
function useOf(organizationalUnit: unknown): CertificateUse | undefined {
  if (organizationalUnit === undefined || organizationalUnit === 'tunnel') return 'tunnel';
  return organizationalUnit === 'forwarder' ? 'forwarder' : undefined;
}
