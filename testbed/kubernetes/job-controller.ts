import { setTimeout as sleep } from 'node:timers/promises';
import { RESTORE_JOB } from '../../src/install/address-config.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import type { KubeObject } from '../../src/kube/objects.ts';
import type { Workbench } from '../testbed.ts';
import { Pod } from './pod.ts';

const INTERVAL = 200;

interface Job extends KubeObject {
  readonly spec: { readonly suspend?: boolean };
}

/**
 * Plays the Job controller, and kubelet, for the Job that restores the address of a managed cluster: while it is not
 * suspended its pod runs, and its status says so; once it is suspended the pod is ended.
 */
export class JobController {
  /** Every pod that it has started, the last one last. */
  readonly pods: Pod[] = [];
  /** Whether there is a node for pods. */
  schedules = true;
  readonly #workbench: Workbench;
  readonly #context: string;
  readonly #client: KubeClient;
  readonly #stopped = new AbortController();
  readonly #ended: Promise<void>;
  #running: Pod | undefined;

  constructor(workbench: Workbench, context: string) {
    this.#workbench = workbench;
    this.#context = context;
    this.#client = workbench.client(context);
    this.#ended = this.#run();
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#ended;
    await this.#running?.stop();
  }

  /** As when the pod's node is lost: it runs no more, and is replaced. */
  async losePod(): Promise<void> {
    await this.#running?.process.stop('SIGKILL');
    this.#running = undefined;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#look();
      await sleep(INTERVAL, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const job = await this.#client.find<Job>(RESTORE_JOB);
    const runs = job !== undefined && job.spec.suspend !== true;
    if (runs && this.#running === undefined && this.schedules) {
      const { name, namespace } = RESTORE_JOB.metadata;
      const options = { context: this.#context, namespace, workload: `job/${name}` };
      this.#running = await Pod.start(this.#workbench, options);
      this.pods.push(this.#running);
      await this.#report({ active: 1, ready: 1 });
    } else if (!runs && this.#running !== undefined) {
      await this.#running.stop();
      this.#running = undefined;
      if (job !== undefined) await this.#report({ active: 0, ready: 0 });
    }
  }

  async #report(status: object): Promise<void> {
    const { name, namespace } = RESTORE_JOB.metadata;
    const patch = ['patch', `job/${name}`, '-n', namespace, '--subresource=status', '--type=merge', '-p'];
    await this.#workbench.mustKubectl(['--context', this.#context, ...patch, JSON.stringify({ status })]);
  }
}
