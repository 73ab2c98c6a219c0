import { isIP } from 'node:net';
import { UserError } from '../../errors.ts';
import { applyAll } from '../../install/apply.ts';
import { type ManagementOptions, managementObjects } from '../../install/management.ts';
import { managementKeys } from '../../install/management-keys.ts';
import { type KubeObject, objectName, type Secret } from '../../kube/objects.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { parseHostPort } from '../host-port.ts';
import { toYaml } from '../print.ts';

/** `install management`: everything a cluster needs to be the management cluster. */
export const command = defineCommand({
  args: [],
  description: `
Turn the current cluster into a management cluster: namespace, CustomResourceDefinition, CA and certificates, rights,
Services and APIService. It can be run again at any time; what is as it should be stays untouched.

Private keys are made by the run itself and kept in Secrets. They are never printed: with -o yaml the Secrets stand
there without their data, to be filled by the next run.`,
  examples: `
# Managed clusters will dial mgmt.example.com:30449, a node or load balancer of this cluster
kubectl mcm install management --address mgmt.example.com:30449

# Look at everything first, or keep it in git
kubectl mcm install management --address mgmt.example.com:30449 --dry-run=client -o yaml

# The manager runs outside the cluster; kube-apiserver reaches its API at 10.0.0.5:8443
kubectl mcm install management --address 10.0.0.5:9449 --external-manager 10.0.0.5:8443`,
  flags: {
    address: {
      type: 'string',
      value: 'HOST:PORT',
      required: true,
      description: 'Where managed clusters reach the manager; it stands in every manifest that add-cluster makes.',
    },
    'external-manager': {
      type: 'string',
      value: 'HOST:PORT',
      description:
        'Where kube-apiserver reaches the API of a manager that runs outside this cluster. Both Services then point there; managed clusters dial it directly.',
    },
    'force-conflicts': {
      type: 'boolean',
      description: 'Take over fields that were written by other means (kubectl apply, a GitOps tool).',
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
  },
  run: async ({ flags, global, io }) => {
    const options = readOptions(flags);
    const print = (object: KubeObject, outcome: string, suffix: string) => {
      if (flags.output === undefined) io.out.write(`${objectName(object)} ${outcome}${suffix}\n`);
    };
    const printYaml = (objects: readonly KubeObject[]) => {
      if (flags.output !== undefined) io.out.write(toYaml(objects.map(withoutKeys)));
    };
    if (flags['dry-run'] === 'client') {
      const objects = managementObjects(options, undefined);
      for (const object of objects) print(object, 'created', ' (dry run)');
      printYaml(objects);
      return 0;
    }
    const dryRun = flags['dry-run'] === 'server';
    const client = connect(global, io);
    const { signal } = io;
    const force = flags['force-conflicts'];
    const suffix = dryRun ? ' (server dry run)' : '';
    const told = new Set<string>();
    const onApplied = (object: KubeObject, outcome: string) => {
      if (!told.has(objectName(object))) print(object, outcome, suffix);
      told.add(objectName(object));
    };
    // The keys live in the namespace, so it comes before everything else.
    const namespaces = managementObjects(options, undefined).filter(({ kind }) => kind === 'Namespace');
    await applyAll(client, namespaces, { dryRun, force, signal, onApplied });
    const onCreated = (secret: KubeObject) => onApplied(secret, 'created');
    const keys = await managementKeys(client, { store: !dryRun, onCreated, signal });
    const objects = managementObjects(options, keys);
    await applyAll(client, objects, { dryRun, force, signal, onApplied });
    printYaml(objects);
    if (!dryRun) io.err.write(NEXT);
    return 0;
  },
});

const NEXT = `Next: run the manager (kubectl mcm manager --help), then connect a cluster:
  kubectl mcm add-cluster NAME -o NAME.yaml
`;

function readOptions(flags: {
  readonly address: string;
  readonly 'external-manager': string | undefined;
}): ManagementOptions {
  const { host, port } = parseHostPort('address', flags.address);
  const external = flags['external-manager'];
  const manager = external === undefined ? undefined : parseHostPort('external-manager', external);
  if (manager !== undefined && isIP(manager.host) === 6) {
    throw new UserError(
      `error: invalid argument "${external}" for "--external-manager" flag: a Service cannot point to an IPv6 address`,
      {
        hint: 'give a host name that resolves to it',
      },
    );
  }
  return {
    address: `${host.includes(':') ? `[${host}]` : host}:${port}`,
    externalManager: manager,
  };
}

function withoutKeys(object: KubeObject): KubeObject {
  if (object.kind !== 'Secret') return object;
  const { data: _data, ...rest } = object as Secret;
  return rest;
}
