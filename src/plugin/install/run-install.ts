import { managementObjects } from '../../install/management-objects.ts';
import { type KubeObject, objectName, type Secret } from '../../kube/objects.ts';
import type { FlagSpec, FlagValues, GlobalOptions, Io } from '../command.ts';
import { connect } from '../connect.ts';
import { tellWaiting } from '../connection/until-done.ts';
import { DRY_RUN_SUFFIX } from '../dry-run.ts';
import { durationOf } from '../duration.ts';
import { toYaml } from '../print.ts';
import { installManagement } from './install-management.ts';
import type { ManagementRequest } from './management-flags.ts';

/** How, and not what, is installed. */
export const INSTALL_FLAGS = {
  timeout: {
    type: 'string',
    value: 'DURATION',
    default: '5m',
    description: 'How long to wait for the address of a load balancer.',
  },
  'force-conflicts': {
    type: 'boolean',
    description: 'Take over what was written by other means (kubectl apply, a GitOps tool).',
  },
  'dry-run': {
    type: 'string',
    default: 'none',
    choices: ['none', 'client', 'server'],
    description:
      'Change nothing: only show what would be applied, without asking the API server (client), or ask it about each object (server).',
  },
  output: {
    type: 'string',
    short: 'o',
    value: 'yaml',
    choices: ['yaml'],
    description: 'Print the objects themselves.',
  },
} as const satisfies Record<string, FlagSpec>;

/** Installs, or shows what would be; on stdout a line for each object, or all of them. */
export async function runInstall(
  request: ManagementRequest,
  flags: FlagValues<typeof INSTALL_FLAGS>,
  global: GlobalOptions,
  io: Io,
): Promise<void> {
  const timeout = durationOf('timeout', flags.timeout);
  const dryRun = flags['dry-run'];
  const onApplied = (object: KubeObject, outcome: string) => {
    if (flags.output === undefined) io.out.write(`${objectName(object)} ${outcome}${DRY_RUN_SUFFIX[dryRun]}\n`);
  };
  const warn = (text: string) => void io.err.write(`warning: ${text}\n`);
  for (const note of request.cloud?.notes ?? []) warn(note);
  const printYaml = (objects: readonly KubeObject[]) => {
    if (flags.output !== undefined) io.out.write(toYaml(objects.map(withoutKeys)));
  };
  if (dryRun === 'client') {
    const objects = managementObjects(request, undefined);
    for (const object of objects) onApplied(object, 'created');
    printYaml(objects);
    return;
  }
  const { signal } = io;
  const force = flags['force-conflicts'];
  const onWaiting = tellWaiting(io.err);
  const options = { dryRun: dryRun === 'server', force, timeout, signal, onApplied, warn, onWaiting };
  printYaml(await installManagement(connect(global, io), request, options));
}

function withoutKeys(object: KubeObject): KubeObject {
  if (object.kind !== 'Secret') return object;
  const { data: _data, ...rest } = object as Secret;
  return rest;
}
