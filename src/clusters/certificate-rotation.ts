import { readCertificates, splitPem } from './certificate.ts';
import type { ManagedCluster, RetiringCertificate } from './managed-cluster.ts';

/** What of a ManagedCluster's spec is about its certificates. */
interface Certificates {
  readonly certificate: string;
  readonly retiring: readonly RetiringCertificate[];
}

/**
 * The spec of a cluster that gets new certificates (PEM): those of today count beside them until `until` (milliseconds
 * since 1970), or until they were to go anyway. What is over, cannot be read or names another cluster does not stay.
 */
export function withNewCertificates(
  { metadata: { name }, spec }: ManagedCluster,
  pem: string,
  { now, until }: { readonly now: number; readonly until: number },
): Certificates {
  const stay = certificatesOf(spec).flatMap((certificate) => {
    const { fingerprint, commonName } = certificate;
    const known = spec.retiring?.find((one) => one.fingerprint === fingerprint);
    const end = Math.min(certificate.notAfter, until, known === undefined ? until : Date.parse(known.notAfter));
    return commonName === name && end > now ? [{ ...certificate, end }] : [];
  });
  const retiring = stay.map(
    ({ fingerprint, end }): RetiringCertificate => ({ fingerprint, notAfter: new Date(end).toISOString() }),
  );
  const text = [pem, ...stay.map((certificate) => `${certificate.pem}\n`)].join('');
  return { certificate: Buffer.from(text).toString('base64'), retiring };
}

function certificatesOf({ certificate = '' }: ManagedCluster['spec']) {
  try {
    return splitPem(Buffer.from(certificate, 'base64').toString('utf8')).flatMap((pem) =>
      readCertificates(pem).map((facts) => ({ ...facts, pem })),
    );
  } catch {
    return [];
  }
}
