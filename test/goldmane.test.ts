// Goldmane's flows all the way: through our agent's listener, the tunnel and a real manager into Elasticsearch.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { generateGoldmane } from '../fixtures/generate-goldmane.ts';
import { EMITTED_FLOWS } from '../fixtures/goldmane-samples.ts';
import { Random } from '../fixtures/random.ts';
import { readGoldmaneFlow } from '../src/logs/goldmane/goldmane-flow.ts';
import { freePorts } from '../testbed/processes.ts';
import { addSender, eventually, sharedWorkbench } from './harness.ts';
import { INGEST_NAME } from './tunnel-port.ts';

const workbench = sharedWorkbench();
const [managed] = workbench.facts.managed;
assert.ok(managed);
const CLUSTER = 'goldmane-all';
const INDICES = `tigera_secure_ee_flows.${CLUSTER}.*`;
const FLOWS = 100_000;
const HEAD =
  'POST /api/v1/flows/bulk HTTP/1.1\r\nHost: guardian.calico-system.svc.cluster.local\r\nContent-Type: application/x-ndjson\r\n';

type Hit = { _id: string; _source: Readonly<Record<string, unknown>> };

/** Posts as Goldmane does, again until it is answered 200, on one connection for as long as it lasts. */
class Goldmane {
  readonly #open: () => Promise<TLSSocket>;
  #socket: TLSSocket | undefined;
  connections = 0;

  constructor(open: () => Promise<TLSSocket>) {
    this.#open = open;
  }

