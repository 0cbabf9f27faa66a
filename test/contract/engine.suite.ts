import { afterEach, describe, expect, it } from 'vitest';
import type { GenerateRequest, GenerationPart } from '../../src/protocol/index.ts';
import type { Engine } from '../../src/service/index.ts';

export type EngineUnderTest = {
  engine: Engine;
  /** A request whose answer takes at least 20 tokens. */
  long: GenerateRequest;
  dispose(): Promise<void>;
};

export async function collect(stream: AsyncIterable<GenerationPart>): Promise<GenerationPart[]> {
  const parts: GenerationPart[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

/** The text that a reader of the deltas would have. */
export function streamedText(parts: readonly GenerationPart[]): string {
  let text = '';
  for (const part of parts) {
    if (part.type === 'delta') text += part.text;
    if (part.type === 'restart') text = '';
  }
  return text;
}

const never = () => new AbortController().signal;
const isTerminal = (part: GenerationPart) => part.type === 'done' || part.type === 'error';

/** What every `Engine` promises, whoever fulfils it. */
export function engineContract(name: string, make: () => Promise<EngineUnderTest>): void {
  describe(`${name} fulfils the contract of Engine`, () => {
    let current: EngineUnderTest | undefined;
    const setUp = async () => (current = await make());
    afterEach(async () => {
      await current?.dispose();
      current = undefined;
    });

    it('streams deltas that join to the text of the one terminal part', async () => {
      const { engine, long } = await setUp();
      const parts = await collect(engine.generate(long, never()));
      expect(parts.filter(isTerminal)).toHaveLength(1);
      const last = parts.at(-1);
      if (last?.type !== 'done') throw new Error(`expected done, got ${JSON.stringify(last)}`);
      expect(last.result.text).toBe(streamedText(parts));
      expect(last.result.completionTokens).toBeGreaterThanOrEqual(20);
      expect(last.result.promptTokens).toBeGreaterThan(0);
    });

    it('stops at max_tokens with finish reason length', async () => {
      const { engine, long } = await setUp();
      const parts = await collect(engine.generate({ ...long, maxTokens: 3 }, never()));
      expect(parts.at(-1)).toMatchObject({
        type: 'done',
        result: { finishReason: 'length', completionTokens: 3 },
      });
    });

    it('answers a request that was cancelled beforehand with an error, not by throwing', async () => {
      const { engine, long } = await setUp();
      const parts = await collect(engine.generate(long, AbortSignal.abort()));
      expect(parts).toMatchObject([{ type: 'error', error: { code: 'cancelled' } }]);
    });

    it('ends a cancelled answer with the partial text', async () => {
      const { engine, long } = await setUp();
      const controller = new AbortController();
      const parts: GenerationPart[] = [];
      for await (const part of engine.generate(long, controller.signal)) {
        parts.push(part);
        if (part.type === 'delta') controller.abort();
      }
      const last = parts.at(-1);
      if (last?.type !== 'done') throw new Error(`expected done, got ${JSON.stringify(last)}`);
      expect(last.result.finishReason).toBe('cancelled');
      expect(last.result.text).toBe(streamedText(parts));
      expect(last.result.text).not.toBe('');
    });

    it('takes several requests at once and answers each', async () => {
      const { engine, long } = await setUp();
      const answers = await Promise.all(
        [5, 6, 7].map((maxTokens) => collect(engine.generate({ ...long, maxTokens }, never()))),
      );
      expect(
        answers.map((parts) => {
          const last = parts.at(-1);
          return last?.type === 'done' ? last.result.completionTokens : last;
        }),
      ).toEqual([5, 6, 7]);
    });

    it('goes on when a reader leaves in the middle', async () => {
      const { engine, long } = await setUp();
      for await (const part of engine.generate(long, never())) {
        if (part.type === 'delta') break;
      }
      const parts = await collect(engine.generate({ ...long, maxTokens: 2 }, never()));
      expect(parts.at(-1)).toMatchObject({ type: 'done' });
    });

    it('tells its listeners when it is busy and when it is ready again', async () => {
      const { engine, long } = await setUp();
      const seen: string[] = [];
      const unsubscribe = engine.onStatus((status) => seen.push(status.state));
      await collect(engine.generate({ ...long, maxTokens: 2 }, never()));
      expect(seen).toEqual(['busy', 'ready']);
      unsubscribe();
      await collect(engine.generate({ ...long, maxTokens: 2 }, never()));
      expect(seen).toEqual(['busy', 'ready']);
      expect(engine.status()).toMatchObject({ state: 'ready', problem: null });
      expect(engine.status().tokensTotal).toBeGreaterThanOrEqual(4);
    });
  });
}
