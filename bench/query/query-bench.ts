import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeClient } from '../../src/kube/client.ts';
import { loadKubeContext } from '../../src/kube/kubeconfig.ts';
import { Testbed } from '../../testbed/testbed.ts';
import { CLUSTER, PATTERN, storeFlows } from './stored-flows.ts';

/**
 * Of requests by hand. Left to itself, fetch asks for compressed answers, which cost Elasticsearch and this process several
 * milliseconds each and save nothing on one machine; ours asks for none either.
 */
const PLAIN_JSON = { 'content-type': 'application/json', 'accept-encoding': 'identity' };

/** Milliseconds that storing a record takes, or a little more: the newest are as new as a shipper's when they are asked for. */
const STORING = 0.02;

/** Real servers, a manager, and a cluster with so many flows of the last days. */
export class QueryBench {
  readonly testbed: Testbed;
  readonly records: number;
  /** Milliseconds since 1970: no record is newer. */
  readonly now: number;
  /** To kube-apiserver, as a user. */
  readonly client: KubeClient;

  private constructor(testbed: Testbed, records: number, now: number) {
    this.testbed = testbed;
    this.records = records;
    this.now = now;
    this.client = new KubeClient(loadKubeContext({ kubeconfig: testbed.facts.kubeconfig }, {}));
  }

  static async start(records: number, tell: (text: string) => void): Promise<QueryBench> {
    const testbed = await Testbed.start([], tell);
    try {
      const { address, apiAddress, facts } = testbed;
      await testbed.mustKubectl([
        'mcm',
        'install',
        'management',
        '--address',
        address,
        '--external-manager',
        apiAddress,
      ]);
      await testbed.startManager();
      await testbed.mustKubectl(['mcm', 'add-cluster', CLUSTER, '-o', join(testbed.directory, 'asked.yaml')]);
      const now = Math.floor((Date.now() + records * STORING) / 1000) * 1000;
      await storeFlows(facts.elasticsearchUrl, records, now, tell);
      await sleep(Math.max(now - Date.now(), 0));
      return new QueryBench(testbed, records, now);
    } catch (error) {
      await testbed.stop();
      throw error;
    }
  }

  /** What somebody sends Elasticsearch who writes queries by hand; for all days. */
  async raw<T>(body: object): Promise<T> {
    const response = await fetch(`${this.testbed.facts.elasticsearchUrl}/${PATTERN}/_search`, {
      method: 'POST',
      headers: PLAIN_JSON,
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`Elasticsearch answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }

  /** Has Elasticsearch forget what it answered to questions that count. */
  async forgetAnswers(): Promise<void> {
    const url = `${this.testbed.facts.elasticsearchUrl}/${PATTERN}/_cache/clear?request=true`;
    const response = await fetch(url, { method: 'POST' });
    if (!response.ok) throw new Error(`Elasticsearch answered ${response.status}: ${await response.text()}`);
    await response.arrayBuffer();
  }

  async stop(): Promise<void> {
    await this.testbed.stop();
  }
}
