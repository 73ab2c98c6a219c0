// Bundles what runs: bin/kubectl-mcm loads dist/kubectl-mcm.js and nothing else.
import { rmSync } from 'node:fs';
import { build } from 'esbuild';

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: { 'kubectl-mcm': 'src/main.ts' },
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node22.19',
  // A command is loaded when it is asked for, with what only it needs.
  splitting: true,
  chunkNames: 'chunks/[name]-[hash]',
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  // Some dependencies are CommonJS and ask for Node's own modules at run time.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
  },
  alias: { cliui: './src/plugin/no-yargs-help.ts', 'string-width': './src/plugin/no-yargs-help.ts' },
  // Loaded only by clients that use Arrow helpers.
  external: ['apache-arrow'],
  logLevel: 'warning',
});
