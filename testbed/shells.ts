import { existsSync, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cached } from './cache.ts';
import { mustRun } from './processes.ts';

/** Debian's packages of the shells, with what they need and a small system does not have. */
const PACKAGES = ['zsh', 'zsh-common', 'fish', 'fish-common', 'libpcre2-32-0'];

/** A shell, and what it finds its own parts by. */
export interface ShellCommand {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
  /** Where it is unpacked; `/` where the machine has it. */
  readonly root: string;
}

/** A shell of this machine, or else Debian's, unpacked into a folder of ours. */
export async function shell(name: 'zsh' | 'fish'): Promise<ShellCommand> {
  const own = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  const command = own.find((path) => existsSync(path));
  if (command !== undefined) return { command, env: {}, root: '/' };
  const root = await cached('shells', PACKAGES, async (folder) => {
    await mustRun('apt-get', ['download', ...PACKAGES], { cwd: folder });
    for (const file of globSync('*.deb', { cwd: folder })) await mustRun('dpkg', ['-x', file, '.'], { cwd: folder });
  });
  const libraries = globSync('usr/lib/*-linux-gnu', { cwd: root }).map((folder) => join(root, folder));
  const [unpacked = ''] = globSync([`bin/${name}`, `usr/bin/${name}`], { cwd: root });
  return { command: join(root, unpacked), env: { LD_LIBRARY_PATH: libraries.join(':') }, root };
}
