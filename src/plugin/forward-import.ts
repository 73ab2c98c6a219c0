import { rmSync } from 'node:fs';
import type { ForwardSettings } from '../logs/forward/crossing.ts';
import { writeImportedLines } from '../logs/import/imported-lines.ts';
import type { LogType } from '../logs/types/log-type.ts';

/** Files whose records are shipped once. */
export interface Imported {
  readonly files: readonly string[];
  readonly type: LogType;
}

/** Gives `ship` the records of these files as lines, which are there for as long as it takes. @throws UserError */
export async function withImportedLines(
  settings: ForwardSettings,
  { files, type }: Imported,
  signal: AbortSignal,
  ship: (settings: ForwardSettings) => Promise<number>,
): Promise<number> {
  const paths: string[] = [];
  try {
    for (const file of files) paths.push(await writeImportedLines(file, settings.stateDirectory, signal));
    return await ship({ ...settings, inputs: paths.map((path) => ({ type, path, named: true })) });
  } finally {
    for (const path of paths) rmSync(path, { force: true });
  }
}
