import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { messageOf, UserError } from '../errors.ts';
import type { KubeObject, Secret } from '../kube/objects.ts';

/** A Secret as files have it: the directory it is mounted in, or a manifest that holds it. */
export interface SecretFile {
  /** The text of a key; undefined where the Secret does not have it. */
  value(key: string): string | undefined;
  /** The other objects of the manifest; none of a directory. */
  readonly manifest: readonly KubeObject[];
}

/** `namespace` is undefined where it may be any. */
export interface SecretName {
  readonly name: string;
  readonly namespace?: string;
}

/** @throws UserError when it cannot be read, or a manifest has no Secret of that name. */
export function readSecretFile(path: string, secret: SecretName): SecretFile {
  try {
    return statSync(path).isDirectory() ? secretInDirectory(path) : secretInManifest(path, secret);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`error: cannot read the credentials: ${messageOf(error)}`);
  }
}

function secretInDirectory(directory: string): SecretFile {
  const value = (key: string) => {
    try {
      return readFileSync(join(directory, key), 'utf8');
    } catch {
      return undefined;
    }
  };
  return { value, manifest: [] };
}

function secretInManifest(file: string, { name, namespace }: SecretName): SecretFile {
  const manifest = parseAllDocuments(readFileSync(file, 'utf8'))
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
  const secret = manifest.find(
    ({ kind, metadata }) =>
      kind === 'Secret' && metadata?.name === name && (namespace === undefined || metadata.namespace === namespace),
  );
  if (secret === undefined) {
    throw new UserError(`error: ${file} has no Secret ${namespace === undefined ? name : `${namespace}/${name}`}`, {
      hint: 'it is in the manifest that "kubectl mcm add-cluster NAME -o FILE" writes',
    });
  }
  const { data = {} } = secret as Secret;
  const value = (key: string) =>
    data[key] === undefined ? undefined : Buffer.from(data[key], 'base64').toString('utf8');
  return { value, manifest };
}
