import { type ManagedCluster, NAMESPACE } from '../../clusters/managed-cluster.ts';
import { UserError } from '../../errors.ts';
import { applyAll } from '../../install/apply.ts';
import { findAuditCloud } from '../../install/audit-logs.ts';
import { type DnsLogsChange, planDnsLogs } from '../../install/dns-logs.ts';
import { findInstalled } from '../../install/installed-objects.ts';
import { checkManaged } from '../../install/managed-checks.ts';
import { keyObjects, type ManagedOptions, opensByAgent, workloadObjects } from '../../install/managed-objects.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, objectName, objectPath } from '../../kube/objects.ts';
import { dns } from '../../logs/types/dns.ts';
import { flows } from '../../logs/types/flows.ts';
import { defineCommand, type GlobalOptions, type Io } from '../command.ts';
import { connect } from '../connect.ts';
import { createCluster, OutcomeUnknown } from '../connection/create-cluster.ts';
import { managementSide, newConnection } from '../connection/new-connection.ts';
import { clusterNameFault, registration } from '../connection/registration.ts';
import { tellWaiting } from '../connection/until-done.ts';
import { DRY_RUN_SUFFIX } from '../dry-run.ts';
import { requireSecret } from '../install/require-secret.ts';
import { requireYes } from '../managed/ask.ts';
import { auditWords } from '../managed/audit-words.ts';
import { awaitManaged } from '../managed/await-managed.ts';
import { requireRegistered, withKeptKeys } from '../managed/kept-keys.ts';
import { type AskedManaged, MANAGED_FLAGS, type ManagedFlags, readManagedFlags } from '../managed/managed-flags.ts';
import { ObjectFiles } from '../managed/object-files.ts';

/** `install managed NAME`: everything that makes a cluster a managed one, on both sides. */
export const command = defineCommand({
  args: ['NAME'],
  description: `
Connect a cluster to the management cluster, which is the current context, with everything that belongs to it: it is
registered, tigera-operator is told to run Guardian (the tunnel) and Goldmane's flow logs come through it, and a DaemonSet
ships the log files of every node. Where there is no tigera-operator, with another network plugin, a Deployment of our
agent opens the tunnel.

Everything is looked at before anything is changed: the name, Calico (3.30 or newer), tigera-operator (1.38 or newer),
Goldmane, and each object by a dry run. Then it waits until Guardian runs, the tunnel is open and the first records have
come, saying what for. It can be run again at any time: what is as it should be stays untouched, what was interrupted goes
on with the keys that are there, and rights that an earlier run gave and this one does not are taken away.

The management cluster may read what Guardian may. As whom else it may act there is named one by one
(--impersonate-user and its like), never Kubernetes' own users and groups; and it may change the one address that Guardian
dials.

--dns-logs turns CoreDNS's log of queries on, and --audit-logs says what the API server needs to write audit logs: what is
in these files then, the forwarder ships.

With -o everything for the managed cluster is written into a directory, for GitOps; the cluster is registered all the
same. Among the files are private keys: encrypt these Secrets before they go anywhere.`,
  examples: `
kubectl mcm install managed prod-eu --managed-context prod-eu --image registry.example.com/kubectl-mcm:0.1.0

# What would be done, with every object asked of the API server
kubectl mcm install managed prod-eu --managed-context prod-eu --image registry.example.com/kubectl-mcm:0.1.0 --dry-run=server

# As files, for a cluster that has no tigera-operator
kubectl mcm install managed edge-7 -o edge-7/ --agent --image registry.example.com/kubectl-mcm:0.1.0`,
  flags: MANAGED_FLAGS,
  run: async ({ args, flags, global, io }) => {
    const [name = ''] = args;
    const fault = clusterNameFault(name);
    if (fault !== undefined) throw new UserError(`error: ${fault}`);
    const asked = readManagedFlags(flags);
    const plan = await makePlan(name, asked, flags, global, io);
    if (flags['dry-run'] !== 'none') return await rehearse(plan, flags, io);
    if (flags.output !== undefined) return await writeFiles(plan, flags.output, io);
    if (plan.dnsLogs !== undefined && !flags.yes) await requireYes('Change this configuration of CoreDNS?', io);
    const registered = await apply(plan, flags['force-conflicts'], io);
    if (plan.dnsLogs !== undefined) await turnDnsLogsOn(plan.dnsLogs, io);
    io.out.write(plan.auditWords);
    if (!flags['no-wait']) await waitFor(plan, registered, asked.timeout, flags['dns-logs'], io);
    io.err.write(`Next: kubectl mcm logs --cluster ${name}\n`);
    return 0;
  },
});

