import { createInterface } from 'node:readline';

/** Those that count; one more comes before. */
export const ROUNDS = 7;

/** Runs `work` for each line on the input; says so when it is ready to, and each time that it is done. */
export async function eachRound(work: () => Promise<void>): Promise<void> {
  process.stdout.write('{}\n');
  for await (const _ of createInterface({ input: process.stdin })) {
    await work();
    process.stdout.write('{}\n');
  }
}

/** Runs `work` with every item, so many at once, begun in their order. */
export async function eachOf<T>(
  items: Iterable<T> | AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const underWay = new Set<Promise<void>>();
  for await (const item of items) {
    const one = work(item).finally(() => underWay.delete(one));
    underWay.add(one);
    if (underWay.size >= atOnce) await Promise.race(underWay);
  }
  await Promise.all(underWay);
}
