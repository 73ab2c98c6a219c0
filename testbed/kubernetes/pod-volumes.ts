import { chmodSync, chownSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PodSpec, Volume, VolumeSource } from './pod-template.ts';

/** What kubelet asks the API server for, and knows of a pod, to fill volumes. */
export interface PodFacts {
  /** Values are base64; undefined where there is none of that name. */
  readonly secret: (name: string) => Promise<Readonly<Record<string, string>> | undefined>;
  readonly configMap: (name: string) => Promise<Readonly<Record<string, string>> | undefined>;
  readonly token: (audience: string | undefined) => Promise<string>;
  /** Downward API: `metadata.name` and its like. */
  readonly field: (path: string) => string;
}

/** Who owns the files: root where the tests do not run as root, and cannot give them away. */
export interface FileOwner {
  readonly uid: number;
  readonly fsGroup: number | undefined;
}

const ROOT = 0;
const isRoot = process.getuid?.() === ROOT;

/**
 * Lays a pod's volumes out at their places in its root file system: there they are what they would be by mounts, except
 * that nothing is read-only to root. What has to outlive a pod (hostPath, claims) stays as it is when it is there.
 */
export async function mountVolumes(root: string, spec: PodSpec, facts: PodFacts, owner: FileOwner): Promise<void> {
  for (const { name, mountPath } of spec.containers.flatMap(({ volumeMounts }) => volumeMounts ?? [])) {
    const volume = spec.volumes?.find((candidate) => candidate.name === name);
    if (volume === undefined) throw new Error(`there is no volume "${name}" for ${mountPath}`);
    await fill(join(root, mountPath), volume, facts, owner);
  }
}

/** Writes Secrets and ConfigMaps anew that have changed since, as kubelet does for a pod that runs. */
export async function refreshVolumes(root: string, spec: PodSpec, facts: PodFacts, owner: FileOwner): Promise<void> {
  for (const { name, mountPath } of spec.containers.flatMap(({ volumeMounts }) => volumeMounts ?? [])) {
    const volume = spec.volumes?.find((candidate) => candidate.name === name);
    const { secret, configMap, projected } = volume ?? {};
    const isToken = projected?.sources.some(({ serviceAccountToken }) => serviceAccountToken !== undefined) ?? false;
    if (volume === undefined || (secret ?? configMap ?? projected) === undefined || isToken) continue;
    await writeFiles(join(root, mountPath), volume, facts, owner);
  }
}

async function fill(target: string, volume: Volume, facts: PodFacts, owner: FileOwner): Promise<void> {
  const { hostPath, persistentVolumeClaim, emptyDir } = volume;
  if (hostPath === undefined && persistentVolumeClaim === undefined) rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  if (hostPath !== undefined) return;
  if (emptyDir !== undefined) return give(target, ROOT, owner.fsGroup, 0o777);
  if (persistentVolumeClaim !== undefined)
    return give(target, ROOT, owner.fsGroup, owner.fsGroup === undefined ? 0o755 : 0o2775);
  await writeFiles(target, volume, facts, owner);
}

async function writeFiles(target: string, volume: Volume, facts: PodFacts, owner: FileOwner): Promise<void> {
  const { projected, secret, name } = volume;
  const mode = (projected ?? secret)?.defaultMode ?? 0o644;
  for (const source of projected?.sources ?? [volume]) {
    for (const [path, text] of await filesOf(source, name, facts)) {
      const place = join(target, path);
      const file = `${place}.new`;
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
      // As kubelet does: a token is its user's alone; other files may be read by the group of the pod's volumes.
      if (source.serviceAccountToken !== undefined) give(file, owner.uid, owner.fsGroup, 0o600);
      else give(file, ROOT, owner.fsGroup, owner.fsGroup === undefined ? mode : mode | 0o040);
      // Nobody sees half a file.
      renameSync(file, place);
    }
  }
}

async function filesOf(source: VolumeSource, volume: string, facts: PodFacts): Promise<[string, string | Buffer][]> {
  const { secret, configMap, serviceAccountToken: token, downwardAPI } = source;
  if (token !== undefined) return [[token.path, await facts.token(token.audience)]];
  if (downwardAPI !== undefined)
    return downwardAPI.items.map(({ path, fieldRef }) => [path, facts.field(fieldRef.fieldPath)]);
  const from = secret ?? configMap;
  const name = secret?.secretName ?? secret?.name ?? configMap?.name;
  if (from === undefined || name === undefined) throw new Error(`the testbed cannot make the volume "${volume}"`);
  const data = await (secret === undefined ? facts.configMap(name) : facts.secret(name));
  if (data === undefined) {
    if (from.optional === true) return [];
    throw new Error(`MountVolume.SetUp failed for volume "${volume}": "${name}" not found`);
  }
  const items = from.items ?? Object.keys(data).map((key) => ({ key, path: key }));
  return items.flatMap(({ key, path }): [string, string | Buffer][] => {
    const value = data[key];
    if (value !== undefined) return [[path, secret === undefined ? value : Buffer.from(value, 'base64')]];
    if (from.optional === true) return [];
    throw new Error(`MountVolume.SetUp failed for volume "${volume}": "${name}" has no "${key}"`);
  });
}

function give(path: string, uid: number, gid: number | undefined, mode: number): void {
  if (isRoot) chownSync(path, uid, gid ?? ROOT);
  chmodSync(path, mode);
}