/** Everything that is to be there, and nothing of it done. */
interface Plan {
  readonly management: KubeClient;
  readonly managed: KubeClient | undefined;
  readonly options: ManagedOptions;
  readonly wanted: ManagedCluster;
  /** As it is registered already, with the keys of this plan. */
  readonly registered: ManagedCluster | undefined;
  /** What an earlier run has made, and this one would not. */
  readonly leftovers: readonly KubeObject[];
  /** What turns DNS logs on, if it is to be done and is not yet. */
  readonly dnsLogs: DnsLogsChange | undefined;
  /** To be printed at the end. */
  readonly auditWords: string;
}

/** @throws UserError for everything that can be refused. */
async function makePlan(
  name: string,
  asked: AskedManaged,
  flags: ManagedFlags,
  global: GlobalOptions,
  io: Io,
): Promise<Plan> {
  const { signal } = io;
  const context = flags['managed-context'];
  const management = connect(global, io);
  const managed = context === undefined ? undefined : connect(global, io, context);
  const side = await managementSide(management, signal);
  const byAgent = managed === undefined ? flags.agent : await looksForAgent(managed, asked, io);
  const fresh = await newConnection(side, name, byAgent ? NAMESPACE : asked.operatorNamespace);
  const connection = managed === undefined ? fresh : await withKeptKeys(fresh, managed, name, signal);
  const wanted = registration(name, connection, {});
  const registered = managed === undefined ? undefined : await management.find<ManagedCluster>(wanted, { signal });
  if (registered === undefined) await createCluster(management, wanted, { dryRun: true, signal });
  else requireRegistered(registered, connection, `"${context}"`);
  const options = { ...asked, cluster: name, connection };
  const dnsLogs = managed !== undefined && flags['dns-logs'] ? await planShown(managed, io) : undefined;
  const audited = managed !== undefined && flags['audit-logs'] ? managed : undefined;
  const words = audited === undefined ? '' : auditWords(audited.context.name, await findAuditCloud(audited, signal));
  const plan = { management, managed, options, wanted, registered, dnsLogs, auditWords: words };
  if (managed === undefined || flags.output !== undefined) return { ...plan, leftovers: [] };
  const { imagePullSecret } = options;
  if (imagePullSecret !== undefined) await requireSecret(managed, 'image-pull-secret', imagePullSecret, signal);
  const force = flags['force-conflicts'];
  const objects = allObjects(options);
  await applyAll(managed, objects, { dryRun: true, force, signal, onApplied: () => undefined });
  const leftovers = (await findInstalled(managed, name, signal)).filter(
    (found) => !objects.some((object) => objectPath(object) === objectPath(found)),
  );
  return { ...plan, leftovers };
}

async function looksForAgent(managed: KubeClient, asked: AskedManaged, { err, signal }: Io): Promise<boolean> {
  const finding = await checkManaged(managed, asked.operatorNamespace, signal);
  const { name } = managed.context;
  if (finding.opens === 'agent') {
    err.write(`${name}: no tigera-operator: our agent opens the tunnel, and there are no flow logs of Goldmane's\n`);
    return true;
  }
  const { calico, operator = 'of an unknown version' } = finding;
  err.write(`${name}: Calico ${calico}, tigera-operator ${operator}, Goldmane: Guardian opens the tunnel\n`);
  return false;
}

/** Shows what would be changed of CoreDNS. */
async function planShown(managed: KubeClient, { err, signal }: Io): Promise<DnsLogsChange | undefined> {
  const change = await planDnsLogs(managed, signal);
  err.write(change?.diff ?? `${managed.context.name}: CoreDNS logs its queries already\n`);
  return change;
}

function allObjects(options: ManagedOptions): readonly KubeObject[] {
  return [...keyObjects(options), ...workloadObjects(options)];
}

