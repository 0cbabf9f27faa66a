import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../src/engine/process/prng.ts';
import { argmax, createSampler, greatest } from '../../../src/engine/process/sampler.ts';
import type { Sampling } from '../../../src/protocol/index.ts';

const OFF: Sampling = {
  temperature: 1,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  seed: 1,
};

/** Shares of many draws. */
function shares(logits: number[], sampling: Partial<Sampling>, seen: number[] = []): number[] {
  const sampler = createSampler({ ...OFF, ...sampling }, logits.length, createRandom(42));
  for (const token of seen) sampler.see(token);
  const counts = logits.map(() => 0);
  const draws = 20_000;
  const values = Float32Array.from(logits);
  for (let draw = 0; draw < draws; draw++) {
    const token = sampler.choose(values);
    counts[token] = (counts[token] ?? 0) + 1;
  }
  expect([...values]).toEqual([...Float32Array.from(logits)]);
  return counts.map((count) => count / draws);
}

const fromShares = (...wanted: number[]) => wanted.map((share) => Math.log(share));

function expectShares(actual: number[], wanted: number[]): void {
  wanted.forEach((share, token) => {
    if (share === 0) expect(actual[token]).toBe(0);
    else expect(actual[token]).toBeCloseTo(share, 1);
  });
}

describe('the sampler', () => {
  it('draws in proportion to the softmax', () => {
    expectShares(shares(fromShares(0.1, 0.6, 0.3), {}), [0.1, 0.6, 0.3]);
  });

  it('sharpens below temperature 1 and flattens above', () => {
    // Squares of the shares, renormalised: 0.04, 0.64 of 0.68.
    expectShares(shares(fromShares(0.2, 0.8), { temperature: 0.5 }), [0.059, 0.941]);
    expect(shares(fromShares(0.2, 0.8), { temperature: 100 })[0]).toBeCloseTo(0.5, 1);
  });

  it('keeps the k most likely', () => {
    expectShares(shares(fromShares(0.1, 0.4, 0.2, 0.3), { topK: 2 }), [0, 4 / 7, 0, 3 / 7]);
  });

  it('keeps the smallest set whose mass reaches top_p', () => {
    expectShares(shares(fromShares(0.1, 0.4, 0.2, 0.3), { topP: 0.65 }), [0, 4 / 7, 0, 3 / 7]);
    expectShares(shares(fromShares(0.1, 0.4, 0.2, 0.3), { topP: 0.75 }), [0, 4 / 9, 2 / 9, 3 / 9]);
    expectShares(shares(fromShares(0.1, 0.4, 0.2, 0.3), { topP: 0 }), [0, 1, 0, 0]);
  });

  it('takes top_p of what top_k left', () => {
    expectShares(shares(fromShares(0.1, 0.4, 0.2, 0.3), { topK: 2, topP: 0.5 }), [0, 1, 0, 0]);
  });

  it('drops what is less likely than min_p times the best', () => {
    expectShares(shares(fromShares(0.1, 0.4, 0.2, 0.3), { minP: 0.6 }), [0, 4 / 7, 0, 3 / 7]);
  });

  it('penalises what was seen, on either side of zero', () => {
    const logits = [2, -2, 1.5];
    expect(
      createSampler({ ...OFF, temperature: 0 }, 3, Math.random).choose(Float32Array.from(logits)),
    ).toBe(0);
    const greedy = createSampler({ ...OFF, temperature: 0, repetitionPenalty: 2 }, 3, Math.random);
    greedy.see(0);
    greedy.see(0);
    expect(greedy.choose(Float32Array.from(logits))).toBe(2);
    // exp(1), exp(-4), exp(1.5)
    const total = Math.exp(1) + Math.exp(-4) + Math.exp(1.5);
    expectShares(shares(logits, { repetitionPenalty: 2 }, [0, 1]), [
      Math.exp(1) / total,
      Math.exp(-4) / total,
      Math.exp(1.5) / total,
    ]);
  });

  it('breaks ties towards the lower id', () => {
    expect(argmax(Float32Array.of(1, 3, 3))).toBe(1);
    expect(greatest(Float32Array.of(1, 3, 3, 3), 2)).toEqual([1, 2]);
  });

  it('finds the greatest as sorting does', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 60 }),
        fc.nat(70),
        (numbers, count) => {
          const values = Float32Array.from(numbers);
          const sorted = numbers
            .map((_, index) => index)
            .toSorted((a, b) => (numbers[b] as number) - (numbers[a] as number) || a - b);
          expect(greatest(values, count)).toEqual(sorted.slice(0, count));
        },
      ),
    );
  });

  it('never draws outside the nucleus that sorting everything gives', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -8, max: 8, noNaN: true }), { minLength: 2, maxLength: 80 }),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        fc.nat(2 ** 31),
        (numbers, topP, seed) => {
          const logits = Float32Array.from(numbers);
          const weights = [...logits].map((logit) => Math.exp(logit));
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const token = createSampler({ ...OFF, topP }, logits.length, createRandom(seed)).choose(
            logits,
          );
          // A token is in the nucleus when those ahead of it do not reach top_p yet.
          const ahead = weights
            .filter(
              (weight, other) =>
                weight > (weights[token] as number) || (weight === weights[token] && other < token),
            )
            .reduce((sum, weight) => sum + weight, 0);
          expect(ahead / total).toBeLessThan(topP + 1e-6);
        },
      ),
    );
  });
});

describe('the random numbers', () => {
  it('are the same for one seed, different for near ones, and even', () => {
    const take = (seed: number) => Array.from({ length: 3 }, createRandom(seed));
    expect(take(5)).toEqual(take(5));
    expect(take(5)).not.toEqual(take(6));
    expect(take(-1)).not.toEqual(take(1));
    expect(take(2 ** 40)).not.toEqual(take(2 ** 41));
    const random = createRandom(9);
    const values = Array.from({ length: 10_000 }, random);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0.5, 1);
  });
});
