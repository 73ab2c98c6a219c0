import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import { dayOf } from '../src/logs/record/time.ts';
import type { PlaneStatus } from '../src/plugin/status/plane-status.ts';
import type { Problem } from '../src/plugin/status/problem.ts';
import type { Outcome } from '../testbed/processes.ts';
import type { Workbench } from '../testbed/testbed.ts';
import { ElasticsearchFront } from './elasticsearch-front.ts';
import { addSender, apiServicesAre, eventually, forward, mcm, type Sender, sharedWorkbench } from './harness.ts';
import { type OwnManagement, startOwnManagement } from './own-management.ts';
import { indexOf, SpoolingManager } from './spooling-manager.ts';

/** All records are of one moment, and so of one day. */
const NOW = Date.now() - 1_000;
const BATCH = 100;

/** A node of a cluster: its log files, which a real forwarder ships. */
class Node {
  readonly #workbench: Workbench;
  readonly #sender: Sender;
  readonly #seed: number;
  readonly sent = { flows: 0, dns: 0 };

  constructor(workbench: Workbench, sender: Sender, seed: number) {
    this.#workbench = workbench;
    this.#sender = sender;
    this.#seed = seed;
  }

  get cluster(): string {
    return this.#sender.cluster;
  }

  index(type: string): string {
    return `tigera_secure_ee_${type}.${this.cluster}.${dayOf(NOW)}`;
  }