  async send(lines: readonly string[]): Promise<void> {
    const body = lines.join('\n');
    for (let attempt = 0; attempt < 10; attempt++) {
      if (this.#socket === undefined || this.#socket.destroyed) {
        this.#socket = await this.#open();
        this.connections++;
      }
      this.#socket.write(`${HEAD}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
      const [answer] = (await once(this.#socket, 'data')) as [Buffer];
      if (answer.toString().startsWith('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n')) return;
      await sleep(500);
    }
    throw new Error('ten attempts were not answered 200');
  }

  close(): void {
    this.#socket?.destroy();
  }
}

/** The same lines in another order. */
function shuffled(lines: readonly string[]): string[] {
  const random = new Random(42);
  const all = [...lines];
  for (let at = all.length - 1; at > 0; at--) {
    const other = random.between(0, at);
    [all[at], all[other]] = [all[other] ?? '', all[at] ?? ''];
  }
  return all;
}

describe('the flows of a Goldmane', () => {
  let goldmane: Goldmane;
  let stop: () => Promise<void> = async () => undefined;

  before(async () => {
    const { manifest, credentials } = await addSender(workbench, CLUSTER);
    const [listen] = await freePorts(1);
    const flags = ['--listen', `127.0.0.1:${listen}`];
    const agent = workbench.startAgent({ context: managed?.name ?? '', manifest, logName: CLUSTER, flags });
    goldmane = new Goldmane(async () => {
      const socket = connect({ port: Number(listen), host: '127.0.0.1', ca: credentials.ca, servername: INGEST_NAME });
      await once(socket, 'secureConnect');
      return socket;
    });
    await eventually(
      async () =>
        await goldmane.send([]).then(
          () => true,
          () => false,
        ),
      20_000,
    );
    stop = async () => {
      goldmane.close();
      await agent.stop();
    };
  });
  after(async () => await stop());

  async function search(query: object): Promise<Hit[]> {
    await workbench.elasticsearch.request('POST', `/${INDICES}/_refresh`);
    const found = await workbench.elasticsearch.request('POST', `/${INDICES}/_search`, { size: 100, query });
    return (found as { hits: { hits: Hit[] } }).hits.hits;
  }

  it('are stored as what they are, with what is ours', async () => {
    const end = Math.floor(Date.now() / 60_000) * 60;
    const times = { start_time: end - 60, end_time: end };
    const lines = EMITTED_FLOWS.map((line) => JSON.stringify({ ...(JSON.parse(line) as object), ...times }));
    const before = Date.now();
    await goldmane.send(lines);
    const hits = await search({ match_all: {} });
    assert.equal(hits.length, lines.length);
    for (const line of lines) {
      const flow = readGoldmaneFlow(line);
      assert.equal(flow.kind, 'flow');
      const { _source: stored } = hits.find(({ _id }) => flow.kind === 'flow' && _id.endsWith(flow.identity)) as Hit;
      const { cluster, '@timestamp': timestamp, ingested, checksum, ...record } = stored;
      assert.deepEqual(record, flow.kind === 'flow' && flow.record);
      assert.deepEqual([cluster, timestamp], [CLUSTER, end * 1000]);
      assert.ok(Number(ingested) >= before && Number(ingested) <= Date.now());
      assert.match(String(checksum), /^[0-9a-z]+$/);
    }
    const cart = hits.find(({ _source }) => _source.dest_service_name === 'cart');
    const { ingested: _ingested, checksum: _checksum, ...stored } = cart?._source ?? {};
    assert.deepEqual(stored, {
      ...{ cluster: CLUSTER, '@timestamp': end * 1000, ...times },
      ...{ source_ip: null, source_name: '-', source_name_aggr: 'frontend-7d9c8b6f5d-*', source_namespace: 'store' },
      ...{ source_port: null, source_type: 'wep' },
      source_labels: { labels: ['app=frontend', 'pod-template-hash=7d9c8b6f5d'] },
      ...{ dest_ip: null, dest_name: '-', dest_name_aggr: 'cart-6b687c8dcb-*', dest_namespace: 'store' },
      ...{ dest_port: 8080, dest_type: 'wep', dest_labels: { labels: ['app=cart', 'pod-template-hash=6b687c8dcb'] } },
      ...{ dest_service_namespace: 'store', dest_service_name: 'cart', dest_service_port: 'http' },
      ...{ proto: 'tcp', action: 'allow', reporter: 'dst' },
      policies: {
        all_policies: [
          '0|security|security.quarantine|pass|1',
          '1|default|store/default.cart-ingress|allow|0',
          '1|default|store/default.staged:cart-strict|deny|-1',
        ],
        enforced_policies: ['0|security|security.quarantine|pass|1', '1|default|store/default.cart-ingress|allow|0'],
        pending_policies: [
          '0|security|security.quarantine|pass|1',
          '1|default|store/default.staged:cart-strict|deny|-1',
        ],
      },
      ...{ bytes_in: 7360, bytes_out: 20920, packets_in: 48, packets_out: 44 },
      ...{ num_flows: 4, num_flows_started: 4, num_flows_completed: 0 },
      goldmane: { num_connections_live: 4, Key: { dest_service_port: 80 } },
    });
  });

  it('are there once, however often and in whichever windows they are sent', async (t) => {
    const before = await workbench.elasticsearch.count(INDICES);
    const to = Date.now() - 3_600_000;
    const lines = [...generateGoldmane({ seed: 9, count: FLOWS, from: to - 4 * 3_600_000, to })];
    assert.equal(lines.length, FLOWS);
    const began = performance.now();
    for (const [sent, window] of [
      [lines, 2_000],
      [shuffled(lines), 7_000],
    ] as const) {
      for (let at = 0; at < sent.length; at += window) await goldmane.send(sent.slice(at, at + window));
    }
    t.diagnostic(`${2 * FLOWS} flows in ${Math.round(performance.now() - began)} ms`);
    assert.equal(await workbench.elasticsearch.count(INDICES), before + FLOWS);
    assert.equal(goldmane.connections, 1);
    const metrics = await (await fetch(`http://127.0.0.1:${workbench.facts.managerPorts.health}/metrics`)).text();
    const counted = (verdict: string) =>
      new RegExp(`records_total\\{cluster="${CLUSTER}",type="flows",verdict="${verdict}"\\} (\\d+)`).exec(metrics)?.[1];
    assert.deepEqual(['stored', 'known', 'differing', 'set_aside'].map(counted), [
      String(before + FLOWS),
      String(FLOWS),
      '0',
      '0',
    ]);
  });
});
