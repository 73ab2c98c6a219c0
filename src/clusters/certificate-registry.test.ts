import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { fingerprintOf } from './certificate.ts';
import { CertificateRegistry } from './certificate-registry.ts';
import { createKeyPair, daysFromNow } from './key-pair.ts';
import { type ManagedCluster, managedCluster } from './managed-cluster.ts';

const certificates = new Map<string, string>();

function cluster(name: string, ...keys: readonly string[]): ManagedCluster {
  const pem = keys.map((key) => certificates.get(key) ?? key).join('');
  return managedCluster(name, { certificate: Buffer.from(pem).toString('base64') });
}

function fingerprint(key: string): string {
  return fingerprintOf(new X509Certificate(certificates.get(key) ?? ''));
}

before(async () => {
  for (const [key, commonName, organizationalUnit] of [
    ['a-tunnel', 'a', 'tunnel'],
    ['a-forwarder', 'a', 'forwarder'],
    ['a-calico', 'a', undefined],
    ['b-forwarder', 'b', 'forwarder'],
    ['nobody', '', 'forwarder'],
    ['crafted', 'a\nOU=forwarder', 'tunnel'],
  ] as const) {
    const unit = organizationalUnit === undefined ? {} : { organizationalUnit };
    const pair = await createKeyPair({ commonName, ...unit, usages: ['client'], notAfter: daysFromNow(1) });
    certificates.set(key, pair.certificate);
  }
});

function admission(registry: CertificateRegistry, key: string, now = Date.now()): string {
  const result = registry.admit(fingerprint(key), now);
  return result.admitted ? `${result.cluster} ${result.use}` : result.reason;
}

