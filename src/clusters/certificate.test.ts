import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readCertificates } from './certificate.ts';
import { createKeyPair, daysFromNow } from './key-pair.ts';

/** What comes before an uncompressed point on a curve: a bit string of 66 bytes, none of its bits unused. */
const POINT = Buffer.from([0x03, 0x42, 0x00, 0x04]);

describe('readCertificates', () => {
  it('says that a key cannot be read, and goes on', async () => {
    const { certificate } = await createKeyPair({
      commonName: 'prod-eu',
      usages: ['client'],
      notAfter: daysFromNow(1),
    });
    const der = Buffer.from(certificate.replaceAll(/-----.*-----|\n/g, ''), 'base64');
    der[der.indexOf(POINT) + POINT.length - 1] = 0x05;
    const pem = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
    assert.throws(() => readCertificates(pem), Error);
    assert.equal(readCertificates(certificate)[0]?.commonName, 'prod-eu');
  });
});
