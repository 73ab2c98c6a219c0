/**
 * The same question asked in two ways, each of which resolves with what came of it. `later` says by how many milliseconds
 * its time begins later: nobody asks exactly the same again.
 */
export interface Pair {
  readonly name: string;
  /** What is done each time before it is asked, and not measured. */
  readonly before?: () => Promise<void>;
  readonly ours: (later: number) => Promise<unknown>;
  readonly theirs: (later: number) => Promise<unknown>;
}

/** Rounds that do not count, in which connections are made and code gets warm. */
const WARM_UP = 40;

/**
 * Medians of wall time, in milliseconds, of pairs that are asked in turns; which of the two is first changes from round to
 * round. The sums stand for a user who asks all of them.
 */
export async function inTurns(
  pairs: readonly Pair[],
  rounds: number,
  tell: (text: string) => void,
): Promise<{ readonly ours: number; readonly theirs: number }> {
  const times = pairs.map(() => ({ ours: [] as number[], theirs: [] as number[] }));
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const [at, pair] of pairs.entries()) {
      const order = round % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const);
      for (const whose of order) {
        await pair.before?.();
        const started = performance.now();
        await pair[whose](WARM_UP + round);
        if (round >= 0) times[at]?.[whose].push(performance.now() - started);
      }
    }
  }
  const medians = times.map(({ ours, theirs }) => ({ ours: median(ours), theirs: median(theirs) }));
  for (const [at, { ours, theirs }] of medians.entries()) {
    tell(`${pairs[at]?.name}: ${ours.toFixed(1)} ms, raw ${theirs.toFixed(1)} ms, ${(ours / theirs).toFixed(2)}`);
  }
  const sum = (whose: 'ours' | 'theirs') => medians.reduce((total, one) => total + one[whose], 0);
  return { ours: sum('ours'), theirs: sum('theirs') };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
