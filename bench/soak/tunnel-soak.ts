import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ManagedClusterStatus } from '../../src/clusters/managed-cluster.ts';
import { CA_DNS_NAME, CA_SECRET } from '../../src/install/management.ts';
import { readKeyPair } from '../../src/install/read-key-pair.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { loadKubeContext } from '../../src/kube/kubeconfig.ts';
import type { ServerProcess } from '../../testbed/processes.ts';
import type { ManagerPorts, Workbench } from '../../testbed/testbed.ts';
import { atLeast, atMost, exactly, type Finding, told } from './finding.ts';
import { Fleet, type FleetState } from './fleet.ts';
import { type Holdings, ManagerGauges } from './manager-gauges.ts';
import { RegisteredClusters } from './registered-clusters.ts';
import { storedFlows } from './stored-flows.ts';
import { sum } from './sum.ts';

export interface SoakOptions {
  readonly workbench: Workbench;
  readonly ports: ManagerPorts;
  /** Starts one in which an Inspector is let. */
  readonly startManager: () => Promise<ServerProcess>;
  readonly agents: number;
  /** How many of the clusters send flows. */
  readonly senders: number;
  /** How long connections are disturbed. */
  readonly seconds: number;
  /** Connections that are cut, and as many that are delayed and that are frozen, a second. */
  readonly faultsPerSecond: number;
  /** Seconds of rest before it is measured what the manager holds, and over which is measured what it uses. */
  readonly rest: number;
  /** Seconds in which all must connect. */
  readonly patience: number;
  readonly prefix: string;
  readonly tell: (text: string) => void;
}

/** Seconds in which either end must have given up a connection through which nothing comes. */
const NOTICED = 15;

/** Clusters that the manager asks for their facts a second. */
const FACTS_PER_SECOND = 20;

/** Seconds for the last flows to be answered: Goldmane may be in a pause of 30. */
const FLOWS_PATIENCE = 90;

/** What the manager may hold more of after the faults, while nothing leaks. */
const MORE = 1.05;
const MORE_MEGABYTES = { heap: 5, resident: 20 };
const MORE_DESCRIPTORS = 20;

/** Tunnels that may end beyond those cut or frozen: of an agent that gave up dialling just when it was accepted. */
const MORE_ENDED = { factor: 1.1, tunnels: 5 };

/**
 * A fleet connects to a manager all at once; again after the manager was killed; and stays connected while its
 * connections are cut, delayed and frozen and flows go through them. Resolves with what was measured, and leaves nothing
 * behind but the clusters' records.
 */
export async function soakTunnels(options: SoakOptions): Promise<Finding[]> {
  const { workbench, tell, agents, senders, prefix, ports } = options;
  const client = new KubeClient(loadKubeContext({ kubeconfig: workbench.facts.kubeconfig }, {}), { timeout: 60_000 });
  const ca = await readKeyPair(client, CA_SECRET, AbortSignal.timeout(10_000));
  if (ca === undefined) throw new Error('the management cluster is not installed');
  const fleet = await Fleet.start({
    ...{ agents, senders, prefix, serverName: CA_DNS_NAME },
    manager: `127.0.0.1:${ports.clusters}`,
    ca: ca.certificate,
  });
  const manager = await options.startManager();
  let registered: RegisteredClusters | undefined;
  try {
    tell(`registering ${agents} clusters`);
    registered = await RegisteredClusters.create(client, fleet.clusters);
    const soak = new TunnelSoak(options, fleet, registered, manager);
    return await soak.run();
  } finally {
    await fleet.stop();
    await registered?.remove();
  }
}

type IsSo = (status: ManagedClusterStatus) => boolean;

class TunnelSoak {
  readonly #options: SoakOptions;
  readonly #fleet: Fleet;
  readonly #registered: RegisteredClusters;
  readonly #findings: Finding[] = [];
  #manager: ServerProcess;
  #gauges: ManagerGauges;

  constructor(options: SoakOptions, fleet: Fleet, registered: RegisteredClusters, manager: ServerProcess) {
    this.#options = options;
    this.#fleet = fleet;
    this.#registered = registered;
    this.#manager = manager;
    this.#gauges = new ManagerGauges(manager, options.ports.health);
  }

  async run(): Promise<Finding[]> {
    try {
      await this.#firstConnect();
      await this.#fleet.makeFlows(true);
      await this.#kill();
      await this.#faults();
      await this.#countFlows();
      await this.#idle();
    } finally {
      await this.#manager.stop();
    }
    return this.#findings;
  }