async function rehearse(plan: Plan, flags: ManagedFlags, io: Io): Promise<number> {
  const { managed, options, wanted, registered, leftovers, dnsLogs, auditWords: words } = plan;
  const dryRun = flags['dry-run'];
  const suffix = DRY_RUN_SUFFIX[dryRun];
  io.out.write(`${objectName(wanted)} ${registered === undefined ? 'created' : 'unchanged'}${suffix}\n`);
  const where = managed === undefined ? '' : ` (${managed.context.name})`;
  const print = (object: KubeObject, outcome: string) =>
    io.out.write(`${objectName(object)} ${outcome}${where}${suffix}\n`);
  if (managed === undefined || dryRun === 'client') {
    for (const object of allObjects(options)) print(object, 'applied');
  } else {
    const force = flags['force-conflicts'];
    await applyAll(managed, allObjects(options), { dryRun: true, force, signal: io.signal, onApplied: print });
  }
  for (const object of leftovers) print(object, 'deleted');
  if (dryRun === 'server') await dnsLogs?.apply({ dryRun: true, signal: io.signal });
  io.out.write(words);
  return 0;
}

async function writeFiles(
  { management, options, wanted, registered }: Plan,
  directory: string,
  io: Io,
): Promise<number> {
  const files = ObjectFiles.reserve(directory);
  try {
    for (const path of files.write(allObjects(options))) io.out.write(`${path}\n`);
    if (registered === undefined) {
      await createCluster(management, wanted, { dryRun: false, signal: io.signal });
      io.err.write(`${objectName(wanted)} created\n`);
    }
  } catch (error) {
    if (error instanceof OutcomeUnknown) {
      throw error.withHint(`If it is there, its keys are in ${directory}. If not, delete that and run this again.`);
    }
    files.discard();
    throw error;
  }
  io.err.write(`Among the files are private keys: encrypt the Secrets before they go anywhere.\n`);
  io.err.write(`Next: kubectl apply --context THE-MANAGED-CLUSTER -f ${directory}\n`);
  return 0;
}

/**
 * The keys go into the managed cluster first, then they are registered, and then they are made use of: wherever that is
 * interrupted, the next run finds them. @returns the cluster as it is registered
 */
async function apply(plan: Plan, force: boolean, io: Io): Promise<ManagedCluster> {
  const { management, managed, options, wanted } = plan;
  if (managed === undefined) throw new Error('there is no cluster to apply to');
  const { signal, out } = io;
  const created: KubeObject[] = [];
  const onApplied = (object: KubeObject, outcome: string) => {
    if (outcome === 'created' && object.kind === 'Secret') created.push(object);
    out.write(`${objectName(object)} ${outcome} (${managed.context.name})\n`);
  };
  await applyAll(managed, keyObjects(options), { dryRun: false, force, signal, onApplied });
  const registered =
    plan.registered ?? (await register(management, wanted, () => removeKeys(managed, created), signal));
  out.write(`${objectName(wanted)} ${plan.registered === undefined ? 'created' : 'unchanged'}\n`);
  await applyAll(managed, workloadObjects(options), { dryRun: false, force, signal, onApplied });
  for (const object of plan.leftovers) {
    await managed.delete(object, { signal });
    onApplied(object, 'deleted');
  }
  return registered;
}

async function turnDnsLogsOn(change: DnsLogsChange, { out, err, signal }: Io): Promise<void> {
  await change.apply({ dryRun: false, signal });
  out.write('CoreDNS logs its queries\n');
  const restart = 'kubectl rollout restart -n kube-system deployment/coredns';
  if (!change.reloads) err.write(`It reads its configuration only when it starts: ${restart}\n`);
}

async function register(
  management: KubeClient,
  wanted: ManagedCluster,
  undo: () => Promise<void>,
  signal: AbortSignal,
): Promise<ManagedCluster> {
  try {
    return await createCluster(management, wanted, { dryRun: false, signal });
  } catch (error) {
    if (error instanceof OutcomeUnknown) throw error.withHint('Run this again: it goes on with the same keys.');
    await undo();
    throw error;
  }
}

/** Nobody knows them, and the next run may be under another name. */
async function removeKeys(managed: KubeClient, created: readonly KubeObject[]): Promise<void> {
  for (const secret of created) await managed.delete(secret);
}

async function waitFor(
  { management, managed, options }: Plan,
  registered: ManagedCluster,
  timeout: number,
  dnsAsked: boolean,
  { out, err, signal }: Io,
): Promise<void> {
  if (managed === undefined) return;
  const byAgent = opensByAgent(options.connection);
  await awaitManaged({
    ...{ management, managed, registered, byAgent, timeout, signal },
    types: [...(byAgent ? [] : [flows]), ...(dnsAsked ? [dns] : [])],
    onWaiting: tellWaiting(err),
    onDone: (words) => out.write(`${words}\n`),
    onUnseen: (words) => err.write(`warning: ${words}\n`),
  });
}
