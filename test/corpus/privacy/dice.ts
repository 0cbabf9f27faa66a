import { createRandom } from '../../../src/hardware/sim/random.ts';

/** Draws for the corpus: the same seed writes the same texts. */
export type Dice = ReturnType<typeof createDice>;

export function createDice(seed: number) {
  const random = createRandom(seed);
  const uniform = () => random.uniform();
  const int = (low: number, high: number) => low + Math.floor(uniform() * (high - low + 1));
  const pick = <T>(list: readonly T[]): T => list[int(0, list.length - 1)] as T;
  const chars = (alphabet: string, count: number) =>
    Array.from({ length: count }, () => alphabet.charAt(int(0, alphabet.length - 1))).join('');
  return {
    int,
    pick,
    chars,
    digits: (count: number) => chars('0123456789', count),
    chance: (share: number) => uniform() < share,
    real: (low: number, high: number) => low + uniform() * (high - low),
  };
}
