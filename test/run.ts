// Runs every test: those beside the code, and those in test/ against one testbed of real servers.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';

const patterns = process.argv.slice(2);
const files = (
  patterns.length > 0 ? patterns : ['src/**/*.test.ts', 'testbed/**/*.test.ts', 'test/**/*.test.ts']
).flatMap((pattern) => globSync(pattern));
if (files.length === 0) throw new Error(`no test file matches ${patterns.join(' ')}`);
// Four at once: most of the time is spent waiting for servers, which share the machine's cores.
const flags = ['--test', '--test-concurrency=4', '--test-global-setup=test/global-setup.ts', '--test-timeout=600000'];
const env = {
  ...process.env,
  // Every file is a process of its own, and most load the same modules.
  NODE_COMPILE_CACHE: 'node_modules/.cache/compiled',
  // No Elasticsearch lives long enough here for a compiler that optimizes: half of its processor time went there.
  JDK_JAVA_OPTIONS: '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC',
  // A third of the processor time of each kubectl, and of starting a kube-apiserver, goes into collecting garbage.
  GOGC: '400',
};
const runner = spawn(process.execPath, [...flags, ...files], { stdio: 'inherit', env });
// The terminal sends Ctrl-C to both; the runner then stops its servers, and this waits for it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => runner.kill(signal));
runner.once('exit', (code) => {
  process.exitCode = code ?? 1;
});
