import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffDelayMs } from '../../../src/engine/backoff.ts';
import { createHoldableGate } from '../../../src/engine/index.ts';
import { PartStream } from '../../../src/engine/part-stream.ts';
import { MOST_CHUNK_ROWS, KvCache } from '../../../src/engine/process/kv-cache.ts';
import type { GenerationPart } from '../../../src/protocol/index.ts';

const delta = (text: string): GenerationPart => ({ type: 'delta', text });
const failed: GenerationPart = {
  type: 'error',
  error: { code: 'internal', message: 'x', retryable: true },
};

async function read(stream: PartStream): Promise<GenerationPart[]> {
  const parts: GenerationPart[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

describe('PartStream', () => {
  it('joins deltas that wait, but not across a restart', async () => {
    const stream = new PartStream(() => {});
    const parts = [delta('a'), delta('b'), { type: 'restart', reason: 'r' } as const, delta('c')];
    for (const part of [...parts, failed, delta('late')]) stream.push(part);
    expect(await read(stream)).toEqual([delta('ab'), parts[2], delta('c'), failed]);
  });

  it('hands each delta over at once to a reader who waits', async () => {
    const stream = new PartStream(() => {});
    const reading = read(stream);
    for (const text of ['a', 'b']) {
      stream.push(delta(text));
      await new Promise((resolve) => setImmediate(resolve));
    }
    stream.push(failed);
    expect(await reading).toEqual([delta('a'), delta('b'), failed]);
  });

  it('tells when a reader leaves early, and only then', async () => {
    let left = 0;
    const stream = new PartStream(() => (left += 1));
    stream.push(delta('a'));
    for await (const _part of stream) break;
    expect(left).toBe(1);
    const whole = new PartStream(() => (left += 1));
    whole.push(failed);
    await read(whole);
    expect(left).toBe(1);
  });
});

describe('backoffDelayMs', () => {
  it('doubles, keeps its bounds and spreads over the upper half', () => {
    const backoff = { shortestMs: 100, longestMs: 1000 };
    const delays = [1, 2, 3, 4, 5, 100].map((n) => backoffDelayMs(backoff, n, () => 1));
    expect(delays).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(backoffDelayMs(backoff, 2, () => 0)).toBe(100);
  });
});

describe('createHoldableGate', () => {
  it('lets steps pass while open, holds them while held, and frees them on abort', async () => {
    const gate = createHoldableGate();
    const step = { phase: 'decode', rows: 1, position: 0 } as const;
    await gate.acquire(step, new AbortController().signal);
    gate.hold();
    const controller = new AbortController();
    const held = gate.acquire(step, controller.signal);
    expect(gate.waiting()).toBe(1);
    controller.abort();
    await held;
    expect(gate.waiting()).toBe(0);
  });
});

describe('KvCache', () => {
  const dimensions = {
    hidden: 4,
    ffn: 4,
    layers: 2,
    heads: 2,
    kvHeads: 2,
    headDim: 2,
    vocab: 10,
    contextTokens: 4096,
  };
  /** Feeds tokens as the engine does; each row's floats are its position, so moves would show. */
  function prefill(cache: KvCache, tokens: number[]): void {
    for (let from = cache.length; from < tokens.length;) {
      const to = Math.min(tokens.length, from - (from % MOST_CHUNK_ROWS) + MOST_CHUNK_ROWS);
      append(cache, tokens.slice(from, to), 'prefill');
      from = to;
    }
  }
  function append(cache: KvCache, tokens: number[], phase: 'prefill' | 'decode'): void {
    const past = cache.length;
    cache.reserve(past + tokens.length);
    cache.append(tokens, phase, () =>
      Float32Array.from({ length: tokens.length * 2 }, (_, index) => past + (index >> 1)),
    );
  }

  it('reuses whole prefilled chunks of the shared beginning, and leaves one token to run', () => {
    fc.assert(
      fc.property(
        fc.nat(600),
        fc.nat(600),
        fc.nat(600),
        fc.nat(40),
        (first, second, shared, decoded) => {
          const cache = new KvCache(dimensions);
          const old = Array.from({ length: first + 1 }, () => 1);
          prefill(cache, old);
          for (let step = 0; step < decoded; step++) append(cache, [1], 'decode');
          const next = Array.from({ length: second + 1 }, (_, index) => (index < shared ? 1 : 2));
          const kept = cache.reuse(next);
          const same = Math.min(shared, next.length - 1, old.length);
          expect(kept).toBe(Math.floor(same / MOST_CHUNK_ROWS) * MOST_CHUNK_ROWS);
          expect(cache.length).toBe(kept);
          prefill(cache, next);
          for (const lane of cache.lanes) {
            const view = cache.view(lane);
            expect(view.length).toBe(next.length * 2);
            expect(view.every((value, index) => value === index >> 1)).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('names its lanes as the manifest says, and gives memory back after a long prompt', () => {
    const cache = new KvCache(dimensions);
    expect(cache.lanes.map(({ input }) => input)).toContain('past.1.value.0');
    expect(cache.lanes).toHaveLength(8);
    prefill(
      cache,
      Array.from({ length: 2000 }, () => 1),
    );
    const large = cache.bytes;
    cache.reuse([2, 2]);
    expect(cache.bytes).toBeLessThan(large / 4);
  });
});
