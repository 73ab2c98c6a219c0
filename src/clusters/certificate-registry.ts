import { messageOf } from '../errors.ts';
import { type CertificateFacts, type CertificateUse, readCertificates } from './certificate.ts';
import { isClusterName, type ManagedCluster } from './managed-cluster.ts';

/** Whether a certificate may speak, for whom, and if not why: the sentence its owner is told. */
export type Admission =
  | { readonly admitted: true; readonly cluster: string; readonly use: CertificateUse; readonly notAfter: number }
  | { readonly admitted: false; readonly reason: string };

/** Something wrong with the certificates of one ManagedCluster; all of them are refused until it is mended. */
export interface CertificateProblem {
  readonly type: 'CertificateConflict' | 'CertificateUnreadable';
  readonly message: string;
}

interface Registration {
  readonly certificates: readonly CertificateFacts[];
  readonly problem: CertificateProblem | undefined;
}

interface Claim {
  readonly cluster: string;
  readonly facts: CertificateFacts;
  readonly problem: CertificateProblem | undefined;
}

/**
 * Which certificate speaks for which cluster, from the ManagedClusters alone.
 *
 * A certificate counts only for the ManagedCluster that its own subject names. Certificates are public, so anyone who
 * may write some ManagedCluster could copy another's into it: that must neither move the other's records nor open a
 * second way in, however old either object is.
 */
export class CertificateRegistry {
  readonly #registrations = new Map<string, Registration>();
  readonly #claims = new Map<string, Claim>();
  readonly #listeners = new Set<() => void>();

  /** Everything there is: what is not in `clusters` is gone. */
  replaceAll(clusters: readonly ManagedCluster[]): void {
    for (const name of [...this.#registrations.keys()]) this.#remove(name);
    for (const cluster of clusters) this.#add(cluster);
    this.#changed();
  }

  set(cluster: ManagedCluster): void {
    this.#remove(cluster.metadata.name);
    this.#add(cluster);
    this.#changed();
  }

  delete(name: string): void {
    this.#remove(name);
    this.#changed();
  }

  has(cluster: string): boolean {
    return this.#registrations.has(cluster);
  }

  problemOf(cluster: string): CertificateProblem | undefined {
    return this.#registrations.get(cluster)?.problem;
  }

  /** Milliseconds since 1970 at which the last of its tunnel's certificates runs out; undefined where it has none. */
  tunnelExpiry(cluster: string): number | undefined {
    const certificates = this.#registrations.get(cluster)?.certificates ?? [];
    const ends = certificates.filter(({ use }) => use === 'tunnel').map(({ notAfter }) => notAfter);
    return ends.length === 0 ? undefined : Math.max(...ends);
  }

  /** Decides on a certificate by its fingerprint (see CertificateFacts) at the time `now`, in milliseconds. */
  admit(fingerprint: string, now: number): Admission {
    const claim = this.#claims.get(fingerprint);
    if (claim === undefined) return { admitted: false, reason: 'certificate not registered' };
    const { cluster, facts, problem } = claim;
    if (problem !== undefined) {
      return { admitted: false, reason: `ManagedCluster "${cluster}" has a ${problem.type}: ${problem.message}` };
    }
    if (now < facts.notBefore) {
      return { admitted: false, reason: `certificate not valid before ${isoSeconds(facts.notBefore)}` };
    }
    if (now >= facts.notAfter)
      return { admitted: false, reason: `certificate expired on ${isoSeconds(facts.notAfter)}` };
    if (facts.use === undefined) {
      return { admitted: false, reason: 'certificate names no use (OU tunnel or forwarder) in its subject' };
    }
    return { admitted: true, cluster, use: facts.use, notAfter: facts.notAfter };
  }

  /** Calls back after every change. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  #add(object: ManagedCluster): void {
    const cluster = object.metadata.name;
    // The CRD enforces this; index names and paths are built from it, so it is not taken on trust.
    if (!isClusterName(cluster)) return;
    const registration = readRegistration(object);
    this.#registrations.set(cluster, registration);
    for (const facts of registration.certificates) {
      if (facts.commonName === cluster) {
        this.#claims.set(facts.fingerprint, { cluster, facts, problem: registration.problem });
      }
    }
  }

  #remove(cluster: string): void {
    for (const { fingerprint } of this.#registrations.get(cluster)?.certificates ?? []) {
      if (this.#claims.get(fingerprint)?.cluster === cluster) this.#claims.delete(fingerprint);
    }
    this.#registrations.delete(cluster);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

function readRegistration({ metadata, spec }: ManagedCluster): Registration {
  if (spec.certificate === undefined || spec.certificate === '') return { certificates: [], problem: undefined };
  try {
    const certificates = readCertificates(Buffer.from(spec.certificate, 'base64').toString('utf8'));
    return { certificates, problem: conflictOf(metadata.name, certificates) };
  } catch (error) {
    const message = `spec.certificate cannot be read: ${messageOf(error)}`;
    return { certificates: [], problem: { type: 'CertificateUnreadable', message } };
  }
}

function conflictOf(cluster: string, certificates: readonly CertificateFacts[]): CertificateProblem | undefined {
  const foreign = certificates.find((facts) => facts.commonName !== cluster);
  if (foreign === undefined) return undefined;
  const names = foreign.commonName === '' ? 'no cluster' : `the cluster "${foreign.commonName}"`;
  const message = `a certificate in spec.certificate names ${names} (CN), not "${cluster}"; remove it`;
  return { type: 'CertificateConflict', message };
}

function isoSeconds(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('.000Z', 'Z');
}
