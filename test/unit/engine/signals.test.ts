import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KvCache } from '../../../src/engine/process/kv-cache.ts';
import { argmax } from '../../../src/engine/process/sampler.ts';
import {
  entropy,
  lastTurnStart,
  promptLogprob,
  scoredRows,
  SignalMeter,
  topTwo,
} from '../../../src/engine/process/signals.ts';
import type { GenerationPart } from '../../../src/protocol/index.ts';

const logits = fc
  .array(fc.integer({ min: -40, max: 40 }), { minLength: 2, maxLength: 60 })
  .map((values) => Float32Array.from(values, (value) => value / 4));

const logSumExp = (values: Float32Array) =>
  Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0));

describe('topTwo', () => {
  it('finds what argmax finds, and the distance to the second of the sorted logits', () => {
    fc.assert(
      fc.property(logits, (values) => {
        const [first = 0, second = 0] = values.toSorted((a, b) => b - a);
        expect(topTwo(values)).toEqual({ token: argmax(values), margin: first - second });
      }),
    );
  });
});

describe('entropy', () => {
  it('is that of the softmax, from 0 to ln V', () => {
    fc.assert(
      fc.property(logits, (values) => {
        const total = values.reduce((sum, value) => sum + Math.exp(value), 0);
        const expected = [...values]
          .map((value) => Math.exp(value) / total)
          .reduce((sum, p) => sum - p * Math.log(p), 0);
        const found = entropy(values, logSumExp(values));
        expect(found).toBeCloseTo(expected, 9);
        expect(found).toBeLessThanOrEqual(Math.log(values.length) + 1e-9);
      }),
    );
    expect(entropy(new Float32Array(8), Math.log(8))).toBeCloseTo(Math.log(8), 12);
    expect(entropy(Float32Array.of(0, -1e30), 0)).toBe(0);
  });
});

describe('the last turn', () => {
  it('begins where the prompt stops to agree with that turn alone', () => {
    expect(lastTurnStart([1, 9, 9, 4, 5, 6, 7], [1, 5, 6, 7])).toBe(4);
    // A lone turn is the prompt, whose first token nothing foretells.
    expect(lastTurnStart([1, 5, 6, 7], [1, 5, 6, 7])).toBe(1);
  });

  it('is scored token by token exactly once, however the prompt is cut into chunks', () => {
    const shape = fc
      .tuple(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 16 }),
      )
      .map(([length, start, chunk]) => ({ length, start: Math.min(start, length), chunk }));
    fc.assert(
      fc.property(shape, ({ length, start, chunk }) => {
        const prompt = Array.from({ length }, (_, position) => 1000 + position);
        const seen: number[] = [];
        for (let from = 0; from < length; from += chunk) {
          const to = Math.min(length, from + chunk);
          const scored = scoredRows(prompt, start, from, to);
          scored?.targets.forEach((target, row) => {
            // The row before a token foretells it, and lies in this chunk.
            const position = from + scored.from + row + 1;
            expect(target).toBe(prompt[position]);
            expect(position - 1).toBeLessThan(to);
            seen.push(position);
          });
        }
        expect(seen).toEqual(Array.from({ length: length - start }, (_, index) => start + index));
      }),
    );
  });
});

describe('scores in the cache', () => {
  const dimensions = {
    hidden: 4,
    ffn: 4,
    layers: 1,
    heads: 1,
    kvHeads: 1,
    headDim: 2,
    vocab: 50,
    contextTokens: 64,
  };
  const filled = (tokens: number[]) => {
    const cache = new KvCache(dimensions);
    cache.useChunks(4);
    for (let from = 0; from < tokens.length; from += 4) {
      const chunk = tokens.slice(from, from + 4);
      cache.reserve(cache.length + chunk.length);
      cache.append(chunk, 'prefill', () => new Float32Array(chunk.length * 2));
    }
    return cache;
  };
  const prompt = [1, 2, 3, 4, 5, 6, 7, 8, 9];

  it('live as long as the rows, and the mean is over those that are known', () => {
    const cache = filled(prompt);
    prompt.slice(1).forEach((token, index) => cache.setScore(index + 1, -token));
    expect(promptLogprob(cache, 1, prompt.length)).toBeCloseTo(-(2 + 9) / 2, 12);
    expect(promptLogprob(cache, 7, prompt.length)).toBeCloseTo(-(8 + 9) / 2, 12);
    // Another prompt that shares the first chunk: what its own rows do not tell again is unknown.
    expect(cache.reuse([1, 2, 3, 4, 6, 6])).toBe(4);
    expect([0, 1, 3, 4].map((position) => cache.scoreOf(position))).toEqual([
      undefined,
      -2,
      -4,
      undefined,
    ]);
    expect(promptLogprob(cache, 1, 6)).toBeCloseTo(-3, 12);
    // Of 17 tokens asked about three are known: another measure, so none.
    expect(promptLogprob(cache, 1, 18)).toBeNull();
    expect(promptLogprob(cache, 6, 6)).toBeNull();
    cache.truncate(0);
    expect(cache.scoreOf(1)).toBeUndefined();
  });
});

describe('SignalMeter', () => {
  it('sends signals at once and at tokens 1, 2, 4, 8, if anybody wants them', () => {
    const parts: GenerationPart[] = [];
    const meter = new SignalMeter(-2, (part) => parts.push(part));
    const values = Float32Array.of(3, 1, 0);
    for (let index = 0; index < 9; index++) {
      meter.add(-index, { token: 0, margin: 9 - index }, values, logSumExp(values));
    }
    const sent = parts.flatMap((part) => (part.type === 'signals' ? [part.signals] : []));
    expect(sent.map(({ answerTokens }) => answerTokens)).toEqual([0, 1, 2, 4, 8]);
    expect(sent[0]).toEqual({
      answerTokens: 0,
      answerLogprob: null,
      smallestMargin: null,
      firstEntropy: null,
      promptLogprob: -2,
    });
    expect(sent[3]).toMatchObject({ answerLogprob: -1.5, smallestMargin: 6, promptLogprob: -2 });
    expect(sent[4]?.firstEntropy).toBe(entropy(values, logSumExp(values)));
    // Tokens that only spelt a stop string count for nothing.
    expect(meter.signals(2)).toMatchObject({ answerTokens: 2, answerLogprob: -0.5 });
    expect(meter.signals(0)).toMatchObject({ answerTokens: 0, firstEntropy: null });
  });
});
