import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { readCertificates } from './certificate.ts';
import { withNewCertificates } from './certificate-rotation.ts';
import { createKeyPair, daysFromNow } from './key-pair.ts';
import { managedCluster } from './managed-cluster.ts';

const HOUR = 3_600_000;
const NOW = Math.floor(Date.now() / 1000) * 1000;
const pems = new Map<string, string>();
const pemOf = (key: string): string => pems.get(key) ?? '';
const fingerprintOf = (key: string): string => readCertificates(pemOf(key))[0]?.fingerprint ?? '';
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const iso = (milliseconds: number): string => new Date(milliseconds).toISOString();

/** Which certificates are in a spec, by the names that this test has for them, and until when. */
function read({ certificate = '', retiring = [] }: ReturnType<typeof withNewCertificates>): readonly string[] {
  const text = Buffer.from(certificate, 'base64').toString();
  return readCertificates(text).map(({ fingerprint }) => {
    const key = [...pems.keys()].find((name) => fingerprintOf(name) === fingerprint) ?? 'unknown';
    const end = retiring.find((one) => one.fingerprint === fingerprint)?.notAfter;
    return end === undefined ? key : `${key} until ${(Date.parse(end) - NOW) / HOUR}h`;
  });
}

before(async () => {
  for (const [key, commonName, hours] of [
    ['first', 'a', 48],
    ['second', 'a', 48],
    ['third', 'a', 48],
    ['short', 'a', 2],
    ['over', 'a', -1],
    ['foreign', 'b', 48],
  ] as const) {
    const notAfter = new Date(NOW + hours * HOUR);
    const notBefore = daysFromNow(-2);
    pems.set(key, (await createKeyPair({ commonName, usages: ['client'], notBefore, notAfter })).certificate);
  }
});

describe('withNewCertificates', () => {
  it('leaves those of today for a while, the new ones first', () => {
    const cluster = managedCluster('a', { certificate: base64(pemOf('first') + pemOf('second')) });
    const spec = withNewCertificates(cluster, pemOf('third'), { now: NOW, until: NOW + 24 * HOUR });
    assert.deepEqual(read(spec), ['third', 'first until 24h', 'second until 24h']);
    const text = Buffer.from(spec.certificate ?? '', 'base64').toString();
    assert.equal(text, pemOf('third') + pemOf('first') + pemOf('second'));
    assert.equal(new X509Certificate(text).subject, 'CN=a');
  });

  it('prolongs nothing, and drops what is over', () => {
    const now = { now: NOW, until: NOW + 24 * HOUR };
    const retiring = [
      { fingerprint: fingerprintOf('first'), notAfter: iso(NOW + HOUR) },
      { fingerprint: fingerprintOf('second'), notAfter: iso(NOW) },
    ];
    const certificate = base64(['first', 'second', 'short', 'over', 'foreign'].map(pemOf).join(''));
    const spec = withNewCertificates(managedCluster('a', { certificate, retiring }), pemOf('third'), now);
    assert.deepEqual(read(spec), ['third', 'first until 1h', 'short until 2h']);
    assert.equal(spec.retiring?.length, 2);
  });

  it('leaves none where there is to be no overlap, nor where none can be read', () => {
    const at = { now: NOW, until: NOW };
    const certificate = base64(pemOf('first'));
    assert.deepEqual(read(withNewCertificates(managedCluster('a', { certificate }), pemOf('third'), at)), ['third']);
    const later = { now: NOW, until: NOW + HOUR };
    for (const text of [
      '',
      base64('rubbish'),
      base64('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'),
    ]) {
      const spec = withNewCertificates(managedCluster('a', { certificate: text }), pemOf('third'), later);
      assert.deepEqual(read(spec), ['third']);
    }
    assert.deepEqual(read(withNewCertificates(managedCluster('a', {}), pemOf('third'), later)), ['third']);
  });
});