  /** Writes more records to both log files, and has them shipped: all of them must be acknowledged. */
  async ship(types: readonly ('flows' | 'dns')[] = ['flows', 'dns']): Promise<void> {
    const options = { seed: this.#seed, count: BATCH, from: NOW, to: NOW };
    const args: string[] = [];
    for (const type of types) {
      const lines = type === 'flows' ? generateFlows(options) : generateDns(options);
      const file = join(this.#sender.folder, `${type}.log`);
      for (const line of lines) appendFileSync(file, `${line.slice(0, -1)},"n":${this.sent[type]++}}\n`);
      args.push(type === 'flows' ? '--flow' : '--dns', file);
    }
    const { code, stderr } = await forward(this.#workbench, this.#sender, args);
    assert.deepEqual([code, stderr], [0, '']);
  }
}

describe('while Elasticsearch does not take what goes into one index', { concurrency: false }, () => {
  const shared = sharedWorkbench();
  let own: OwnManagement;
  let front: ElasticsearchFront;
  let spooling: SpoolingManager;
  let neighbour: Node;
  let seed = 0;

  before(async () => {
    own = await startOwnManagement(shared, 'causes');
    spooling = await SpoolingManager.start(own.workbench, {
      ports: own.workbench.facts.managerPorts,
      front: async (port) => {
        front = await ElasticsearchFront.start(port);
        return front.port;
      },
    });
    neighbour = await newNode('neighbour');
    await neighbour.ship();
    await apiServicesAre(own.workbench, 'True');
  });
  after(async () => {
    await spooling?.stop();
    front?.stop();
    await own?.cluster.stop();
  });

  const newNode = async (cluster: string) => new Node(own.workbench, await addSender(own.workbench, cluster), ++seed);
  const ask = async (method: string, path: string, body?: object) =>
    await spooling.elasticsearch.request(method, path, body);
  const status = async (...args: string[]): Promise<Outcome> => await mcm(own.workbench, ['status', ...args]);
  const planeStatus = async () => {
    const { code, stdout } = await status('-o', 'json');
    return { code, ...(JSON.parse(stdout) as PlaneStatus) };
  };

  /** What is stored of a node's log, each number once. */
  async function assertAllThereOnce(node: Node, type: 'flows' | 'dns'): Promise<void> {
    const count = await spooling.elasticsearch.count(indexOf(type, node.cluster));
    const { hits } = (await ask('POST', `/${indexOf(type, node.cluster)}/_search`, {
      size: 10_000,
      _source: ['n'],
    })) as { hits: { hits: readonly { readonly _source: { readonly n: number } }[] } };
    const distinct = new Set(hits.hits.map(({ _source }) => _source.n)).size;
    assert.deepEqual([count, distinct], [node.sent[type], node.sent[type]], `${type} of ${node.cluster}`);
  }

  /** Waits until the status names the cause, and checks everything else that it has to say of it. */
  async function named(node: Node, reason: string): Promise<Problem> {
    await eventually(async () => (await spooling.waiting('records', node.cluster)) === BATCH);
    let seen = await planeStatus();
    const errors = () => seen.problems.filter(({ level }) => level === 'error');
    const backlogs = () => seen.managers?.[0]?.status.spool?.backlog ?? [];
    await eventually(async () => {
      seen = await planeStatus();
      // On a busy machine others' records may have been spooled as well, and are on their way.
      return backlogs().length === 1 && errors().length === 1;
    }).catch(() => assert.fail(`not one cause of one backlog: ${JSON.stringify([errors(), backlogs()])}`));
    assert.equal(seen.code, 1);
    const [problem] = errors() as [Problem];
    assert.equal(problem.reason, reason);
    const [{ cluster, type, records, bytes, oldest } = {}] = backlogs();
    assert.deepEqual([cluster, type, records], [node.cluster, 'flows', BATCH]);
    assert.ok(Number(bytes) > BATCH * 100);
    assert.ok(Date.parse(oldest ?? '') > NOW && Date.parse(oldest ?? '') <= Date.now());
    const { stdout } = await status();
    assert.match(stdout, new RegExp(`^${node.cluster} +flow +${BATCH} +\\S+iB +\\S+ +${reason}$`, 'm'));
    const [place = ''] = problem.places;
    for (const part of [problem.message, problem.todo, place.replace(/tried .*/, 'tried ')]) {
      assert.ok(stdout.includes(part), `${part} is not in\n${stdout}`);
    }
    return problem;
  }

  /** The whole story of a cause that meets the flows of one cluster, whose DNS log and whose neighbour go on. */
  async function story(
    name: string,
    { reason, place, todo, isNew = false, shatter, mend }: Cause & { readonly isNew?: boolean },
  ): Promise<void> {
    const node = await newNode(name);
    await node.ship(isNew ? ['dns'] : ['flows', 'dns']);
    await shatter(node);
    try {
      await node.ship();
      await neighbour.ship();
      const problem = await named(node, reason);
      assert.equal(problem.places.length, 1);
      assert.match(problem.places[0] ?? '', place);
      assert.match(problem.todo, todo);
      assert.ok(problem.places[0]?.startsWith(`${name}, flow: `));
      await assertAllThereOnce(node, 'dns');
      for (const type of ['flows', 'dns'] as const) await assertAllThereOnce(neighbour, type);
    } finally {
      await mend(node);
    }
    await spooling.drained(node.cluster);
    await node.ship();
    await spooling.drained(node.cluster);
    for (const type of ['flows', 'dns'] as const) await assertAllThereOnce(node, type);
    assert.equal(await spooling.elasticsearch.count('kubectl_mcm_dead_letters.*'), 0);
    const { code, stdout } = await status();
    assert.doesNotMatch(stdout, /^error/m);
    assert.equal(code, 0, stdout);
  }

  interface Cause {
    readonly reason: string;
    /** What the status says of the place. */
    readonly place: RegExp;
    /** What it says is to be done. */
    readonly todo: RegExp;
    readonly shatter: (node: Node) => Promise<unknown>;
    readonly mend: (node: Node) => Promise<unknown>;
  }

  it('nor into any, since its disk is nearly full indeed: all wait until there is room', async () => {
    const node = await newNode('no-disk');
    await node.ship();
    // Elasticsearch looks at its disk every so often, sets the block itself, and lifts it itself.
    const wanted = async (free: string | null) => {
      const disk = 'cluster.routing.allocation.disk';
      const watermarks = ['low', 'high', 'flood_stage'].map((which) => [`${disk}.watermark.${which}`, free]);
      const persistent = { [`${disk}.threshold_enabled`]: true, 'cluster.info.update.interval': '10s' };
      await ask('PUT', '/_cluster/settings', { persistent: { ...persistent, ...Object.fromEntries(watermarks) } });
    };
    const isReadOnly = async () => {
      const path = `/${node.index('flows')}/_settings?flat_settings=true`;
      return /"index\.blocks\.read_only_allow_delete":"true"/.test(JSON.stringify(await ask('GET', path)));
    };
    await wanted('1000tb');
    await eventually(isReadOnly, 60_000);
    await node.ship();
    await eventually(async () => (await planeStatus()).managers?.[0]?.status.spool?.records === 2 * BATCH);
    await eventually(async () =>
      (await planeStatus()).problems.some(({ reason, places }) => reason === 'DiskWatermark' && places.length === 2),
    );
    await wanted('1b');
    await eventually(async () => !(await isReadOnly()), 60_000);
    await spooling.drained('no-disk');
    await eventually(async () => (await spooling.waiting('records', 'no-disk', 'dns')) === 0, 60_000);
    for (const type of ['flows', 'dns'] as const) await assertAllThereOnce(node, type);
    // From here on others set that block by hand, and it would lift theirs as well.
    await ask('PUT', '/_cluster/settings', { persistent: { 'cluster.info.update.interval': '1h' } });
    // The look that it has in hand comes all the same.
    await ask('PUT', `/${node.index('flows')}/_settings`, { 'index.blocks.read_only_allow_delete': true });
    await eventually(async () => !(await isReadOnly()), 60_000);
  });

  it('since it may have no more shards: named, nothing else waits, and all is there once in the end', async () => {
    const limit = async (shards: number | null) =>
      await ask('PUT', '/_cluster/settings', { persistent: { 'cluster.max_shards_per_node': shards } });
    await story('no-shards', {
      isNew: true,
      reason: 'ShardLimit',
      place: /: tigera_secure_ee_flows\.no-shards\.\d{8}: .*maximum normal shards open;? \(tried \d+s ago\)$/,
      todo: /^raise cluster\.max_shards_per_node .*kubectl mcm retention set.*kubectl mcm layout set shared/,
      shatter: () => limit(1),
      mend: () => limit(null),
    });
  });

  it('since it is closed', async () => {
    await story('closed', {
      reason: 'IndexClosed',
      place: /: tigera_secure_ee_flows\.closed\.\d{8}: closed \(tried \d+s ago\)$/,
      todo: /^open it: POST \/tigera_secure_ee_flows\.closed\.\d{8}\/_open$/,
      shatter: (node) => ask('POST', `/${node.index('flows')}/_close`),
      mend: (node) => ask('POST', `/${node.index('flows')}/_open`),
    });
  });

  it('since its disk is nearly full', async () => {
    const block = (on: boolean | null) => (node: Node) =>
      ask('PUT', `/${node.index('flows')}/_settings`, { 'index.blocks.read_only_allow_delete': on });
    await story('read-only', {
      reason: 'DiskWatermark',
      place: /: tigera_secure_ee_flows\.read-only\.\d{8}: index .* blocked by: .*flood-stage watermark/,
      todo: /^make room .* PUT \/tigera_secure_ee_flows\.read-only\.\d{8}\/_settings/,
      shatter: block(true),
      mend: block(null),
    });
  });

  it('since somebody has set a block', async () => {
    const block = (on: boolean | null) => (node: Node) =>
      ask('PUT', `/${node.index('flows')}/_settings`, { 'index.blocks.write': on });
    await story('blocked', {
      reason: 'IndexBlocked',
      place: /: tigera_secure_ee_flows\.blocked\.\d{8}: index .* blocked by: .*index write/,
      todo: /PUT \/tigera_secure_ee_flows\.blocked\.\d{8}\/_settings \{"index\.blocks\.write": null/,
      shatter: block(true),
      mend: block(null),
    });
  });

  it('since somebody has mapped a field otherwise', async () => {
    await story('mapped', {
      isNew: true,
      reason: 'MappingConflict',
      place:
        /: tigera_secure_ee_flows\.mapped\.\d{8}: .*field bytes_in otherwise: as ip, and it has to be long \(tried \d+s ago\)$/,
      todo: /^delete the index if it is empty: DELETE \/tigera_secure_ee_flows\.mapped\.\d{8}/,
      shatter: (node) =>
        ask('PUT', `/${node.index('flows')}`, { mappings: { properties: { bytes_in: { type: 'ip' } } } }),
      mend: (node) => ask('DELETE', `/${node.index('flows')}`),
    });
  });

  it('since a server that was put before it answers 401', async () => {
    await story('unauthorized', {
      reason: 'Unauthorized',
      place: /^unauthorized, flow: what is in front of Elasticsearch answered 401 \(tried \d+s ago\)$/,
      todo: /--elasticsearch-credentials.*or mend what is in front of Elasticsearch$/,
      shatter: async (node) => {
        front.refuses = ({ body }) => body.includes(node.index('flows'));
      },
      mend: async () => {
        front.refuses = () => false;
      },
    });
  });

  it('nor into any, since that server answers 401 to everything: all wait', async () => {
    const node = await newNode('all-unauthorized');
    await node.ship();
    front.refuses = () => true;
    await node.ship();
    await eventually(async () => (await planeStatus()).problems.some(({ reason }) => reason === 'Unauthorized'));
    const { code, problems, managers } = await planeStatus();
    assert.equal(code, 1);
    const [problem] = problems as [Problem];
    assert.deepEqual(problem.places, ['what is in front of Elasticsearch answered 401']);
    const { backlog = [], records } = managers?.[0]?.status.spool ?? {};
    assert.equal(records, 2 * BATCH);
    assert.deepEqual(backlog.map(({ type }) => type).sort(), ['dns', 'flows']);
    const { stdout } = await status();
    assert.match(stdout, /^all-unauthorized +dns +100 +\S+iB +\S+ +Unauthorized$/m);
    assert.match(stdout, /^Store: +Elasticsearch at http:\/\/127\.0\.0\.1:\d+, Unauthorized$/m);
    front.refuses = () => false;
    await spooling.drained('all-unauthorized');
    await eventually(async () => (await spooling.waiting('records', 'all-unauthorized', 'dns')) === 0);
    for (const type of ['flows', 'dns'] as const) await assertAllThereOnce(node, type);
    await eventually(async () => (await status()).code === 0);
  });

  it('and has been away, it is made to refuse something before it is written to', async () => {
    const node = await newNode('came-back');
    await spooling.elasticsearch.stop('SIGKILL');
    await node.ship();
    const asked: string[] = [];
    front.refuses = ({ method, path }) => {
      asked.push(`${method} ${path.replace(/\?.*/, '')}`);
      return false;
    };
    await spooling.startElasticsearch();
    await spooling.drained('came-back');
    front.refuses = () => false;
    const refusal = asked.indexOf('HEAD /kubectl_mcm_dead_letters.nowhere');
    assert.ok(refusal !== -1 && refusal < asked.indexOf('POST /_bulk'), asked.join('\n'));
    for (const type of ['flows', 'dns'] as const) await assertAllThereOnce(node, type);
  });

  it('"clusters -o wide" shows how much of which cluster waits', async () => {
    const node = await newNode('waiting');
    front.refuses = ({ body }) => body.includes(node.index('flows'));
    await node.ship();
    const row = async () => (await mcm(own.workbench, ['clusters', '-o', 'wide'])).stdout;
    // What has only just come is no state of a cluster.
    await eventually(async () => /^waiting .* 100 \([\d.]+KiB, \d+s\) +0 +<none>$/m.test(await row()), 60_000);
    assert.match(await row(), /^NAME .* SPOOLED +RECONNECTS +LAST ERROR$/m);
    assert.match(await row(), /^neighbour .* 0 +0 +<none>$/m);
    front.refuses = () => false;
    await spooling.drained('waiting');
  });

  it('and has no spool, the uploads are named that are turned away', async () => {
    const node = await newNode('turned-away');
    await node.ship();
    await spooling.manager.stop();
    const turnedAway = async () =>
      (await planeStatus()).problems.find(({ reason }) => reason === 'IndexClosed')?.places ?? [];
    await spooling.startManager([]);
    assert.match((await status()).stdout, /^Spool: +none \(--spool\)$/m);
    assert.deepEqual(await turnedAway(), []);
    await ask('POST', `/${node.index('flows')}/_close`);
    await assert.rejects(node.ship(['flows']));
    const [place = ''] = await turnedAway();
    assert.match(
      place,
      /^turned-away, flow: tigera_secure_ee_flows\.turned-away\.\d{8}: closed \(\d+ uploads turned away\)$/,
    );
    assert.equal((await status()).code, 1);
    await ask('POST', `/${node.index('flows')}/_open`);
    await node.ship(['flows']);
    await assertAllThereOnce(node, 'flows');
  });

  it('and the manager is gone as well, the status says so and shows the rest', async () => {
    await spooling.manager.stop();
    const { code, stdout, stderr } = await status();
    assert.deepEqual([code, stderr], [1, '']);
    assert.match(
      stdout,
      /^Manager: +does not answer\nClusters: +\d+: .*\d+ sending logs without a tunnel.* \(as a manager last said\)$/m,
    );
    assert.match(
      stdout,
      /^error: no manager answers\n {2}Error from server \(ServiceUnavailable\): .+\n {2}To do: start it/m,
    );
  });
});