describe('CertificateRegistry', () => {
  it('knows clusters and uses by certificate', () => {
    const registry = new CertificateRegistry();
    registry.replaceAll([cluster('a', 'a-tunnel', 'a-forwarder', 'a-calico'), cluster('b', 'b-forwarder')]);
    assert.equal(admission(registry, 'a-tunnel'), 'a tunnel');
    assert.equal(admission(registry, 'a-forwarder'), 'a forwarder');
    assert.equal(admission(registry, 'a-calico'), 'a tunnel', "Calico's own certificates carry no OU");
    assert.equal(admission(registry, 'b-forwarder'), 'b forwarder');
    assert.deepEqual([registry.has('a'), registry.has('c')], [true, false]);
  });

  it('says whose certificates changed, and nothing where only the status did', () => {
    const registry = new CertificateRegistry();
    const changes: (string | undefined)[] = [];
    registry.onChange((changed) => changes.push(changed));
    registry.replaceAll([cluster('a', 'a-tunnel')]);
    registry.set({ ...cluster('a', 'a-tunnel'), status: { phase: 'Connected' } });
    registry.set(cluster('a', 'a-forwarder'));
    registry.set(cluster('b', 'b-forwarder'));
    registry.delete('b');
    assert.deepEqual(changes, [undefined, 'a', 'b', 'b']);
  });

  it('forgets what is deleted or replaced', () => {
    const registry = new CertificateRegistry();
    registry.replaceAll([cluster('a', 'a-tunnel', 'a-forwarder'), cluster('b', 'b-forwarder')]);
    registry.set(cluster('a', 'a-tunnel'));
    assert.equal(admission(registry, 'a-forwarder'), 'certificate not registered');
    registry.delete('a');
    assert.equal(admission(registry, 'a-tunnel'), 'certificate not registered');
    registry.replaceAll([]);
    assert.equal(admission(registry, 'b-forwarder'), 'certificate not registered');
  });

  it('counts a certificate only for the cluster it names, in whatever order they come', () => {
    for (const order of [
      ['b', 'a'],
      ['a', 'b'],
    ]) {
      const registry = new CertificateRegistry();
      for (const name of order)
        registry.set(name === 'a' ? cluster('a', 'a-forwarder') : cluster('b', 'b-forwarder', 'a-forwarder'));
      assert.equal(admission(registry, 'a-forwarder'), 'a forwarder');
      assert.match(admission(registry, 'b-forwarder'), /ManagedCluster "b" has a CertificateConflict/);
      assert.equal(registry.problemOf('b')?.type, 'CertificateConflict');
      assert.equal(registry.problemOf('a'), undefined);
      registry.delete('a');
      assert.equal(admission(registry, 'a-forwarder'), 'certificate not registered', 'not even when the owner is gone');
      registry.set(cluster('b', 'b-forwarder'));
      assert.equal(admission(registry, 'b-forwarder'), 'b forwarder');
    }
  });

  it('is not fooled by a crafted subject', () => {
    const registry = new CertificateRegistry();
    registry.replaceAll([cluster('a', 'crafted')]);
    assert.equal(admission(registry, 'crafted'), 'certificate not registered');
    assert.equal(registry.problemOf('a')?.type, 'CertificateConflict');
    registry.replaceAll([cluster('a', 'nobody')]);
    assert.match(registry.problemOf('a')?.message ?? '', /names no cluster/);
  });

  it('minds the dates', () => {
    const registry = new CertificateRegistry();
    registry.replaceAll([cluster('a', 'a-forwarder')]);
    const { validFrom, validTo } = new X509Certificate(certificates.get('a-forwarder') ?? '');
    assert.match(
      admission(registry, 'a-forwarder', Date.parse(validFrom) - 1),
      /^certificate not valid before \d{4}-.*Z$/,
    );
    assert.equal(admission(registry, 'a-forwarder', Date.parse(validFrom)), 'a forwarder');
    assert.equal(admission(registry, 'a-forwarder', Date.parse(validTo) - 1), 'a forwarder');
    assert.match(admission(registry, 'a-forwarder', Date.parse(validTo)), /^certificate expired on \d{4}-.*Z$/);
  });

  it('refuses what has been replaced from the time on that is said, and not the others', () => {
    const registry = new CertificateRegistry();
    const changes: (string | undefined)[] = [];
    registry.onChange((changed) => changes.push(changed));
    const a = cluster('a', 'a-tunnel', 'a-calico');
    registry.replaceAll([a]);
    const end = Date.parse(new X509Certificate(certificates.get('a-calico') ?? '').validTo);
    assert.equal(registry.expiryOf('a', 'tunnel'), end);
    const retire = (notAfter: string, ...keys: readonly string[]) => {
      const retiring = keys.map((key) => ({ fingerprint: fingerprint(key), notAfter }));
      registry.set({ ...a, spec: { ...a.spec, retiring } });
    };
    const later = Math.floor(Date.now() / 1000) * 1000 + 3_600_000;
    const thatTime = new Date(later).toISOString().replace('.000', '');
    retire(thatTime, 'a-tunnel');
    assert.deepEqual(changes, [undefined, 'a']);
    const tunnel = registry.admit(fingerprint('a-tunnel'), later - 1);
    assert.equal(tunnel.admitted && tunnel.notAfter, later);
    assert.equal(admission(registry, 'a-tunnel', later), `certificate was replaced, and is refused since ${thatTime}`);
    assert.equal(admission(registry, 'a-calico', later), 'a tunnel');
    assert.equal(registry.expiryOf('a', 'tunnel'), end);
    retire(thatTime, 'a-tunnel', 'a-calico');
    assert.equal(registry.expiryOf('a', 'tunnel'), later);
    retire('9999-01-01T00:00:00Z', 'a-tunnel');
    assert.match(admission(registry, 'a-tunnel', end), /^certificate expired on /);
    retire('soon', 'a-tunnel');
    assert.match(admission(registry, 'a-tunnel', later), /^certificate was replaced, /);
  });

  it('names what cannot be read, and takes none for none', () => {
    const registry = new CertificateRegistry();
    registry.replaceAll([
      cluster('a', 'rubbish'),
      managedCluster('b', {}),
      cluster('c', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'),
    ]);
    assert.equal(registry.problemOf('a')?.type, 'CertificateUnreadable');
    assert.equal(registry.problemOf('c')?.type, 'CertificateUnreadable');
    assert.equal(registry.problemOf('b'), undefined);
    assert.equal(registry.has('b'), true);
  });

  it('takes no name that the CRD would refuse', () => {
    const registry = new CertificateRegistry();
    registry.replaceAll([cluster('cluster', 'a-forwarder'), cluster('a.b', 'a-forwarder')]);
    assert.deepEqual([registry.has('cluster'), registry.has('a.b')], [false, false]);
  });
});