  async #firstConnect(): Promise<void> {
    const { tell, agents, patience } = this.#options;
    const isKnown: IsSo = ({ conditions }) => conditions !== undefined;
    const known = await this.#registered.untilAll('known to the manager', isKnown, patience);
    tell(`the manager has written a first status of each, ${known.toFixed(1)} s after the last was registered`);
    const cpu = this.#gauges.cpuSeconds();
    await this.#fleet.connect();
    const started = performance.now();
    const seconds = await this.#untilConnected();
    tell(`all connected after ${seconds.toFixed(1)} s`);
    const statuses = await this.#untilShown(started, () => true);
    this.#findings.push(
      atMost(`all ${agents} connected`, seconds, patience, 's'),
      told('dials that failed by then', failuresOf(await this.#fleet.state())),
      atMost('all shown as connected', statuses, patience, 's'),
      told('CPU of the manager by then', this.#gauges.cpuSeconds() - cpu, 's'),
    );
  }

  async #idle(): Promise<void> {
    const { rest } = this.#options;
    this.#findings.push(told('CPU while nothing but pings comes', await this.#gauges.cpuShare(rest), '% of a core'));
  }

  async #kill(): Promise<void> {
    const { startManager, tell, agents, patience, ports } = this.#options;
    tell('killing the manager');
    const failuresBefore = failuresOf(await this.#fleet.state());
    const [killed, killedAt] = [performance.now(), Date.now()];
    await this.#manager.stop('SIGKILL');
    this.#manager = await startManager();
    this.#gauges = new ManagerGauges(this.#manager, ports.health);
    const ready = (performance.now() - killed) / 1000;
    const seconds = ready + (await this.#untilConnected());
    tell(`all connected again after ${seconds.toFixed(1)} s`);
    // Written to the second.
    const since: IsSo = (status) => Date.parse(status.connection?.since ?? '') >= killedAt - 1_000;
    const statuses = await this.#untilShown(killed, since);
    this.#findings.push(
      told('killed; the new manager is ready after', ready, 's'),
      atMost(`all ${agents} connected again`, seconds, patience, 's'),
      told('dials that failed by then', failuresOf(await this.#fleet.state()) - failuresBefore),
      atMost('all shown as connected again', statuses, patience, 's'),
    );
  }

  async #faults(): Promise<void> {
    const { tell, agents, rest, seconds, faultsPerSecond } = this.#options;
    // By then the manager has asked each cluster for its facts, and holds all that it will.
    await sleep(Math.max(rest, agents / FACTS_PER_SECOND) * 1000);
    const before = await this.#gauges.holdings();
    const endedBefore = sum(await this.#gauges.byLabel('kubectl_mcm_tunnels_closed_total'));
    tell(`disturbing connections for ${seconds} s; before: ${JSON.stringify(before)}`);
    await this.#fleet.disturb(faultsPerSecond);
    await this.#watch(seconds / 2);
    const halfway = await this.#gauges.holdings();
    await this.#watch(seconds / 2);
    await this.#fleet.disturb(0);
    const again = await this.#untilConnected();
    await this.#untilNoticed();
    await sleep(rest * 1000);
    const after = await this.#gauges.holdings();
    const { faults } = await this.#fleet.state();
    this.#findings.push(
      told('connections cut', faults.cut),
      told('connections delayed', faults.delayed),
      told('connections frozen', faults.frozen),
      exactly('frozen ones that the manager noticed', faults.manager.count, faults.frozen),
      told('the manager noticed after, median', faults.manager.median, 's'),
      atMost('the manager noticed after, longest', faults.manager.longest, NOTICED, 's'),
      exactly('frozen ones that agents noticed', faults.agents.count, faults.frozen),
      atMost('agents noticed after, longest', faults.agents.longest, NOTICED, 's'),
      atMost('all connected after the last fault', again, this.#options.patience, 's'),
      ...(await this.#ends(endedBefore, faults.cut + faults.frozen)),
      ...growth(before, halfway, after),
    );
  }

  async #watch(seconds: number): Promise<void> {
    for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
      await sleep(Math.min(10_000, end - performance.now()));
      this.#checkManager();
      const { agents, faults } = await this.#fleet.state();
      this.#options.tell(`${agents.connected} connected; ${faults.cut} cut, ${faults.frozen} frozen`);
    }
  }

  /** Why tunnels ended, as the manager counts it since it was started; and how many did during so many faults. */
  async #ends(before: number, faults: number): Promise<Finding[]> {
    const opened = await this.#gauges.metric('kubectl_mcm_tunnels_opened_total');
    const open = await this.#gauges.metric('kubectl_mcm_tunnels');
    const closed = await this.#gauges.byLabel('kubectl_mcm_tunnels_closed_total');
    const ended = sum(closed);
    const { protocol = 0, ...others } = closed;
    return [
      atMost('tunnels that ended', ended - before, faults * MORE_ENDED.factor + MORE_ENDED.tunnels),
      ...Object.entries(others).map(([reason, count]) => told(`ended since the manager was started: ${reason}`, count)),
      exactly('ended since the manager was started: protocol', protocol, 0),
      exactly('opened, and neither open nor ended', opened - open - ended, 0),
    ];
  }

