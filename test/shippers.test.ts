import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { LOG_TYPES } from '../src/logs/types/index.ts';
import type { LogType } from '../src/logs/types/log-type.ts';
import { sharedWorkbench } from './harness.ts';
import { clusterKeys, TunnelPort, type TunnelPortOptions } from './tunnel-port.ts';

const workbench = sharedWorkbench();
const { elasticsearch } = workbench;
const { elasticsearchUrl } = workbench.facts;
const NOW = Date.now();
const SECONDS = Math.floor(NOW / 1000);

const ENCODINGS: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  identity: (body) => body,
  gzip: (body) => gzipSync(body),
  zstd: (body) => zstdCompressSync(body),
};

/** A cluster that may send by both ways: with a forwarder's certificate, and through its tunnel. */
async function connected(t: TestContext, cluster: string, options: Partial<TunnelPortOptions> = {}) {
  const port = await TunnelPort.start(t, { elasticsearchUrl, ...options });
  const tunnel = await clusterKeys(cluster);
  const forwarder = await clusterKeys(cluster, { use: 'forwarder' });
  port.register(cluster, tunnel, forwarder);
  const end = await port.open(tunnel);
  return {
    port,
    byForwarder: () => port.connect(forwarder, ['http/1.1']),
    throughTunnel: () => end.connect(port.ca, ['http/1.1']),
  };
}

