// npm run wasm: writes what is compiled to WebAssembly. It is kept with the sources, which run without being built.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = import.meta.dirname;

/** Folders with an assembly.ts, and how many pages of 64 KiB its memory has. */
export const ASSEMBLIES = {
  'src/logs/goldmane/flow-kernel': 6,
  'src/logs/record/checksum': 1,
  'src/logs/store/elasticsearch/line-kernel': 7,
} as const;

/** The text of compiled.ts, as assembly.ts of that folder is compiled. @throws Error with what the compiler says. */
export function compiledAssembly(folder: keyof typeof ASSEMBLIES): string {
  const pages = String(ASSEMBLIES[folder]);
  const output = mkdtempSync(join(tmpdir(), 'kubectl-mcm-wasm-'));
  try {
    const file = join(output, 'assembly.wasm');
    const memory = ['--initialMemory', pages, '--maximumMemory', pages];
    const options = [
      '-O3',
      '--enable',
      'simd',
      '--converge',
      '--noAssert',
      '--runtime',
      'stub',
      '--use',
      'abort=',
      ...memory,
    ];
    const compiler = join(ROOT, 'node_modules/assemblyscript/bin/asc.js');
    const args = [compiler, join(ROOT, folder, 'assembly.ts'), ...options, '--outFile', file];
    execFileSync(process.execPath, args, { stdio: 'pipe' });
    const base64 = readFileSync(file).toString('base64');
    const lines = base64.match(/.{1,110}/g)?.map((line) => `  '${line}'`) ?? [];
    return `// What assembly.ts is compiled to, by npm run wasm.\nexport const WASM =\n${lines.join(' +\n')};\n`;
  } finally {
    rmSync(output, { recursive: true });
  }
}

if (import.meta.main) {
  for (const folder of Object.keys(ASSEMBLIES) as (keyof typeof ASSEMBLIES)[]) {
    writeFileSync(join(ROOT, folder, 'compiled.ts'), compiledAssembly(folder));
  }
}
