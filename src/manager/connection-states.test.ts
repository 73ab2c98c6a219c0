import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ManagedCluster, managedCluster } from '../clusters/managed-cluster.ts';
import { ConnectionStates } from './connection-states.ts';

function lostFrom(name: string, address: string): ManagedCluster {
  return { ...managedCluster(name, {}), status: { connection: { since: '2026-01-01T00:00:00Z', address } } };
}

describe('a failed handshake', () => {
  const alone = lostFrom('alone', '192.0.2.1');
  const together = [lostFrom('one', '192.0.2.2'), lostFrom('other', '192.0.2.2')];
  const states = new ConnectionStates('manager');
  for (const object of [alone, ...together]) states.observe(object);
  const errorOf = (object: ManagedCluster) => states.statusOf(object, Date.now()).connection?.lastError;

  it('is told of the cluster that once connected from that address', () => {
    states.handshakeFailed('192.0.2.1', 'the certificate is unknown');
    assert.equal(errorOf(alone), 'TLS: the certificate is unknown');
  });

  it('is told of none where several did: one stranger behind their proxy would rewrite them all', () => {
    states.handshakeFailed('192.0.2.2', 'wrong version number');
    assert.deepEqual(together.map(errorOf), [undefined, undefined]);
  });
});