/** As Fluent Bit and Calico's collector write it, with what they add that means nothing here. */
function request(path: string, lines: readonly string[], encoding = 'identity', chunked = false): Buffer {
  const body = (ENCODINGS[encoding] as (body: Buffer) => Buffer)(
    Buffer.from(lines.map((line) => `${line}\n`).join('')),
  );
  const head = [
    `POST ${path} HTTP/1.1`,
    'Host: tigera-linseed.tigera-elasticsearch.svc:443',
    'User-Agent: Fluent-Bit',
    'Content-Type: application/x-ndjson',
    'Authorization: Bearer x',
    'x-tenant-id: another',
    ...(encoding === 'identity' ? [] : [`Content-Encoding: ${encoding}`]),
    chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`,
  ];
  const middle = Math.floor(body.length / 2);
  const chunk = (part: Buffer) => [`${part.length.toString(16)}\r\n`, part, '\r\n'];
  const parts = chunked ? [...chunk(body.subarray(0, middle)), ...chunk(body.subarray(middle)), '0\r\n\r\n'] : [body];
  return Buffer.concat([`${head.join('\r\n')}\r\n\r\n`, ...parts].map((part) => Buffer.from(part)));
}

interface Answer {
  readonly code: number;
  readonly head: string;
  readonly body: {
    readonly accepted: number;
    readonly known: number;
    readonly setAside: number;
    readonly reasons: readonly { readonly offset: number; readonly reason: string }[];
    readonly error?: string;
  };
}

async function ask(socket: TLSSocket, bytes: Buffer): Promise<Answer> {
  socket.write(bytes);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  const [head = '', body = ''] = answer.toString().split('\r\n\r\n');
  return { code: Number(head.split(' ')[1]), head, body: body === '' ? undefined : JSON.parse(body) };
}

/** A record of a type with nothing but its time and a number that is not indexed. */
function record({ timeFields }: LogType, n: number, time: unknown = SECONDS): string {
  return JSON.stringify({ [timeFields[0] as string]: time, n });
}

describe('every path of a shipper', () => {
  it('takes what comes by the port and through the tunnel, in each encoding, sized or chunked', async (t) => {
    const { byForwarder, throughTunnel } = await connected(t, 'shipping');
    const sockets = [await byForwarder(), await throughTunnel()];
    const forms = Object.keys(ENCODINGS).flatMap((encoding) => [false, true].map((chunked) => ({ encoding, chunked })));
    const paths = LOG_TYPES.flatMap((type) => type.ingestPaths.map((path) => ({ type, path })));
    let n = 0;
    for (const socket of sockets) {
      for (const { encoding, chunked } of forms) {
        for (const { type, path } of paths) {
          const answer = await ask(socket, request(path, [record(type, n++), record(type, n++)], encoding, chunked));
          const expected = { accepted: 2, known: 0, setAside: 0, reasons: [] };
          assert.deepEqual([answer.code, answer.body], [200, expected], `${path} ${encoding} ${chunked}`);
        }
      }
    }
    for (const type of LOG_TYPES) {
      const query = { range: { '@timestamp': { gte: SECONDS * 1000, lte: SECONDS * 1000 } } };
      assert.equal(await elasticsearch.count(`tigera_secure_ee_${type.name}.shipping.*`, query), 24, type.name);
    }
  });

  it('says what is wrong with an encoding', async (t) => {
    const { byForwarder } = await connected(t, 'encoding');
    const [flows] = LOG_TYPES as [LogType];
    for (const encoding of ['gzip', 'zstd']) {
      const plain = request(flows.ingestPaths[0] as string, [record(flows, 1)]).toString();
      const lying = plain.replace('Authorization', `Content-Encoding: ${encoding}\r\nAuthorization`);
      const answer = await ask(await byForwarder(), Buffer.from(lying));
      assert.equal(answer.code, 400, answer.head);
      assert.match(answer.body.error ?? '', new RegExp(`the body is not ${encoding}`));
    }
  });
});

describe('a time', () => {
  const text = `${SECONDS}.123456789`;
  const iso = `${new Date(SECONDS * 1000).toISOString().slice(0, 19)}.123456789Z`;
  // As JSON has them: numbers with digits that a double cannot hold stay what they are.
  const forms = [
    text,
    `"${text}"`,
    `${SECONDS}123`,
    `"${SECONDS}123"`,
    `${SECONDS}123456`,
    `${SECONDS}123456789`,
    `"${SECONDS}123456789"`,
    `"${iso}"`,
    `"${iso.toLowerCase()}"`,
    `"${iso.replace('T', ' ')}"`,
  ];

  it('in any form is indexed as the moment it is, in every field of every type that holds one', async (t) => {
    const { throughTunnel } = await connected(t, 'timed');
    const socket = await throughTunnel();
    const time = SECONDS * 1000 + 123;
    const range = { gte: time, lte: time, format: 'epoch_millis' };
    for (const type of LOG_TYPES) {
      const fields = Object.entries(type.mappings.properties)
        .filter(([, mapping]) => (mapping as { readonly type?: string }).type === 'date')
        .map(([name]) => name);
      assert.ok(fields.length > 0, type.name);
      const lines = forms.map((form) => `{${fields.map((field) => `"${field}":${form}`).join(',')},"n":${form}}`);
      const { body } = await ask(socket, request(type.ingestPaths[0] as string, lines));
      assert.deepEqual([body.accepted, body.setAside], [forms.length, 0], JSON.stringify(body));
      for (const field of ['@timestamp', ...fields]) {
        const found = await elasticsearch.count(`tigera_secure_ee_${type.name}.timed.*`, { range: { [field]: range } });
        assert.equal(found, forms.length, `${type.name} ${field}`);
      }
    }
  });

  it('ahead by more than 12 hours, or older than its type is kept, sets its record aside', async (t) => {
    const { byForwarder } = await connected(t, 'untimely');
    const socket = await byForwarder();
    const day = 86_400;
    for (const type of LOG_TYPES) {
      const { retentionDays } = type;
      const times = [
        SECONDS + day,
        SECONDS - (retentionDays + 1) * day,
        SECONDS - (retentionDays - 1) * day,
        '-',
        null,
      ];
      const lines = times.map((time, n) => record(type, n, time));
      const { body } = await ask(socket, request(type.ingestPaths[0] as string, lines));
      assert.deepEqual([body.accepted, body.setAside], [1, 4], type.name);
      const inOrder = body.reasons.toSorted((one, other) => one.offset - other.offset);
      const [ahead, old, ...none] = inOrder.map(({ reason }) => reason);
      assert.match(ahead ?? '', /more than 12 hours ahead/);
      assert.match(old ?? '', new RegExp(`older than the ${retentionDays} days`));
      for (const reason of none) assert.match(reason, /no usable time/);
      const dead = { bool: { filter: [{ term: { log_type: type.name } }, { term: { reason: ahead } }] } };
      assert.equal(await elasticsearch.count('kubectl_mcm_dead_letters.untimely.*', dead), 1, type.name);
    }
  });
});

describe('what Calico writes where something does not apply', () => {
  it('is stored, in addresses and ports as well', async (t) => {
    const { byForwarder } = await connected(t, 'dashed');
    const socket = await byForwarder();
    for (const type of LOG_TYPES) {
      const scalars = Object.entries(type.mappings.properties).filter(([, mapping]) => {
        const { type: kind = '', ignore_malformed: lenient } = mapping as { type?: string; ignore_malformed?: boolean };
        return kind === 'keyword' || kind === 'text' || (lenient === true && kind !== 'date');
      });
      const lines = ['-', null].map((nothing) =>
        JSON.stringify({
          ...Object.fromEntries(scalars.map(([name]) => [name, nothing])),
          [type.timeFields[0] as string]: SECONDS,
        }),
      );
      const { body } = await ask(socket, request(type.ingestPaths[0] as string, lines));
      assert.deepEqual([body.accepted, body.setAside], [2, 0], `${type.name} ${JSON.stringify(body)}`);
      const addresses = scalars.filter(([, mapping]) => (mapping as { readonly type: string }).type === 'ip');
      for (const [field] of addresses) {
        const found = await elasticsearch.count(`tigera_secure_ee_${type.name}.dashed.*`, { exists: { field } });
        assert.equal(found, 0, field);
      }
    }
  });
});

describe('an audit record', () => {
  it('with 10,000 keys of its own in its bodies adds no field to the mapping', async (t) => {
    const { byForwarder } = await connected(t, 'exploding');
    const socket = await byForwarder();
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`key-${n}`, { [`deeper-${n}`]: n }]));
    const audit = {
      auditID: 'many',
      requestObject: many,
      responseObject: many,
      annotations: Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`key-${n}`, 'x'])),
      stageTimestamp: new Date(NOW).toISOString(),
      ...many,
    };
    const mappings = async () => {
      const found = await elasticsearch.request('GET', '/tigera_secure_ee_audit_kube.exploding.*/_mapping');
      return JSON.stringify(Object.values(found as object));
    };
    const path = '/api/v1/audit/logs/kube/bulk';
    const plain = JSON.stringify({ auditID: 'few', stageTimestamp: audit.stageTimestamp });
    assert.equal((await ask(socket, request(path, [plain]))).body.accepted, 1);
    const before = await mappings();
    assert.equal((await ask(socket, request(path, [JSON.stringify(audit)]))).body.accepted, 1);
    assert.equal(await mappings(), before);
    const query = { term: { auditID: 'many' } };
    assert.equal(await elasticsearch.count('tigera_secure_ee_audit_kube.exploding.*', query), 1);
  });
});

describe('a cluster that sends all it can', () => {
  it('is told 503 at once, and holds no other up at any path', async (t) => {
    const { port, byForwarder, throughTunnel } = await connected(t, 'greedy', { ingest: { uploadsPerCluster: 2 } });
    const keys = await clusterKeys('modest', { use: 'forwarder' });
    port.register('modest', keys);
    const modest = await port.connect(keys, ['http/1.1']);
    const lines = (type: LogType, count: number) => Array.from({ length: count }, (_, n) => record(type, n));
    let full = 0;
    let done = false;
    const sendAll = async (socket: TLSSocket, at: number) => {
      for (let round = at; !done; round++) {
        const type = LOG_TYPES[round % LOG_TYPES.length] as LogType;
        const began = performance.now();
        const answer = await ask(socket, request(type.ingestPaths[0] as string, lines(type, 500)));
        if (answer.code === 200) continue;
        full++;
        assert.equal(answer.code, 503);
        assert.match(answer.head, /^retry-after: 5$/im);
        assert.equal(answer.body.error, '2 uploads of this cluster are under way already');
        assert.ok(performance.now() - began < 5_000, `${performance.now() - began} ms`);
        await sleep(100);
      }
    };
    const sockets = await Promise.all([1, 2, 3].flatMap(() => [byForwarder(), throughTunnel()]));
    const sending = Promise.all(sockets.map(sendAll));
    try {
      for (const type of LOG_TYPES) {
        const answer = await Promise.race([
          ask(modest, request(type.ingestPaths[0] as string, lines(type, 10))),
          sending,
        ]);
        assert.equal((answer as Answer).code, 200, type.name);
      }
    } finally {
      done = true;
    }
    await sending;
    assert.ok(full > 0, 'it was never turned away');
  });
});
