import { fuzzRound } from '../../test/fuzz/target.ts';
import { FUZZ_TARGETS } from '../../test/fuzz/targets.ts';
import { atLeast, exactly, type Finding, told } from './finding.ts';

/** Rounds of one target before the next one's turn. */
const TURN = 50;

/** Gives every parser what others might have written, for so many minutes. A round that failed can be made again by its seed. */
export async function soakParsers(minutes: number, seed: number, tell: (text: string) => void): Promise<Finding[]> {
  const end = performance.now() + minutes * 60_000;
  const rounds = new Map(FUZZ_TARGETS.map((target) => [target, 0]));
  let failed = 0;
  for (let first = seed; performance.now() < end; first += TURN) {
    for (const target of FUZZ_TARGETS) {
      for (let at = 0; at < TURN; at++) {
        await fuzzRound(target, first + at).catch((error: Error) => {
          failed++;
          tell(error.message);
        });
      }
      rounds.set(target, (rounds.get(target) ?? 0) + TURN);
    }
  }
  return [
    told('seed', seed),
    ...[...rounds].map(([{ name }, count]) => atLeast(`rounds: ${name}`, count, 1)),
    exactly('rounds that failed', failed, 0),
  ];
}
