import { UserError } from '../errors.ts';
import { didYouMean, suggestions } from '../suggestions.ts';
import type { Io } from './command.ts';
import { COMMANDS, isCommand } from './commands/index.ts';
import { commandHelp, groupHelp, rootHelp } from './help.ts';
import { parseLine, splitCommand, UsageError } from './parse.ts';

/** By which shells ask what may come next; the words so far follow, the last one unfinished. */
export const COMPLETE = '__complete';

/** Runs one command line and resolves with its exit code. The only place that prints errors. */
export async function main(tokens: readonly string[], io: Omit<Io, 'signal'>): Promise<number> {
  try {
    return await dispatch(tokens, io);
  } catch (error) {
    io.err.write(`${describe(error)}\n`);
    return error instanceof UserError ? error.exitCode : 1;
  }
}

async function dispatch(tokens: readonly string[], io: Omit<Io, 'signal'>): Promise<number> {
  const [first, ...others] = tokens;
  if (first === COMPLETE) return await (await import('./completion/complete.ts')).printCompletion(others, io);
  if (first === 'help') return await dispatch([...others, '--help'], io);
  if (first === '--version') return await dispatch(['version', ...others], io);
  const { words, rest } = splitCommand(tokens, isCommand);
  const entry = COMMANDS.find((candidate) => candidate.words === words);
  if (entry === undefined) return withoutCommand(words, rest, io);
  const { command } = await entry.load();
  const line = parseLine(words, command, rest);
  if (line.help) {
    io.out.write(commandHelp(words, command));
    return 0;
  }
  try {
    return await command.run({ ...line, io: { ...io, signal: stopSignal(command.handlesSignals === true) } });
  } catch (error) {
    if (error instanceof UserError) throw error;
    // The words alone: among the flags' values may be a token.
    throw new Bug(words, error);
  }
}

function withoutCommand(words: string, rest: readonly string[], io: Omit<Io, 'signal'>): number {
  const word = rest.find((token) => !token.startsWith('-'));
  if (word !== undefined) {
    const command = [words, word].join(' ').trim();
    const meant = suggestions(
      command,
      COMMANDS.map((entry) => entry.words),
    );
    const hint = meant.length === 0 ? undefined : didYouMean(meant);
    throw new UsageError(`unknown command "${command}" for "kubectl mcm"`, '', hint);
  }
  const flag = rest.find((token) => token !== '-h' && token !== '--help');
  if (flag !== undefined) throw new UsageError(`unknown flag: ${flag}`, '');
  io.out.write(words === '' ? rootHelp() : groupHelp(words));
  return 0;
}

/** Commands that do not ask for signals die by them, as kubectl does, so that the shell sees what happened. */
function stopSignal(handled: boolean): AbortSignal {
  const stopping = new AbortController();
  if (handled) for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopping.abort());
  return stopping.signal;
}

/** Something went wrong that nobody using the program can mend. */
class Bug extends Error {
  constructor(words: string, cause: unknown) {
    super(`error: this is a bug in kubectl-mcm (in "${words}"); please report it with what follows`, { cause });
  }
}

function describe(error: unknown): string {
  if (error instanceof UserError) {
    const text = /^(error|Error|The |Unable )/.test(error.message) ? error.message : `error: ${error.message}`;
    return error.hint === undefined ? text.trimEnd() : `${text.trimEnd()}\n${error.hint}`;
  }
  const { message, cause } = error instanceof Bug ? error : new Bug('', error);
  return `${message}\n${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`;
}
