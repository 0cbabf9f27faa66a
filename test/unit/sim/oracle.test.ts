import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bestRate,
  leastJoules,
  leastWatts,
  type RatePoint,
  runOracle,
  upperHull,
} from '../../../src/hardware/sim/oracle.ts';
import { boardParameters } from '../../../src/hardware/sim/boards.ts';
import { parseScenario } from '../../../src/hardware/sim/scenario.ts';

const points = fc.array(
  fc.record({
    watts: fc.integer({ min: 1, max: 50 }).map((tenths) => tenths / 10),
    rate: fc.integer({ min: 1, max: 300 }).map((tenths) => tenths / 10),
  }),
  { minLength: 1, maxLength: 8 },
);

/** The best mix of any two points (idle among them) under a cap, by trying them all. */
function bruteForce(candidates: readonly RatePoint[], capW: number): number {
  const all = [{ watts: 0, rate: 0 }, ...candidates];
  let best = 0;
  for (const a of all) {
    for (const b of all) {
      if (a.watts <= capW) best = Math.max(best, a.rate);
      if (a.watts <= capW && b.watts > capW) {
        const share = (capW - a.watts) / (b.watts - a.watts);
        best = Math.max(best, a.rate * (1 - share) + b.rate * share);
      }
    }
  }
  return best;
}

describe('the oracle', () => {
  it('finds what trying all mixes of points finds', () => {
    fc.assert(
      fc.property(points, fc.integer({ min: 0, max: 60 }), (candidates, tenths) => {
        const capW = tenths / 10;
        expect(bestRate(upperHull(candidates), capW)).toBeCloseTo(bruteForce(candidates, capW), 9);
      }),
      { numRuns: 500 },
    );
  });

  it('asks for just the watts that a rate takes', () => {
    fc.assert(
      fc.property(points, fc.integer({ min: 1, max: 100 }), (candidates, percent) => {
        const hull = upperHull(candidates);
        const most = hull.at(-1)?.rate ?? 0;
        const rate = (most * percent) / 100;
        expect(bestRate(hull, leastWatts(hull, rate))).toBeCloseTo(rate, 9);
        expect(leastWatts(hull, most * 1.001)).toBe(Infinity);
      }),
    );
  });

  it('divides time between prefill and decoding as a fine search does', () => {
    fc.assert(
      fc.property(
        points,
        points,
        fc.record({
          prefill: fc.integer({ min: 1, max: 40 }),
          decode: fc.integer({ min: 1, max: 40 }),
        }),
        (some, others, work) => {
          const hulls = { prefill: upperHull(some), decode: upperHull(others) };
          const seconds = 10;
          let searched = Infinity;
          for (let part = 1; part < 4000; part += 1) {
            const first = (seconds * part) / 4000;
            const joules =
              first * leastWatts(hulls.prefill, work.prefill / first) +
              (seconds - first) * leastWatts(hulls.decode, work.decode / (seconds - first));
            searched = Math.min(searched, joules);
          }
          const found = leastJoules(hulls, work, seconds);
          // The search steps over the optimum by a little; it can never be below it.
          expect(found).toBeLessThanOrEqual(searched * (1 + 1e-6) + 1e-9);
          if (Number.isFinite(searched)) expect(found).toBeGreaterThan(searched * 0.97 - 0.05);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('does no more than the requests that there are', () => {
    const scenario = parseScenario('few', {
      title: 'Two small requests',
      duration_s: 100,
      budget_w: [[0, 2]],
      load: {
        kind: 'trace',
        requests: [
          { at_s: 0, prompt_tokens: 10, answer_tokens: 5 },
          { at_s: 50, prompt_tokens: 20, answer_tokens: 7 },
        ],
      },
    });
    const result = runOracle(scenario, boardParameters('raspberry-pi-5'), 45);
    expect(result.promptTokens).toBeCloseTo(30, 6);
    expect(result.answerTokens).toBeCloseTo(12, 6);
  });

  it('does more with more watts and nothing with none', () => {
    const work = (budgetW: number) => {
      const scenario = parseScenario('steady', {
        title: 'Steady',
        duration_s: 60,
        budget_w: [[0, budgetW]],
        load: { kind: 'steady', prompt_tokens: 16, answer_tokens: 64 },
      });
      return runOracle(scenario, boardParameters('raspberry-pi-4b'), 45).answerTokens;
    };
    expect(work(0)).toBeCloseTo(0, 3);
    expect(work(1)).toBeGreaterThan(10);
    expect(work(2)).toBeGreaterThan(work(1) * 1.2);
  });
});
