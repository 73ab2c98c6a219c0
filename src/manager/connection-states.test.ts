import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { duplexPair } from 'node:stream';
import { describe, it, type TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { createKeyPair, daysFromNow } from '../clusters/key-pair.ts';
import { type ManagedCluster, type ManagedClusterStatus, managedCluster } from '../clusters/managed-cluster.ts';
import { Tunnel } from '../tunnel/tunnel.ts';
import { ConnectionStates } from './connection-states.ts';

const START = Date.UTC(2026, 10, 22);
const keys = await createKeyPair({ commonName: 'prod', usages: ['client'], notAfter: daysFromNow(1) });
const certificate = new X509Certificate(keys.certificate);

function tunnelFrom(address: string): Tunnel {
  const socket = Object.assign(duplexPair()[0], { remoteAddress: address }) as unknown as TLSSocket;
  return new Tunnel(socket, { cluster: 'prod', certificate }, {});
}

/** The ManagedCluster "prod" in an API server, and the managers that watch it and write its status. */
function apiServer(t: TestContext, status?: ManagedClusterStatus) {
  t.mock.timers.enable({ apis: ['Date'], now: START });
  const registered = managedCluster('prod', {});
  let object: ManagedCluster = status === undefined ? registered : { ...registered, status };
  const managers: ConnectionStates[] = [];
  /** Once a second, as often as asked; how many writes that made. */
  const settle = (...writers: readonly ConnectionStates[]): number => {
    let writes = 0;
    for (let second = 0; second < 10; second++) {
      for (const states of writers) {
        const { condition, ...desired } = states.statusOf(object, Date.now());
        const { lastSeen = '' } = object.status ?? {};
        const seen = states.lastSeen('prod') > 0 ? new Date().toISOString() : lastSeen;
        const next = { ...desired, lastSeen: seen, conditions: [{ ...condition, lastTransitionTime: '' }] };
        if (textOf(next) === textOf(object.status)) continue;
        writes++;
        object = { ...registered, status: next };
        for (const each of managers) each.observe(object);
      }
      t.mock.timers.tick(1_000);
    }
    return writes;
  };
  return {
    settle,
    manager: (name: string): ConnectionStates => {
      const states = new ConnectionStates(name);
      states.observe(object);
      managers.push(states);
      return states;
    },
    get connected(): string {
      const { status: value, reason, message } = object.status?.conditions?.[0] ?? {};
      return `${value} ${reason} ${message}`;
    },
    get connection() {
      return object.status?.connection;
    },
    get status() {
      return object.status;
    },
  };
}

/** What a manager compares before it writes. */
function textOf(status: ManagedClusterStatus | undefined): string {
  const { conditions = [], connection, calicoVersion, namespaces } = status ?? {};
  const { since, address, manager, reconnects, lastError } = connection ?? {};
  const [{ status: value = '', reason = '', message = '' } = {}] = conditions;
  const stated = [value, reason, message, since, address, manager, reconnects, lastError, calicoVersion, namespaces];
  return JSON.stringify(stated);
}

describe('what is written of a connection', () => {
  it('is Unknown, True and False, with the reason', (t) => {
    const api = apiServer(t);
    const states = api.manager('one');
    api.settle(states);
    assert.equal(api.connected, 'Unknown NoTunnel No tunnel of this cluster has connected.');
    states.refused('prod', 'certificate not registered');
    api.settle(states);
    assert.match(api.connected, /^Unknown NoTunnel .* Somebody tried and was refused: certificate not registered\.$/);
    assert.equal(api.connection?.lastError, 'certificate not registered');
    const tunnel = tunnelFrom('10.0.0.1');
    states.connected(tunnel);
    states.learned('prod', { calicoVersion: 'v3.32.1', namespaces: 5 });
    api.settle(states);
    assert.equal(api.connected, 'True Connected The tunnel is open.');
    const { address, manager, reconnects } = api.connection ?? {};
    assert.deepEqual([address, manager, reconnects], ['10.0.0.1', 'one', 0]);
    assert.deepEqual([api.status?.calicoVersion, api.status?.namespaces], ['v3.32.1', 5]);
    states.disconnected(tunnel, 'nothing came for 10 s');
    states.handshakeFailed('10.0.0.1', 'bad certificate');
    states.handshakeFailed('10.9.9.9', 'somebody else');
    api.settle(states);
    const since = 'Since then: TLS: bad certificate.';
    assert.equal(api.connected, `False Disconnected The tunnel was closed: nothing came for 10 s. ${since}`);
    assert.equal(api.status?.calicoVersion, 'v3.32.1', 'what was known of it stays');
    states.connected(tunnelFrom('10.0.0.2'));
    api.settle(states);
    assert.deepEqual([api.connection?.reconnects, api.connection?.address], [1, '10.0.0.2']);
  });

  it('says so when connections replace each other again and again, for as long as they do', (t) => {
    const api = apiServer(t);
    const states = api.manager('one');
    let current = tunnelFrom('10.0.0.1');
    states.connected(current);
    for (const address of ['10.0.0.2', '10.0.0.1', '10.0.0.2']) {
      t.mock.timers.tick(1_000);
      assert.equal(states.statusOf(managedCluster('prod', {}), Date.now()).condition.message, 'The tunnel is open.');
      const newer = tunnelFrom(address);
      states.connected(newer, current);
      current = newer;
    }
    api.settle(states);
    assert.equal(
      api.connected,
      'True Connected The tunnel is open, but not for long: 3 connections in a row have replaced each other, the last from 10.0.0.2. Do two clients use one certificate?',
    );
    assert.equal(api.connection?.lastError, 'replaced by a newer connection from 10.0.0.2');
    assert.equal(api.connection?.reconnects, 3);
    t.mock.timers.tick(60_000);
    api.settle(states);
    assert.equal(api.connected, 'True Connected The tunnel is open.');
    states.connected(tunnelFrom('10.0.0.2'), current);
    api.settle(states);
    assert.equal(api.connected, 'True Connected The tunnel is open.', 'that one had been there for a while');
  });

  it('grows with no name that nobody has registered', () => {
    const states = new ConnectionStates('one');
    const tunnel = tunnelFrom('10.0.0.1');
    states.connected(tunnel);
    states.forget('prod');
    states.refused('prod', 'certificate not registered');
    states.disconnected(tunnel, 'certificate not registered');
    states.learned('prod', { namespaces: 1 });
    const { condition, connection, namespaces } = states.statusOf(managedCluster('prod', {}), Date.now());
    assert.deepEqual([condition.reason, connection, namespaces], ['NoTunnel', undefined, undefined]);
  });

  it('fits into the object, however long the reason', () => {
    const states = new ConnectionStates('one');
    states.observe(managedCluster('prod', {}));
    states.refused('prod', 'x'.repeat(5_000));
    assert.equal(states.statusOf(managedCluster('prod', {}), 0).connection?.lastError?.length, 1024);
  });
});

/** A status as a manager left it that had a tunnel when it stopped. */
function leftBy(manager: string): ManagedClusterStatus {
  const since = new Date(START - 60_000).toISOString();
  const connected = { type: 'ManagedClusterConnected', status: 'True', reason: 'Connected' } as const;
  return {
    lastSeen: new Date(START - 1_000).toISOString(),
    connection: { since, address: '10.0.0.1', manager, reconnects: 4 },
    conditions: [{ ...connected, message: 'The tunnel is open.', lastTransitionTime: since }],
  };
}

describe('after a restart of the manager', () => {
  it('a cluster that comes back has been Connected all the time', (t) => {
    const api = apiServer(t, leftBy('one'));
    const states = api.manager('one');
    assert.equal(api.settle(states), 0);
    states.connected(tunnelFrom('10.0.0.1'));
    assert.equal(api.settle(states), 1);
    assert.equal(api.connected, 'True Connected The tunnel is open.');
    assert.equal(api.connection?.reconnects, 5);
  });

  it('a cluster that does not is Disconnected after the time that it has for that', (t) => {
    const api = apiServer(t, leftBy('one'));
    // Before it knows which clusters there are, it does not listen either.
    t.mock.timers.tick(30_000);
    const states = api.manager('one');
    assert.equal(api.settle(states), 0);
    t.mock.timers.tick(4_999);
    assert.match(api.connected, /^True /);
    assert.equal(api.settle(states), 1);
    assert.equal(api.connected, 'False Disconnected It has not come back since the manager was started.');
    states.refused('prod', 'certificate expired');
    api.settle(states);
    assert.equal(api.connection?.lastError, 'certificate expired');
  });
});

describe('of two managers', () => {
  it('the one without a tunnel leaves the word of the other alone', (t) => {
    const api = apiServer(t);
    const [one, two] = [api.manager('one'), api.manager('two')];
    const tunnel = tunnelFrom('10.0.0.1');
    one.connected(tunnel);
    one.learned('prod', { namespaces: 5 });
    assert.equal(api.settle(one, two), 1);
    two.refused('prod', 'certificate not registered');
    assert.equal(api.settle(one, two), 0);
    assert.match(api.connected, /^True /);
  });

  it('neither writes over the other when the cluster moves, whenever the first learns that it is gone', (t) => {
    const api = apiServer(t);
    const [one, two] = [api.manager('one'), api.manager('two')];
    const [first, second] = [tunnelFrom('10.0.0.1'), tunnelFrom('10.0.0.1')];
    one.connected(first);
    one.learned('prod', { namespaces: 5 });
    api.settle(one, two);
    two.connected(second);
    two.learned('prod', { namespaces: 6 });
    api.settle(two);
    one.disconnected(first, 'nothing came for 10 s');
    assert.equal(api.settle(one, two), 0);
    assert.match(api.connected, /^True /);
    assert.deepEqual([api.connection?.manager, api.connection?.reconnects], ['two', 1]);
    two.disconnected(second, 'the connection was closed');
    assert.equal(api.settle(one, two), 1);
    assert.equal(api.connected, 'False Disconnected The tunnel was closed: the connection was closed.');
    one.refused('prod', 'certificate expired');
    api.settle(one, two);
    assert.match(api.connection?.lastError ?? '', /expired/);
    assert.equal(api.settle(one, two), 0);
  });

  it('the one with the older tunnel leaves the word of the other alone, as long as it is heard of', (t) => {
    const api = apiServer(t);
    const [one, two] = [api.manager('one'), api.manager('two')];
    one.connected(tunnelFrom('10.0.0.1'));
    api.settle(one, two);
    const second = tunnelFrom('10.0.0.2');
    two.connected(second);
    assert.equal(api.settle(one, two), 1);
    assert.deepEqual([api.connection?.manager, api.connection?.address], ['two', '10.0.0.2']);
    assert.equal(one.lastSeen('prod'), 0);
    // The cluster comes back to the first: that is the newer one now.
    one.connected(tunnelFrom('10.0.0.3'));
    assert.equal(api.settle(one, two), 1);
    assert.deepEqual([api.connection?.manager, api.connection?.address], ['one', '10.0.0.3']);
    // The first is killed, and the second still has a tunnel.
    api.settle(two);
    assert.equal(api.connection?.manager, 'one');
    t.mock.timers.tick(180_000);
    assert.equal(api.settle(two), 1);
    assert.deepEqual([api.connection?.manager, api.connected], ['two', 'True Connected The tunnel is open.']);
  });

  it('one that is not heard of any more counts no more', (t) => {
    const api = apiServer(t, leftBy('one'));
    const two = api.manager('two');
    t.mock.timers.tick(160_000);
    assert.equal(api.settle(two), 0);
    t.mock.timers.tick(20_000);
    api.settle(two);
    assert.match(api.connected, /^Unknown ManagerGone The manager one has not been heard of/);
    two.refused('prod', 'certificate expired');
    api.settle(two);
    assert.match(api.connected, /^Unknown ManagerGone /);
    assert.equal(api.connection?.lastError, 'certificate expired');
    two.connected(tunnelFrom('10.0.0.1'));
    api.settle(two);
    assert.match(api.connected, /^True /);
  });
});
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
