import type { Testbed } from '../testbed/testbed.ts';

/** Prints a heading of the walk. */
export function step(text: string): void {
  process.stdout.write(`\n# ${text}\n`);
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/**
 * Prints a command as a user would type it, runs it, and shows what it prints.
 * @throws Error when its exit code is not `expected`.
 */
export async function show(testbed: Testbed, line: string, expected = 0): Promise<string> {
  say(`\n$ ${line}`);
  const [program, ...args] = line.split(' ');
  if (program !== 'kubectl') throw new Error(`not a kubectl command: ${line}`);
  const onOutput = (text: string) => process.stdout.write(text);
  const { code, stdout } = await testbed.kubectl(args, { onOutput });
  if (expected !== 0) say(`(exit code ${code})`);
  if (code !== expected) throw new Error(`"${line}" ended with exit code ${code} instead of ${expected}`);
  return stdout;
}
