import { NAMESPACE } from '../clusters/managed-cluster.ts';
import { UserError } from '../errors.ts';
import { LOGS_CONFIG, LOGS_KEYS } from '../install/management.ts';
import type { KubeClient } from '../kube/client.ts';
import { type ConfigMap, objectName } from '../kube/objects.ts';
import { writeAsRead } from '../kube/write-as-read.ts';
import type { FlagSpec, Io } from './command.ts';
import { DRY_RUN_FLAG, DRY_RUN_SUFFIX } from './dry-run.ts';
import { toYaml } from './print.ts';

/** Flags of commands that change one of our objects. */
export const CHANGE_FLAGS = {
  ...DRY_RUN_FLAG,
  output: {
    type: 'string',
    short: 'o',
    value: 'yaml',
    choices: ['yaml'],
    description: 'Print the object itself.',
  },
} as const satisfies Record<string, FlagSpec>;

export interface ChangeFlags {
  readonly 'dry-run': string;
  readonly output: string | undefined;
}

/** The ConfigMap in which the store is configured. @throws UserError where there is none. */
export async function readStoreConfig(client: KubeClient, signal: AbortSignal): Promise<ConfigMap> {
  const metadata = { name: LOGS_CONFIG, namespace: NAMESPACE };
  const config = await client.find<ConfigMap>({ apiVersion: 'v1', kind: 'ConfigMap', metadata }, { signal });
  if (config !== undefined) return config;
  throw new UserError(`error: configmap/${LOGS_CONFIG} is not in namespace ${NAMESPACE}`, {
    hint: 'This is no management cluster (kubectl mcm install management --help), or one of an older version (kubectl mcm upgrade)',
  });
}

/**
 * Writes one text of the ConfigMap that was read, without the text where it is undefined, and tells what became of it.
 * @throws UserError when somebody else has changed the ConfigMap since.
 */
export async function writeStoreConfig(
  client: KubeClient,
  config: ConfigMap,
  key: keyof typeof LOGS_KEYS,
  text: string | undefined,
  flags: ChangeFlags,
  io: Io,
): Promise<ConfigMap> {
  const { name, namespace } = config.metadata;
  const metadata = { name, ...(namespace && { namespace }) };
  const data = text === undefined ? {} : { [LOGS_KEYS[key]]: text };
  const wanted = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
  const dryRun = flags['dry-run'];
  let object: ConfigMap = wanted;
  let outcome = config.data?.[key] === text ? 'unchanged' : 'configured';
  if (dryRun !== 'client') {
    // Each text has an owner of its own, and what this owner leaves out is taken away.
    const options = { fieldManager: `kubectl-mcm-${key}`, force: true, dryRun: dryRun === 'server', signal: io.signal };
    const write = async (resourceVersion: string | undefined) =>
      await client.apply<ConfigMap>(
        { ...wanted, metadata: { ...metadata, ...(resourceVersion && { resourceVersion }) } },
        options,
      );
    ({ object, outcome } = await writeAsRead(config, write, {
      read: () => readStoreConfig(client, io.signal),
      isSame: (current) => current.data?.[LOGS_KEYS[key]] === config.data?.[LOGS_KEYS[key]],
    }));
  }
  if (flags.output !== undefined) {
    const { managedFields: _managedFields, ...shown } = object.metadata;
    io.out.write(toYaml([{ ...object, metadata: shown }]));
    return object;
  }
  io.out.write(`${objectName({ ...wanted })} ${outcome}${DRY_RUN_SUFFIX[dryRun]}\n`);
  return object;
}
