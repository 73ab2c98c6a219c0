import { Random } from '../../fixtures/random.ts';

/** Something that reads what others wrote, and what must be so whatever that is. */
export interface FuzzTarget {
  readonly name: string;
  /** How many rounds `npm test` makes of it. */
  readonly rounds: number;
  /** Makes up an input and gives it to the reader. @throws Error when something is not as it must be. */
  readonly round: (random: Random) => void | Promise<void>;
}

/** A round that failed, and can be made again. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';

  constructor(target: string, seed: number, cause: unknown) {
    super(`${target}, seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** One round. @throws FuzzFailure */
export async function fuzzRound({ name, round }: FuzzTarget, seed: number): Promise<void> {
  try {
    await round(new Random(seed));
  } catch (error) {
    throw new FuzzFailure(name, seed, error);
  }
}
