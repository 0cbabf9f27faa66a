import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answerScore,
  type ConfidenceSignals,
  earlyGate,
  type GateFit,
  type GateModel,
  gateScore,
} from '../../../src/protocol/index.ts';

const weight = fc.double({ min: 0, max: 5, noNaN: true });
const model: fc.Arbitrary<GateModel> = fc.record({
  bias: fc.double({ min: -10, max: 10, noNaN: true }),
  weights: fc.record({ prompt: weight, answer: weight, margin: weight, entropy: weight }),
});
const stages = fc.record({
  final: fc.array(model, { minLength: 1, maxLength: 2 }),
  bar: fc.double({ min: 0.05, max: 0.95, noNaN: true }),
  early: fc
    .tuple(model, model, fc.double({ min: 0, max: 0.5, noNaN: true }))
    .map(([first, second, escalateBelow]) => [
      { answerTokens: 0, escalateBelow, model: first },
      { answerTokens: 4, escalateBelow, model: second },
    ]),
});
const fits: fc.Arbitrary<GateFit> = fc.record({
  format: fc.constant(1 as const),
  sourceDigest: fc.constant('0'.repeat(64)),
  form: fc.constant('int8' as const),
  scored: fc.option(stages),
  unscored: stages,
});
const amount = (max: number) => fc.double({ min: 0, max, noNaN: true });
const signals: fc.Arbitrary<ConfidenceSignals> = fc.record({
  answerTokens: fc.integer({ min: 1, max: 100 }),
  answerLogprob: amount(12).map((value) => -value),
  smallestMargin: amount(20),
  firstEntropy: amount(12),
  promptLogprob: fc.option(amount(12).map((value) => -value)),
});

/** The same answer with one signal that speaks more for it. */
function better(
  base: ConfidenceSignals,
  name: 'answerLogprob' | 'smallestMargin' | 'firstEntropy' | 'promptLogprob',
  by: number,
): ConfidenceSignals {
  const value = base[name];
  if (value === null) return base;
  if (name === 'firstEntropy') return { ...base, firstEntropy: Math.max(0, value - by) };
  if (name === 'smallestMargin') return { ...base, smallestMargin: value + by };
  return { ...base, [name]: Math.min(0, value + by) };
}

const kind = fc.constantFrom(
  'answerLogprob' as const,
  'smallestMargin' as const,
  'firstEntropy' as const,
  'promptLogprob' as const,
);

describe('gateScore', () => {
  it('is from 0 to 1, and never falls when a signal speaks more for the answer', () => {
    fc.assert(
      fc.property(signals, fits, kind, amount(12), (base, fit, name, by) => {
        const score = gateScore(base, fit) ?? Number.NaN;
        const raised = gateScore(better(base, name, by), fit) ?? Number.NaN;
        expect(score).toBeGreaterThanOrEqual(0);
        expect(raised).toBeLessThanOrEqual(1);
        expect(raised).toBeGreaterThanOrEqual(score - 1e-12);
      }),
      { numRuns: 1000 },
    );
  });

  it('does rise with each signal that has a weight', () => {
    const all = { prompt: 1, answer: 1, margin: 1, entropy: 1 };
    const lone = { final: [{ bias: 0, weights: all }], bar: 0.5, early: [] };
    const fit: GateFit = {
      format: 1,
      sourceDigest: '0'.repeat(64),
      form: 'int8',
      scored: lone,
      unscored: lone,
    };
    const base = {
      answerTokens: 5,
      answerLogprob: -1,
      smallestMargin: 1,
      firstEntropy: 1,
      promptLogprob: -4,
    };
    const score = gateScore(base, fit) as number;
    // 1 / (1 + e^(−(−4 + 0 + 1 + 0))): ln 1 = 0 for the answer and the entropy.
    expect(score).toBeCloseTo(1 / (1 + Math.exp(3)), 12);
    for (const name of [
      'answerLogprob',
      'smallestMargin',
      'firstEntropy',
      'promptLogprob',
    ] as const) {
      expect(gateScore(better(base, name, 0.5), fit)).toBeGreaterThan(score);
    }
  });

  it('uses the models without the prompt exactly where the prompt has no score', () => {
    fc.assert(
      fc.property(signals, fits, (base, fit) => {
        const without = { ...base, promptLogprob: null };
        expect(gateScore(without, fit)).toBe(gateScore(without, { ...fit, scored: null }));
      }),
    );
  });

  it('is null for an answer without tokens, and the confidence where nothing was fitted', () => {
    const [base] = fc.sample(signals, 1) as [ConfidenceSignals];
    const [fit] = fc.sample(fits, 1) as [GateFit];
    const empty = { ...base, answerTokens: 0, answerLogprob: null };
    expect(gateScore(empty, fit)).toBeNull();
    expect(answerScore({ confidence: 0.7, signals: base }, null)).toBe(0.7);
    expect(answerScore({ confidence: 0.7 }, fit)).toBe(0.7);
    expect(answerScore({ confidence: 0.7, signals: base }, fit)).toBe(gateScore(base, fit));
  });
});

describe('earlyGate', () => {
  it('gives no answer up that it would give up less with a signal worse, nor a higher threshold keeps', () => {
    const threshold = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        signals,
        fits,
        kind,
        amount(12),
        threshold,
        threshold,
        (base, fit, name, by, a, b) => {
          if (earlyGate(better(base, name, by), fit, a)) {
            expect(earlyGate(base, fit, a)).toBe(true);
          }
          if (earlyGate(base, fit, Math.min(a, b))) {
            expect(earlyGate(base, fit, Math.max(a, b))).toBe(true);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('judges by the last point passed, and not before the first', () => {
    const flat = (bias: number): GateModel => ({
      bias,
      weights: { prompt: 0, answer: 0, margin: 0, entropy: 0 },
    });
    const early = [
      { answerTokens: 4, escalateBelow: 0.2, model: flat(-9) },
      { answerTokens: 8, escalateBelow: 0.2, model: flat(9) },
    ];
    const fit: GateFit = {
      format: 1,
      sourceDigest: '0'.repeat(64),
      form: 'int8',
      scored: null,
      unscored: { final: [flat(0)], bar: 0.5, early },
    };
    const after = (answerTokens: number) => ({
      answerTokens,
      answerLogprob: -1,
      smallestMargin: 1,
      firstEntropy: 1,
      promptLogprob: null,
    });
    expect([3, 4, 7, 8, 50].map((tokens) => earlyGate(after(tokens), fit))).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
    expect(earlyGate(after(4), fit, 0)).toBe(false);
    expect(earlyGate(after(8), fit, 1)).toBe(true);
  });
});
