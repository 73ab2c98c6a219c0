import { existsSync } from 'node:fs';
import { type ConnectionOptions, connectionManifest } from '../../clusters/connection-manifest.ts';
import { readForwarderCredentials } from '../../clusters/forwarder-credentials.ts';
import { MANAGED_CLUSTERS_PATH, type ManagedCluster } from '../../clusters/managed-cluster.ts';
import { readTunnelCredentials } from '../../clusters/tunnel-credentials.ts';
import { UserError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { KubeList } from '../../kube/objects.ts';
import { createCluster } from '../connection/create-cluster.ts';
import { requireConnectedAs } from '../connection/managed-side.ts';
import { managementSide, newConnection } from '../connection/new-connection.ts';
import { registration } from '../connection/registration.ts';
import { rehearse } from '../connection/rehearse.ts';
import type { ListedCluster } from './clusters-file.ts';
import type { Journal, Step } from './journal.ts';

/** A cluster, and what is left to do for it. */
export interface PreparedCluster {
  readonly listed: ListedCluster;
  readonly managed: KubeClient | undefined;
  /** What it connects with; undefined where nothing is left to do. */
  readonly connection: ConnectionOptions | undefined;
  /** How far an earlier run has come with this connection. */
  readonly done: 'written' | 'registered' | undefined;
}

export interface PreparerOptions {
  readonly management: KubeClient;
  /** The cluster of a context. @throws UserError where the kubeconfig has none of that name. */
  readonly connectTo: (context: string) => KubeClient;
  readonly journal: Journal;
  readonly signal: AbortSignal;
}

/** Makes ready what can be added, and finds what cannot, before anything is changed. */
export class Preparer {
  readonly #options: PreparerOptions;
  readonly #side: Pick<ConnectionOptions, 'address' | 'ca'>;
  readonly #registered: ReadonlyMap<string, ManagedCluster>;

  private constructor(
    options: PreparerOptions,
    side: Pick<ConnectionOptions, 'address' | 'ca'>,
    registered: ReadonlyMap<string, ManagedCluster>,
  ) {
    this.#options = options;
    this.#side = side;
    this.#registered = registered;
  }

  /** @throws UserError where it is no management cluster. */
  static async create(options: PreparerOptions): Promise<Preparer> {
    const { management, signal } = options;
    const side = await managementSide(management, signal);
    const { items } = await management.get<KubeList<ManagedCluster>>(MANAGED_CLUSTERS_PATH, { signal });
    return new Preparer(options, side, new Map(items.map((one) => [one.metadata.name, one])));
  }

  /** @throws UserError that says why the cluster cannot be added. */
  async prepare(listed: ListedCluster): Promise<PreparedCluster> {
    const { management, connectTo, signal } = this.#options;
    const { name, context, operatorNamespace, labels } = listed;
    const managed = context === undefined ? undefined : connectTo(context);
    const { connection: found, done } = this.#found(listed);
    if (done === 'applied') return { listed, managed, connection: undefined, done: undefined };
    const connection = found ?? (await newConnection(this.#side, name, operatorNamespace));
    if (done === 'registered') {
      if (managed !== undefined) await requireConnectedAs(managed, name, operatorNamespace, signal);
      return { listed, managed, connection, done };
    }
    await createCluster(management, registration(name, connection, labels), { dryRun: true, signal });
    if (managed !== undefined) await rehearse(managed, connectionManifest(connection), signal);
    return { listed, managed, connection, done };
  }

  #found(listed: ListedCluster): { readonly done?: Exclude<Step, 'begun'>; readonly connection?: ConnectionOptions } {
    const { name, manifest, context } = listed;
    const step = this.#options.journal.stepOf(name);
    const registered = this.#registered.get(name);
    if (registered !== undefined) {
      // Then its manifest may have been moved away, and its keys replaced.
      if (step === 'applied' || (step === 'registered' && context === undefined)) return { done: 'applied' };
      const connection = readConnection(listed);
      if (connection === undefined || !speaksFor(connection, registered)) {
        throw new UserError(`a ManagedCluster "${name}" is there already, with other keys than those in ${manifest}`);
      }
      return context === undefined ? { done: 'applied' } : { done: 'registered', connection };
    }
    if (step === 'begun' || !existsSync(manifest)) return {};
    if (step === undefined) throw new UserError(`cannot write ${manifest}: file exists`);
    if (step !== 'written') {
      throw new UserError(`"${name}" was added before and is gone; to add it anew, delete ${manifest}`);
    }
    const connection = readConnection(listed);
    const isOfToday = connection?.address === this.#side.address && connection.ca === this.#side.ca;
    return isOfToday ? { done: 'written', connection } : {};
  }
}

function speaksFor(connection: ConnectionOptions, { metadata, spec }: ManagedCluster): boolean {
  return registration(metadata.name, connection, {}).spec.certificate === spec.certificate;
}

/** What an earlier run has written; undefined where it cannot be read. */
function readConnection({ manifest, operatorNamespace }: ListedCluster): ConnectionOptions | undefined {
  try {
    const forwarder = readForwarderCredentials(manifest);
    const { address, ca } = forwarder;
    return { address, ca, operatorNamespace, tunnel: readTunnelCredentials(manifest), forwarder };
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