  async #countFlows(): Promise<void> {
    const { tell, workbench, prefix } = this.#options;
    await this.#fleet.makeFlows(false);
    tell('waiting for the last flows');
    const deadline = performance.now() + FLOWS_PATIENCE * 1000;
    let { flows } = await this.#fleet.state();
    while (flows.answered + flows.dropped < flows.made && performance.now() < deadline) {
      await sleep(500);
      ({ flows } = await this.#fleet.state());
    }
    const { documents, different, deadLetters } = await storedFlows(workbench.elasticsearch, prefix);
    this.#findings.push(
      atLeast('flows made', flows.made, 1),
      told('posts', flows.posts),
      told('posts that broke off, and were sent again', flows.broken),
      told('posts that were turned away, and were sent again', flows.refused),
      exactly('flows not answered', flows.made - flows.answered, 0),
      exactly('flows lost', flows.made - different, 0),
      exactly('flows stored twice', documents - different, 0),
      exactly('flows set aside', deadLetters, 0),
    );
  }

  /** Seconds until the manager has as many tunnels as there are agents, and each agent says so too. */
  async #untilConnected(): Promise<number> {
    const { agents, patience } = this.#options;
    const started = performance.now();
    for (;;) {
      this.#checkManager();
      const [tunnels, { agents: ours }] = [await this.#gauges.metric('kubectl_mcm_tunnels'), await this.#fleet.state()];
      const seconds = (performance.now() - started) / 1000;
      if (tunnels === agents && ours.connected === agents) return seconds;
      if (seconds > patience) {
        const failures = JSON.stringify(ours.failures);
        throw new Error(
          `after ${patience} s the manager has ${tunnels} tunnels of ${agents}; dials failed: ${failures}`,
        );
      }
      await sleep(250);
    }
  }

  /** Seconds since `started` until every object says that its cluster is connected. */
  async #untilShown(started: number, isSo: IsSo): Promise<number> {
    const isShown: IsSo = (status) => status.phase === 'Connected' && isSo(status);
    await this.#registered.untilAll('shown as connected', isShown, this.#options.patience);
    const seconds = (performance.now() - started) / 1000;
    const { workbench, prefix, agents } = this.#options;
    const table = await workbench.mustKubectl(['get', 'managedclusters', '--no-headers']);
    const shown = table.split('\n').filter((line) => line.startsWith(`${prefix}-`) && / Connected /.test(line)).length;
    if (shown !== agents) throw new Error(`kubectl shows ${shown} of ${agents} as connected`);
    return seconds;
  }

  #checkManager(): void {
    if (this.#manager.running) return;
    throw new Error(
      `the manager has ended; its log ends with:\n${readFileSync(this.#manager.logFile, 'utf8').slice(-3000)}`,
    );
  }

  async #untilNoticed(): Promise<void> {
    for (const deadline = performance.now() + 2 * NOTICED * 1000; performance.now() < deadline; await sleep(500)) {
      const { manager, agents } = (await this.#fleet.state()).faults;
      if (manager.waiting === 0 && agents.waiting === 0) return;
    }
  }
}

function failuresOf({ agents }: FleetState): number {
  return sum(agents.failures);
}

/**
 * Heap, descriptors and handles are counted by the piece. Resident memory is not given back by the allocator: under the
 * first faults it grows to what they need at once, and what leaks shows in the second half of them.
 */
function growth(before: Holdings, halfway: Holdings, after: Holdings): Finding[] {
  return [
    told('heap before', before.heap, 'MB'),
    atMost('heap after', after.heap, before.heap * MORE + MORE_MEGABYTES.heap, 'MB'),
    told('resident before', before.resident, 'MB'),
    told('resident halfway', halfway.resident, 'MB'),
    atMost('resident after', after.resident, halfway.resident * MORE + MORE_MEGABYTES.resident, 'MB'),
    told('open descriptors before', before.descriptors),
    atMost('open descriptors after', after.descriptors, before.descriptors + MORE_DESCRIPTORS),
    told('handles before', before.handles),
    atMost('handles after', after.handles, before.handles + MORE_DESCRIPTORS),
  ];
}
