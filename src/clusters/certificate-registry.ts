import { messageOf } from '../errors.ts';
import { type CertificateFacts, type CertificateUse, readCertificates } from './certificate.ts';
import { isClusterName, type ManagedCluster, type RetiringCertificate } from './managed-cluster.ts';

/** Whether a certificate may speak, for whom, and if not why: the sentence its owner is told. */
export type Admission =
  | { readonly admitted: true; readonly cluster: string; readonly use: CertificateUse; readonly notAfter: number }
  | { readonly admitted: false; readonly reason: string };

/** Something wrong with the certificates of one ManagedCluster; all of them are refused until it is mended. */
export interface CertificateProblem {
  readonly type: 'CertificateConflict' | 'CertificateUnreadable';
  readonly message: string;
}

interface RegisteredCertificate extends CertificateFacts {
  /** Milliseconds since 1970 from which on it is refused, since it has been replaced; Infinity where it has not. */
  readonly retires: number;
}

interface Registration {
  /** Of the object's spec. */
  readonly text: string;
  readonly certificates: readonly RegisteredCertificate[];
  readonly problem: CertificateProblem | undefined;
}

interface Claim {
  readonly cluster: string;
  readonly facts: RegisteredCertificate;
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
  readonly #listeners = new Set<(cluster?: string) => void>();

  /** Everything there is: what is not in `clusters` is gone. */
  replaceAll(clusters: readonly ManagedCluster[]): void {
    for (const name of [...this.#registrations.keys()]) this.#remove(name);
    for (const cluster of clusters) this.#add(cluster);
    this.#changed();
  }

  set(cluster: ManagedCluster): void {
    const { name } = cluster.metadata;
    // Most changes are of the status, and come by the thousand when thousands connect.
    if (this.#registrations.get(name)?.text === textOf(cluster)) return;
    this.#remove(name);
    this.#add(cluster);
    this.#changed(name);
  }

  delete(name: string): void {
    this.#remove(name);
    this.#changed(name);
  }

  /** How many clusters are registered. */
  get size(): number {
    return this.#registrations.size;
  }

  has(cluster: string): boolean {
    return this.#registrations.has(cluster);
  }

  problemOf(cluster: string): CertificateProblem | undefined {
    return this.#registrations.get(cluster)?.problem;
  }

  /** Milliseconds since 1970 at which the last of its certificates for this use runs out; undefined where it has none. */
  expiryOf(cluster: string, use: CertificateUse): number | undefined {
    const certificates = this.#registrations.get(cluster)?.certificates ?? [];
    const ends = certificates.filter((one) => one.use === use).map(endOf);
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
    if (now >= endOf(facts)) {
      const how = facts.retires < facts.notAfter ? 'was replaced, and is refused since' : 'expired on';
      return { admitted: false, reason: `certificate ${how} ${isoSeconds(endOf(facts))}` };
    }
    if (facts.use === undefined) {
      return { admitted: false, reason: 'certificate names no use (OU tunnel or forwarder) in its subject' };
    }
    return { admitted: true, cluster, use: facts.use, notAfter: endOf(facts) };
  }

  /** Calls back after every change, with the cluster whose certificates changed, or without one after `replaceAll`. */
  onChange(listener: (cluster?: string) => void): void {
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

  #changed(cluster?: string): void {
    for (const listener of this.#listeners) listener(cluster);
  }
}

/** All that decides about its certificates. */
function textOf({ spec: { certificate = '', retiring } }: ManagedCluster): string {
  return retiring === undefined ? certificate : `${certificate} ${JSON.stringify(retiring)}`;
}

function readRegistration(object: ManagedCluster): Registration {
  const text = textOf(object);
  const { certificate = '', retiring = [] } = object.spec;
  if (certificate === '') return { text, certificates: [], problem: undefined };
  try {
    const pem = Buffer.from(certificate, 'base64').toString('utf8');
    const certificates = readCertificates(pem).map((facts) => ({ ...facts, retires: retirementOf(facts, retiring) }));
    return { text, certificates, problem: conflictOf(object.metadata.name, certificates) };
  } catch (error) {
    const message = `spec.certificate cannot be read: ${messageOf(error)}`;
    return { text, certificates: [], problem: { type: 'CertificateUnreadable', message } };
  }
}

/** The earliest; one that cannot be read, which the CRD lets nobody write, is over. */
function retirementOf({ fingerprint }: CertificateFacts, retiring: readonly RetiringCertificate[]): number {
  const ends = retiring
    .filter((one) => one.fingerprint === fingerprint)
    .map(({ notAfter }) => Date.parse(notAfter) || 0);
  return Math.min(Number.POSITIVE_INFINITY, ...ends);
}

function endOf({ notAfter, retires }: RegisteredCertificate): number {
  return Math.min(notAfter, retires);
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
