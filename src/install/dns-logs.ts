import { UserError } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { type ConfigMap, objectName } from '../kube/objects.ts';

const NAMESPACE = 'kube-system';
/** Where kubeadm, EKS, AKS and k3s have it, and RKE2. */
const CONFIG_MAPS = ['coredns', 'rke2-coredns-rke2-coredns'] as const;
const COREFILE = 'Corefile';

/** What AKS and k3s leave to their users; the Corefile itself is written anew there. */
const CUSTOM_CONFIG_MAP = 'coredns-custom';
const CUSTOM_KEY = 'kubectl-mcm.override';
const CUSTOM_IMPORT = /^\s*import\s+\S*custom\/\*\.override\s*$/m;

const LOG = 'log';

/** What turns CoreDNS's log of queries on. */
export interface DnsLogsChange {
  /** For people: which object, and its lines with those that are to be added. */
  readonly diff: string;
  /** CoreDNS reads its configuration again by itself. */
  readonly reloads: boolean;
  readonly apply: (options: { readonly dryRun: boolean; readonly signal: AbortSignal }) => Promise<void>;
}

/** undefined where it is on already. @throws UserError where there is no CoreDNS to turn it on in. */
export async function planDnsLogs(client: KubeClient, signal: AbortSignal): Promise<DnsLogsChange | undefined> {
  const configMap = await findCorefile(client, signal);
  const before = configMap.data?.[COREFILE] ?? '';
  const reloads = /^\s*reload\b/m.test(before);
  if (CUSTOM_IMPORT.test(before)) return await planCustom(client, reloads, signal);
  const added = addedLines(before.split('\n'));
  if (added.length === 0) return undefined;
  const lines = before.split('\n');
  for (const { at, text } of added.toReversed()) lines.splice(at, 0, text);
  const { resourceVersion } = configMap.metadata;
  const patch = { metadata: { resourceVersion }, data: { [COREFILE]: lines.join('\n') } };
  return {
    diff: `${objectName(configMap)} (namespace ${NAMESPACE}), ${COREFILE}:\n${diffOf(before.split('\n'), added)}`,
    reloads,
    apply: async (options) => {
      await client.patch(configMap, patch, options);
    },
  };
}

async function findCorefile(client: KubeClient, signal: AbortSignal): Promise<ConfigMap> {
  for (const name of CONFIG_MAPS) {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: NAMESPACE } };
    const found = await client.find<ConfigMap>(object, { signal });
    if (found?.data?.[COREFILE] !== undefined) return { ...found, apiVersion: 'v1', kind: 'ConfigMap' };
  }
  throw new UserError(`error: "${client.context.name}" has no ConfigMap ${NAMESPACE}/coredns with a Corefile`, {
    hint: 'is its DNS another one (GKE has kube-dns)? Then there are no DNS logs of it: leave --dns-logs out',
  });
}

async function planCustom(
  client: KubeClient,
  reloads: boolean,
  signal: AbortSignal,
): Promise<DnsLogsChange | undefined> {
  const metadata = { name: CUSTOM_CONFIG_MAP, namespace: NAMESPACE };
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata };
  const { data = {} } = (await client.find<ConfigMap>(object, { signal })) ?? {};
  const overrides = Object.entries(data).filter(([key]) => key.endsWith('.override'));
  if (overrides.some(([, text]) => /^\s*log\b/m.test(text))) return undefined;
  const wanted = { ...object, data: { [CUSTOM_KEY]: `${LOG}\n` } };
  return {
    diff: `${objectName(object)} (namespace ${NAMESPACE}), ${CUSTOM_KEY}:\n+ ${LOG}\n`,
    reloads,
    apply: async (options) => {
      await client.apply(wanted, options);
    },
  };
}

interface AddedLine {
  /** Before which line of the Corefile. */
  readonly at: number;
  readonly text: string;
}

/** A line for each server block that answers for everything and does not log: behind `errors`, else first in the block. */
function addedLines(lines: readonly string[]): readonly AddedLine[] {
  const added: AddedLine[] = [];
  for (const [start, end] of rootBlocks(lines)) {
    const plugins = lines.slice(start + 1, end).map((line) => line.trim().split(/\s+/)[0]);
    if (plugins.includes(LOG)) continue;
    const at = start + 2 + plugins.indexOf('errors');
    const [, indent = '    '] = /^(\s+)\S/.exec(lines[start + 1] ?? '') ?? [];
    added.push({ at, text: `${indent}${LOG}` });
  }
  return added;
}

/** First and last lines of server blocks for the root zone. */
function rootBlocks(lines: readonly string[]): readonly (readonly [number, number])[] {
  const blocks: [number, number][] = [];
  let depth = 0;
  let start = 0;
  for (const [at, line] of lines.entries()) {
    const code = line.replace(/#.*$/, '').trim();
    if (depth === 0 && code.endsWith('{')) start = at;
    if (code.endsWith('{')) depth++;
    if (code === '}' && --depth === 0 && isRoot(lines[start] ?? '')) blocks.push([start, at]);
  }
  return blocks;
}

/** `.:53 {`, `. {`, `dns://.:53 {` */
function isRoot(header: string): boolean {
  return header
    .replace('{', '')
    .split(/[\s,]+/)
    .some((zone) => /^(\w+:\/\/)?\.(:\d+)?$/.test(zone));
}

/** The Corefile with what is added, as `diff -u` marks it. */
function diffOf(lines: readonly string[], added: readonly AddedLine[]): string {
  return lines
    .flatMap((line, at) => [
      ...added.filter((one) => one.at === at).map(({ text }) => `+ ${text}\n`),
      ...(at === lines.length - 1 && line === '' ? [] : [`  ${line}\n`]),
    ])
    .join('');
}
