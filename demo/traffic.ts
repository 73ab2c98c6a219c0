import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import type { ClusterFacts } from '../testbed/kubernetes/cluster.ts';
import { freePorts } from '../testbed/processes.ts';
import type { Testbed } from '../testbed/testbed.ts';
import { sendAsGoldmane } from './goldmane.ts';
import { say } from './narration.ts';

/** What a managed cluster sends: the log files of one of its nodes, and flows as Goldmane sends them. */
export class ClusterTraffic {
  readonly cluster: ClusterFacts;
  readonly flow: string;
  readonly dns: string;
  readonly audit: string;
  readonly state: string;
  #seed: number;
  /** Where Goldmane would connect. */
  #agentPort = 0;
  readonly #written = { flow: 0, dns: 0, audit: 0 };

  constructor(cluster: ClusterFacts, seed: number) {
    this.cluster = cluster;
    this.flow = join(cluster.directory, 'flows.log');
    this.dns = join(cluster.directory, 'dns.log');
    this.audit = cluster.auditLog;
    this.state = join(cluster.directory, 'forwarder');
    this.#seed = seed;
  }

  /** Appends generated records whose times lie between `from` and `to`. */
  append(counts: { readonly flow: number; readonly dns: number }, from: number, to: number): void {
    const seed = this.#seed++;
    const lines = (records: Iterable<string>) => `${[...records].join('\n')}\n`;
    this.#written.flow += counts.flow;
    this.#written.dns += counts.dns;
    appendFileSync(this.flow, lines(generateFlows({ seed, count: counts.flow, from, to })));
    appendFileSync(this.dns, lines(generateDns({ seed, count: counts.dns, from, to })));
  }

  /**
   * Starts the cluster's end of the tunnel, once add-cluster has written its manifest; resolves when it is connected.
   */
  async startAgent(testbed: Testbed): Promise<void> {
    const { name } = this.cluster;
    const manifest = this.#manifest(testbed);
    while (!existsSync(manifest) || readFileSync(manifest, 'utf8') === '') await sleep(100);
    const [port = 0] = await freePorts(1);
    this.#agentPort = port;
    say(
      `\n$ kubectl mcm agent --credentials ${name}.yaml --context ${name} --listen 127.0.0.1:${port}   (in the background)`,
    );
    const agent = testbed.startAgent({
      context: name,
      manifest,
      logName: name,
      flags: ['--listen', `127.0.0.1:${port}`],
    });
    await agent.untilReady(async () => readFileSync(agent.logFile, 'utf8').includes('"msg":"connected"'));
  }

  /** Sends flows through the tunnel. */
  async sendAsGoldmane(testbed: Testbed, count: number, from: number, to: number): Promise<void> {
    const manifest = this.#manifest(testbed);
    await sendAsGoldmane({ port: this.#agentPort, manifest, seed: this.#seed++, count, from, to });
  }

  #manifest(testbed: Testbed): string {
    return join(testbed.directory, `${this.cluster.name}.yaml`);
  }

  /** Counts the audit records there are before a run of the forwarder, which must send these at least. */
  countAudit(): void {
    this.#written.audit = linesIn(readFileSync(this.audit));
  }

  /**
   * Records of each type that a run of the forwarder had to send: as many as were written, and of the audit log, which
   * the API server goes on writing, those up to where the run found the file's end. @throws Error when it stopped before
   */
  recordsToSend(): ReadonlyMap<string, number> {
    const { positions } = JSON.parse(readFileSync(join(this.state, 'checkpoint.json'), 'utf8')) as {
      positions: { path: string; offset: number }[];
    };
    const { flow, dns, audit: least } = this.#written;
    const end = positions.find(({ path }) => path === this.audit)?.offset ?? 0;
    const audit = linesIn(readFileSync(this.audit).subarray(0, end));
    if (audit < least) throw new Error(`only ${audit} of ${least} audit records of ${this.cluster.name} were sent`);
    return new Map([
      ['flows', flow],
      ['dns', dns],
      ['audit_kube', audit],
    ]);
  }
}

function linesIn(bytes: Buffer): number {
  return bytes.toString('latin1').split('\n').length - 1;
}

/** Work that leaves its mark in a managed cluster's own audit log. */
export async function makeAuditTraffic(testbed: Testbed, { name }: ClusterFacts): Promise<void> {
  const kubectl = (...args: string[]) => testbed.mustKubectl(['--context', name, ...args]);
  await kubectl('create', 'namespace', 'store');
  await kubectl('create', 'configmap', 'release', '-n', 'store', '--from-literal=version=1.42');
  await kubectl('get', 'namespaces');
  const policy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'redis-only', namespace: 'store' },
    spec: { podSelector: { matchLabels: { app: 'redis' } }, policyTypes: ['Ingress'], ingress: [] },
  };
  await testbed.mustKubectl(['--context', name, 'apply', '-f', '-'], { input: JSON.stringify(policy) });
  await kubectl('delete', 'configmap', 'release', '-n', 'store');
}
