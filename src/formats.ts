import { UserError } from './errors.ts';

/**
 * The versions of what outlives a program and is read by others: a number goes up when an older version would misread
 * what a newer one writes. docs/install.md lists them.
 */
export const FORMATS = {
  /** The CustomResourceDefinition of ManagedClusters, noted on it. */
  managedClusters: 1,
  /** The manager's spool, noted in its directory. */
  spool: 1,
  /** A forwarder's state: where it is in each file, and what was lost. Noted in the files themselves. */
  checkpoint: 2,
  gaps: 1,
} as const;

/**
 * Whoever reads on would lose what it does not understand.
 * @throws UserError where `found` is the number of a newer format than `known`.
 */
export function refuseNewer(what: string, found: unknown, known: number): void {
  if (typeof found !== 'number' || !(found > known)) return;
  throw new UserError(`error: ${what} is of format ${found}, and this version of kubectl-mcm knows ${known}`, {
    hint: 'a newer version has written it: use that one, or a newer one still',
  });
}
