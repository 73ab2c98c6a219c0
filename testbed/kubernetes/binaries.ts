import { accessSync, constants, readFileSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cached } from '../cache.ts';
import { mustRun, run } from '../processes.ts';

/** Paths of the programs. */
export interface KubernetesBinaries {
  readonly etcd: string;
  readonly apiserver: string;
  readonly kubectl: string;
}

const SOURCE = join(import.meta.dirname, 'control-plane');
const PROGRAMS = ['etcd', 'kube-apiserver', 'kubectl'] as const;
const VERSION = 'v1.36.3';
// Without these kubectl cannot parse its own version.
const VERSION_FLAGS = [
  `-X k8s.io/component-base/version.gitVersion=${VERSION}`,
  '-X k8s.io/component-base/version.gitMajor=1',
  '-X k8s.io/component-base/version.gitMinor=36',
];
const LINKER_FLAGS = ['-s', '-w', ...VERSION_FLAGS].join(' ');

/**
 * Finds etcd, kube-apiserver and kubectl: in `KUBEBUILDER_ASSETS`, all three on the PATH, or built from source (once
 * per machine).
 */
export async function kubernetesBinaries(progress: (text: string) => void): Promise<KubernetesBinaries> {
  const folders = [process.env.KUBEBUILDER_ASSETS ?? '', ...(process.env.PATH ?? '').split(delimiter)];
  const folder = folders.find((candidate) => candidate !== '' && PROGRAMS.every((name) => isProgram(candidate, name)));
  const found = folder ?? (await build(progress));
  return { etcd: join(found, 'etcd'), apiserver: join(found, 'kube-apiserver'), kubectl: join(found, 'kubectl') };
}

function isProgram(folder: string, name: string): boolean {
  try {
    accessSync(join(folder, name), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function build(progress: (text: string) => void): Promise<string> {
  const inputs = ['main.go', 'go.mod', 'go.sum'].map((file) => readFileSync(join(SOURCE, file)));
  return await cached('control-plane', [...inputs, LINKER_FLAGS], async (folder) => {
    await requireGo();
    const started = Date.now();
    const tick = setInterval(() => {
      progress(`  still building (${Math.round((Date.now() - started) / 1000)} s)`);
    }, 15_000);
    progress(`Building etcd, kube-apiserver and kubectl ${VERSION}: about five minutes, once on this machine`);
    try {
      await mustRun('go', ['build', '-ldflags', LINKER_FLAGS, '-o', join(folder, 'control-plane'), '.'], {
        cwd: SOURCE,
        env: { ...process.env, CGO_ENABLED: '0' },
      });
    } finally {
      clearInterval(tick);
    }
    for (const name of PROGRAMS) symlinkSync('control-plane', join(folder, name));
    progress(`Built in ${Math.round((Date.now() - started) / 1000)} s`);
  });
}

async function requireGo(): Promise<void> {
  const installed = await run('go', ['version']).catch(() => undefined);
  if (installed?.code !== 0) {
    throw new Error(
      'Go is missing: install Go 1.26 or newer (it builds etcd, kube-apiserver and kubectl for the testbed)',
    );
  }
}
