import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateDns } from '../fixtures/generate-dns.ts';
import { generateFlows } from '../fixtures/generate-flows.ts';
import type { ClusterFacts } from '../testbed/kubernetes/cluster.ts';
import type { Testbed } from '../testbed/testbed.ts';

/** The log files of one node of a managed cluster. */
export class NodeLogs {
  readonly cluster: ClusterFacts;
  readonly flow: string;
  readonly dns: string;
  readonly audit: string;
  readonly state: string;
  #seed: number;

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
    appendFileSync(this.flow, lines(generateFlows({ seed, count: counts.flow, from, to })));
    appendFileSync(this.dns, lines(generateDns({ seed, count: counts.dns, from, to })));
  }

  /** Records of each type up to where a run of the forwarder got: complete lines before its checkpoint. */
  recordsShipped(): ReadonlyMap<string, number> {
    const { positions } = JSON.parse(readFileSync(join(this.state, 'checkpoint.json'), 'utf8')) as {
      positions: { type: string; path: string; offset: number }[];
    };
    return new Map(
      positions.map(({ type, path, offset }) => {
        const lines = readFileSync(path).subarray(0, offset).toString('latin1').split('\n');
        return [type, lines.length - 1];
      }),
    );
  }
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
