// npm run soak -- NAME [--FLAG NUMBER]...
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { findingsTable } from './finding.ts';
import { SOAKS } from './soaks.ts';

const [name = '', ...args] = process.argv.slice(2);
const soak = SOAKS[name];
const numbers = soak === undefined ? undefined : readNumbers(args, soak.flags);
if (soak === undefined || numbers === undefined) {
  const lines = Object.entries(SOAKS).map(([known, { flags }]) => {
    const words = Object.entries(flags).map(([flag, value]) => `[--${flag} ${value}]`);
    return `  npm run soak -- ${[known, ...words].join(' ')}\n`;
  });
  process.stderr.write(`usage, with what the flags are otherwise:\n${lines.join('')}`);
  process.exitCode = 1;
} else {
  const started = performance.now();
  const tell = (text: string) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(4);
    const load = loadavg()[0]?.toFixed(1);
    process.stderr.write(`${seconds} s, load ${load}: ${text}\n`);
  };
  const findings = await soak.run(numbers, tell);
  process.stdout.write(findingsTable(findings));
  process.exitCode = findings.every(({ ok }) => ok) ? 0 : 1;
}

/** The flags' numbers; undefined where one is none, or not one of these flags. */
function readNumbers(given: string[], defaults: Readonly<Record<string, number>>): Record<string, number> | undefined {
  const options = Object.fromEntries(Object.keys(defaults).map((flag) => [flag, { type: 'string' as const }]));
  try {
    const { values } = parseArgs({ args: given, options });
    const numbers = Object.entries(defaults).map(([flag, value]) => [flag, Number(values[flag] ?? value)] as const);
    return numbers.every(([, value]) => value > 0) ? Object.fromEntries(numbers) : undefined;
  } catch {
    return undefined;
  }
}
