import { rmSync } from 'node:fs';
import { connectionManifest } from '../../clusters/connection-manifest.ts';
import { managedCluster } from '../../clusters/managed-cluster.ts';
import { messageOf, UserError } from '../../errors.ts';
import { applyAll } from '../../install/apply.ts';
import type { KubeClient } from '../../kube/client.ts';
import { objectName } from '../../kube/objects.ts';
import type { Io } from '../command.ts';
import { createCluster } from '../connection/create-cluster.ts';
import { ManifestFile } from '../connection/manifest-file.ts';
import { registration } from '../connection/registration.ts';
import { inParallel } from '../in-parallel.ts';
import { formatTable, plural, toYaml } from '../print.ts';
import { type FileOptions, type ListedCluster, readClustersFile, requireNone } from './clusters-file.ts';
import { Journal } from './journal.ts';
import { type PreparedCluster, Preparer } from './prepare.ts';

export interface AddClustersOptions extends FileOptions {
  /** Path of the CSV file. */
  readonly file: string;
  /** So many clusters at once. */
  readonly parallel: number;
  readonly management: KubeClient;
  readonly connectTo: (context: string) => KubeClient;
  /** Waits until a cluster is connected to which the manifest was applied; undefined to wait for none. */
  readonly untilConnected: ((name: string, managed: KubeClient) => Promise<void>) | undefined;
  readonly io: Io;
}

/** What became of a cluster. */
type Result = 'created' | 'applied' | 'connected' | 'unchanged' | 'failed';

/**
 * Adds every cluster of a file. A bad line, or a cluster that cannot be added, is told before anything is changed; what
 * fails later leaves the others alone. Run again it goes on where it was ended. Resolves with the exit code.
 */
export async function addClusters(options: AddClustersOptions): Promise<number> {
  const { parallel, io } = options;
  const listed = readClustersFile(options.file, options);
  const journal = Journal.open(options.directory);
  try {
    const prepared = await prepareAll(listed, journal, options);
    const addition = new Addition(journal, options);
    const results = await inParallel(prepared, { parallel, signal: io.signal }, (one) => addition.tryTo(one));
    return summarize(results, options);
  } finally {
    journal.close();
  }
}

async function prepareAll(
  listed: readonly ListedCluster[],
  journal: Journal,
  options: AddClustersOptions,
): Promise<readonly PreparedCluster[]> {
  const { management, connectTo, parallel, io } = options;
  const preparer = await Preparer.create({ management, connectTo, journal, signal: io.signal });
  const prepared = await inParallel(listed, { parallel, signal: io.signal }, async (one) => {
    try {
      return await preparer.prepare(one);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { line: one.line, message: error.message.replace(/^error: /, '') };
    }
  });
  requireNone(
    options.file,
    prepared.filter((one) => 'message' in one),
  );
  return prepared.filter((one) => 'listed' in one);
}

/** Writes what was prepared, in the order in which no kill loses a key: on disk first, then registered, then applied. */
class Addition {
  readonly #journal: Journal;
  readonly #options: AddClustersOptions;

  constructor(journal: Journal, options: AddClustersOptions) {
    this.#journal = journal;
    this.#options = options;
  }

  async tryTo(prepared: PreparedCluster): Promise<Result> {
    const { name, line } = prepared.listed;
    const { io } = this.#options;
    try {
      const result = await this.#add(prepared);
      io.out.write(`${objectName(managedCluster(name, {}))} ${result}\n`);
      return result;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      io.err.write(`line ${line}: ${name}: ${messageOf(error)}\n`);
      return 'failed';
    }
  }

  async #add(prepared: PreparedCluster): Promise<Result> {
    const result = await this.#write(prepared);
    const { managed, listed } = prepared;
    if (managed === undefined || this.#options.untilConnected === undefined) return result;
    await this.#options.untilConnected(listed.name, managed);
    return 'connected';
  }

  async #write({ listed, connection, managed, done }: PreparedCluster): Promise<Result> {
    if (connection === undefined) return 'unchanged';
    const { signal } = this.#options.io;
    const manifest = connectionManifest(connection);
    if (done === undefined) this.#writeManifest(listed, toYaml(manifest));
    if (done !== 'registered') {
      const wanted = registration(listed.name, connection, listed.labels);
      await createCluster(this.#options.management, wanted, { dryRun: false, signal });
      this.#journal.note(listed.name, 'registered');
    }
    if (managed === undefined) return 'created';
    await applyAll(managed, manifest, { dryRun: false, signal, onApplied: () => undefined });
    this.#journal.note(listed.name, 'applied');
    return done === 'registered' ? 'applied' : 'created';
  }

  #writeManifest({ name, manifest }: ListedCluster, text: string): void {
    // What is there is an earlier run's: half a manifest, or one with which nothing was registered.
    if (this.#journal.stepOf(name) !== undefined) rmSync(manifest, { force: true });
    this.#journal.note(name, 'begun');
    const file = ManifestFile.reserve(manifest);
    file?.write(text);
    this.#journal.note(name, 'written');
  }
}

const MEANINGS: Readonly<Record<Result, string>> = {
  created: 'registered, with a manifest',
  applied: 'registered by an earlier run, the manifest applied by this one',
  connected: 'connected by now',
  unchanged: 'added by an earlier run',
  failed: 'see above',
};

function summarize(results: readonly Result[], { io, directory }: AddClustersOptions): number {
  const counts = (Object.keys(MEANINGS) as Result[]).flatMap((result) => {
    const count = results.filter((one) => one === result).length;
    return count === 0 ? [] : [[result.toUpperCase(), String(count), MEANINGS[result]]];
  });
  io.out.write(`\n${formatTable(['RESULT', 'CLUSTERS', 'MEANING'], counts)}`);
  const failed = results.filter((result) => result === 'failed').length;
  if (failed > 0)
    io.err.write(`${plural(failed, 'cluster')} failed: mend what is said above, and run the same again\n`);
  else
    io.err.write(
      `The manifests are in ${directory}, with the only private keys there are.\nNext: kubectl mcm clusters\n`,
    );
  return failed > 0 ? 1 : 0;
}
