/** Readable on light and dark; none of them red, green or yellow, which mean something. */
const PALETTE = [34, 35, 36, 94, 95, 96] as const;

/** The name in a colour that is always the same for it (FNV-1a). */
export function coloured(name: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name.trim())) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return `\u001b[${PALETTE[hash % PALETTE.length]}m${name}\u001b[0m`;
}

/** Whether to use colours, by `--color` and the environment (https://no-color.org). */
export function usesColours(choice: string, isTerminal: boolean, env: NodeJS.ProcessEnv): boolean {
  if (choice !== 'auto') return choice === 'always';
  return isTerminal && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
}
