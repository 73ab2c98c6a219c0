import { describe, it } from 'node:test';
import { fuzzRound } from './fuzz/target.ts';
import { FUZZ_TARGETS } from './fuzz/targets.ts';

/** The first of each target's seeds; `npm run soak -- fuzz` takes others. */
const SEED = 1;

describe('whatever somebody else wrote', () => {
  for (const target of FUZZ_TARGETS) {
    it(`${target.name}: ${target.rounds} rounds`, async () => {
      for (let round = 0; round < target.rounds; round++) await fuzzRound(target, SEED + round);
    });
  }
});
