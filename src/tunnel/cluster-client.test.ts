import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { RawPeer } from '../../testbed/yamux-peer/raw-peer.ts';
import { createKeyPair, daysFromNow } from '../clusters/key-pair.ts';
import { ClusterClient } from './cluster-client.ts';
import { Tunnels } from './tunnels.ts';

describe('a cluster that says nothing', () => {
  it('fails the request, and nothing else', async (t) => {
    const pair = await createKeyPair({ commonName: 'mute', usages: ['server'], notAfter: daysFromNow(1) });
    const peer = await RawPeer.start();
    const tunnels = new Tunnels();
    t.after(() => {
      tunnels.close();
      peer.own.destroy();
    });
    // The session takes any connection.
    const socket = peer.socket as TLSSocket;
    const tunnel = tunnels.accept(socket, { cluster: 'mute', certificate: new X509Certificate(pair.certificate) });
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const failed = assert.rejects(
      new ClusterClient(tunnel).get('/api', new AbortController().signal),
      /does not answer|not accept|closed the connection/,
    );
    await new Promise(setImmediate);
    // The stream is given up and so is what is in it, in one moment: two errors, of which either must be expected.
    t.mock.timers.tick(10_000);
    t.mock.timers.reset();
    await failed;
    await sleep(50);
    assert.equal(tunnel.session.streamCount, 0);
  });
});
