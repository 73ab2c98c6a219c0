// npm run wasm: writes what is compiled to WebAssembly. It is kept with the sources, which run without being built.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = import.meta.dirname;
const KERNEL = join(ROOT, 'src/logs/store/elasticsearch/line-kernel');

/** The text of line-kernel/compiled.ts, as its assembly.ts is compiled. @throws Error with what the compiler says. */
export function compiledLineKernel(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-mcm-wasm-'));
  try {
    const file = join(folder, 'kernel.wasm');
    const memory = ['--initialMemory', '7', '--maximumMemory', '7'];
    const options = [
      '-O3',
      '--enable',
      'simd',
      '--converge',
      '--noAssert',
      '--runtime',
      'stub',
      ...memory,
      '--outFile',
      file,
    ];
    execFileSync(process.execPath, [
      join(ROOT, 'node_modules/assemblyscript/bin/asc.js'),
      join(KERNEL, 'assembly.ts'),
      ...options,
    ]);
    const base64 = readFileSync(file).toString('base64');
    const lines = base64.match(/.{1,110}/g)?.map((line) => `  '${line}'`) ?? [];
    return `// What assembly.ts is compiled to, by npm run wasm.\nexport const WASM =\n${lines.join(' +\n')};\n`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) writeFileSync(join(KERNEL, 'compiled.ts'), compiledLineKernel());
