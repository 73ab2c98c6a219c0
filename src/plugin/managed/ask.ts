import { createInterface } from 'node:readline/promises';
import { UserError } from '../../errors.ts';
import type { Io } from '../command.ts';

/** Resolves once somebody has said yes on the terminal. @throws UserError where they do not, or there is none. */
export async function requireYes(question: string, { err, signal }: Io): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new UserError('error: there is no terminal to ask on', { hint: 'give --yes if that is to be done' });
  }
  const lines = createInterface({ input: process.stdin, output: err });
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal });
    if (!/^y(es)?$/i.test(answer.trim())) throw new UserError('error: nothing was changed');
  } finally {
    lines.close();
  }
}
