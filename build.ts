// Bundles what runs: bin/kubectl-mcm loads dist/kubectl-mcm.js and nothing else.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';

/**
 * What our own code gets of packages that take long to load: of undici what it uses, since all of it takes longer than
 * most commands to run; yaml when there is something to read or write.
 */
const PARTS: Readonly<Record<string, string>> = { undici: 'undici-parts.cjs', yaml: 'yaml-parts.cjs' };

const packageParts: Plugin = {
  name: 'package-parts',
  setup: ({ onResolve }) => {
    const source = join(import.meta.dirname, 'src');
    onResolve({ filter: /^(undici|yaml)$/ }, ({ path, importer }) =>
      importer.startsWith(source) ? { path: join(import.meta.dirname, PARTS[path] ?? '') } : undefined,
    );
  },
};

/** Whoever wants answers of Elasticsearch as Arrow needs it: we do not, and an image has nothing but the bundle. */
const noArrow: Plugin = {
  name: 'no-arrow',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^apache-arrow\// }, ({ path }) => ({ path, namespace: 'no-arrow' }));
    onLoad({ filter: /./, namespace: 'no-arrow' }, () => ({ contents: 'module.exports = {};' }));
  },
};

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
  plugins: [packageParts, noArrow],
  logLevel: 'warning',
});
