import { UserError } from '../errors.ts';
import type { Io } from './command.ts';
import { COMMAND_GROUPS, type CommandEntry } from './commands/index.ts';
import { commandHelp, rootHelp } from './help.ts';
import { parseLine, splitCommand, UsageError } from './parse.ts';

const ENTRIES: readonly CommandEntry[] = COMMAND_GROUPS.flatMap(({ commands }) => commands);

/** Runs one command line and resolves with its exit code. The only place that prints errors. */
export async function main(tokens: readonly string[], io: Omit<Io, 'signal'>): Promise<number> {
  try {
    return await dispatch(tokens, io);
  } catch (error) {
    io.err.write(`${describe(error, tokens)}\n`);
    return 1;
  }
}

async function dispatch(tokens: readonly string[], io: Omit<Io, 'signal'>): Promise<number> {
  const { words, rest } = splitCommand(tokens, (candidate) =>
    ENTRIES.some((entry) => entry.words === candidate || entry.words.startsWith(`${candidate} `)),
  );
  const entry = ENTRIES.find((candidate) => candidate.words === words);
  if (entry === undefined) return withoutCommand(words, rest, io);
  const { command } = await entry.load();
  const line = parseLine(words, command, rest);
  if (line.help) {
    io.out.write(commandHelp(words, command));
    return 0;
  }
  return await command.run({ ...line, io: { ...io, signal: stopSignal(command.handlesSignals === true) } });
}

function withoutCommand(words: string, rest: readonly string[], io: Omit<Io, 'signal'>): number {
  const word = rest.find((token) => !token.startsWith('-'));
  if (word !== undefined)
    throw new UsageError(`unknown command "${[words, word].join(' ').trim()}" for "kubectl mcm"`, '');
  if (words !== '' && !rest.some((token) => token === '-h' || token === '--help')) {
    const next = ENTRIES.filter((entry) => entry.words.startsWith(`${words} `)).map((entry) => entry.words);
    throw new UsageError(`"${words}" is not a whole command; there is ${next.join(', ')}`, '');
  }
  io.out.write(rootHelp());
  return 0;
}

/** Commands that do not ask for signals die by them, as kubectl does, so that the shell sees what happened. */
function stopSignal(handled: boolean): AbortSignal {
  const stopping = new AbortController();
  if (handled) for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopping.abort());
  return stopping.signal;
}

function describe(error: unknown, tokens: readonly string[]): string {
  if (error instanceof UserError) {
    const text = /^(error|Error|The |Unable )/.test(error.message) ? error.message : `error: ${error.message}`;
    return error.hint === undefined ? text.trimEnd() : `${text.trimEnd()}\n${error.hint}`;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  // Values of flags stay out of it: a token may be among them.
  const shown = tokens.filter((token) => /^[a-z][a-z-]*$/.test(token)).join(' ');
  return `error: this is a bug in kubectl-mcm (in "${shown}"); please report it with what follows\n${stack}`;
}
