import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHoldableGate, type Step, type StepReport } from '../../../src/engine/index.ts';
import type { GenerateRequest, GenerationResult } from '../../../src/protocol/index.ts';
import { collect, streamedText } from '../../contract/engine.suite.ts';
import { chat, doneOf, greedy, longPrompt, type Nano, nanoGolden, openNano, wild } from './nano.ts';

let nano: Nano;
beforeAll(async () => {
  nano = await openNano();
});
afterAll(async () => {
  await nano.dispose();
});

const ask = async (request: GenerateRequest, from = nano): Promise<GenerationResult> =>
  doneOf(await collect(from.engine.generate(request, new AbortController().signal)));

const failure = async (request: GenerateRequest) =>
  (await collect(nano.engine.generate(request, new AbortController().signal))).at(-1);

describe('answers of the real engine', () => {
  it('are those of the float32 reference, prompt by prompt', async () => {
    const golden = nanoGolden();
    expect(golden.length).toBeGreaterThan(0);
    for (const entry of golden) {
      const result = await ask(greedy({ messages: chat(...entry.messages), maxTokens: 200 }));
      expect(result.text).toBe(entry.greedy_text);
      expect(result.promptTokens).toBe(entry.input_ids.length);
      // The reference counts the end token, which is not part of the answer.
      expect(result.completionTokens).toBe(entry.greedy_ids.length - 1);
      expect(result.finishReason).toBe('stop');
    }
  });

  it.each(['dotprod', 'nodotprod'] as const)(
    'are the same from a folder that was made for %s cores, whatever this machine has',
    async (target) => {
      const other = await openNano({}, target);
      for (const { messages, greedy_text: text } of nanoGolden().slice(0, 3)) {
        const request = greedy({ messages: chat(...messages), maxTokens: 200 });
        expect((await ask(request, other)).text).toBe(text);
      }
      await other.dispose();
    },
  );

  it('are the same for the same seed, and others for another', async () => {
    const first = await ask(wild(60, 1));
    const second = await ask(wild(60, 1));
    const other = await ask(wild(60, 2));
    expect(second.text).toBe(first.text);
    expect(other.text).not.toBe(first.text);
  });

  it('never split a character, whatever bytes the model draws', async () => {
    for (let seed = 0; seed < 4; seed++) {
      const parts = await collect(
        nano.engine.generate(wild(150, seed), new AbortController().signal),
      );
      expect(streamedText(parts)).toBe(doneOf(parts).text);
      for (const part of parts) {
        // A lone surrogate would not survive this.
        if (part.type === 'delta') {
          expect(Buffer.from(part.text).toString('utf8')).toBe(part.text);
        }
      }
    }
  });

  it('end before a stop string that spans tokens, and stream nothing of it', async () => {
    const messages = chat('把客厅的灯调到30%');
    const whole = (await ask(greedy({ messages }))).text;
    const stop = whole.slice(13, 20);
    const parts = await collect(
      nano.engine.generate(greedy({ messages, stop: [stop] }), new AbortController().signal),
    );
    expect(doneOf(parts).text).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(streamedText(parts)).toBe(doneOf(parts).text);
    expect(doneOf(parts).finishReason).toBe('stop');
    const missed = await ask(greedy({ messages, stop: [`${stop}\u0000`] }));
    expect(missed.text).toBe(whole);
  });

  it('carry log-probabilities that add up to the confidence', async () => {
    const result = await ask(greedy({ messages: chat('turn on the light'), topLogprobs: 3 }));
    const entries = result.logprobs ?? [];
    expect(entries).toHaveLength(result.completionTokens);
    expect(Buffer.concat(entries.map((entry) => Buffer.from(entry.bytes))).toString()).toBe(
      result.text,
    );
    const mean = entries.reduce((sum, entry) => sum + entry.logprob, 0) / entries.length;
    expect(result.confidence).toBeCloseTo(Math.exp(mean), 9);
    for (const entry of entries) {
      expect(entry.top_logprobs).toHaveLength(3);
      // Greedy: the chosen token is the most likely one.
      expect(entry.top_logprobs[0]?.logprob).toBe(entry.logprob);
    }
  });

  it('say both numbers when the prompt is too long', async () => {
    const last = await failure(greedy({ prompt: longPrompt(2100) }));
    expect(last).toMatchObject({
      type: 'error',
      error: { code: 'context_length_exceeded', param: 'prompt' },
    });
    const message = last?.type === 'error' ? last.error.message : '';
    expect(message).toContain('2047');
    expect(Number(/is (\d+) tokens/.exec(message)?.[1])).toBeGreaterThan(2047);
    expect(await failure(greedy({ messages: chat(longPrompt(2100)) }))).toMatchObject({
      error: { param: 'messages' },
    });
  });

  it('are clamped to what the context leaves', async () => {
    const small = await openNano({ contextTokens: 24 });
    try {
      const result = await ask(wild(500), small);
      expect(result.finishReason).toBe('length');
      expect(result.promptTokens + result.completionTokens).toBe(24);
    } finally {
      await small.dispose();
    }
  });

  it('refuse an empty prompt by name', async () => {
    expect(await failure(greedy({ prompt: '' }))).toMatchObject({
      error: { code: 'invalid_request', param: 'prompt' },
    });
  });
});

describe('greedy text', () => {
  const prompts = [
    longPrompt(150),
    `${longPrompt(150)} and more`,
    longPrompt(400),
    `${longPrompt(140)} otherwise`,
  ].map((prompt) => greedy({ prompt, maxTokens: 12 }));

  it('does not depend on what ran before, nor on the pace', async () => {
    const fresh: GenerationResult[] = [];
    for (const request of prompts) {
      // An unrelated prompt in between empties the cache of anything shared.
      await ask(greedy({ prompt: 'zzz', maxTokens: 1 }));
      const result = await ask(request);
      expect(result.cachedTokens).toBe(0);
      fresh.push(result);
    }
    const warm: GenerationResult[] = [];
    for (const request of prompts) warm.push(await ask(request));
    expect(warm.map(({ text }) => text)).toEqual(fresh.map(({ text }) => text));
    expect(warm.slice(1).some(({ cachedTokens }) => cachedTokens >= 128)).toBe(true);
    expect(warm.every(({ cachedTokens }) => cachedTokens % 128 === 0)).toBe(true);
    // Logits too: the confidence is equal to the last bit.
    expect(warm.map(({ confidence }) => confidence)).toEqual(
      fresh.map(({ confidence }) => confidence),
    );

    nano.engine.setGate({
      acquire: (step) => new Promise((resolve) => setTimeout(resolve, step.position % 3)),
      report: () => {},
    });
    const paced: GenerationResult[] = [];
    for (const request of prompts) paced.push(await ask(request));
    nano.engine.setGate(null);
    expect(paced.map(({ text }) => text)).toEqual(fresh.map(({ text }) => text));
  });
});

describe('the step gate', () => {
  it('sees every step in chunks of 128 from position 0, and holds them', async () => {
    const reports: StepReport[] = [];
    const gate = createHoldableGate((report) => reports.push(report));
    nano.engine.setGate(gate);
    await ask(greedy({ prompt: 'zzz', maxTokens: 1 }));
    reports.length = 0;
    gate.hold();
    const answer = ask(greedy({ prompt: longPrompt(200), maxTokens: 4 }));
    while (gate.waiting() === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(reports).toEqual([]);
    gate.release();
    const { promptTokens, completionTokens } = await answer;
    const prefill = reports.filter(({ phase }) => phase === 'prefill');
    expect(prefill.map(({ position }) => position)).toEqual(
      Array.from({ length: Math.ceil(promptTokens / 128) }, (_, index) => index * 128),
    );
    expect(prefill.reduce((rows, step) => rows + step.rows, 0)).toBe(promptTokens);
    expect(reports.filter(({ phase }) => phase === 'decode').map(({ rows }) => rows)).toEqual(
      Array.from({ length: completionTokens - 1 }, () => 1),
    );
    expect(reports.every(({ durationMs }) => durationMs > 0)).toBe(true);
    nano.engine.setGate(null);
  });

  it('asks for no step that was granted ahead, and reports every one in order', async () => {
    const free = await ask(wild(24));
    const asked: Step[] = [];
    const begun: Step[] = [];
    const reports: StepReport[] = [];
    nano.engine.setGate({
      acquire(step) {
        asked.push(step);
        return Promise.resolve();
      },
      report: (report) => reports.push(report),
      begin: (step) => begun.push(step),
      // Every third step must be asked for.
      ahead: ({ position }) => position % 3 !== 0,
    });
    const paced = await ask(wild(24));
    nano.engine.setGate(null);
    expect(paced.text).toBe(free.text);
    const positions = (steps: Step[]) => steps.map(({ position }) => position);
    expect(begun.length).toBeGreaterThan(0);
    expect(positions(begun).every((position) => position % 3 !== 0)).toBe(true);
    expect(positions([...asked, ...begun]).toSorted((a, b) => a - b)).toEqual(positions(reports));
    expect(reports.filter(({ phase }) => phase === 'decode')).toHaveLength(23);
  });

  it('lets a held job be cancelled, and a removed gate lets waiting steps pass', async () => {
    const gate = createHoldableGate();
    gate.hold();
    nano.engine.setGate(gate);
    const controller = new AbortController();
    const parts = collect(nano.engine.generate(wild(20), controller.signal));
    while (gate.waiting() === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    expect(await parts).toMatchObject([{ type: 'error', error: { code: 'cancelled' } }]);

    const answer = ask(wild(5));
    while (gate.waiting() === 0) await new Promise((resolve) => setImmediate(resolve));
    nano.engine.setGate(null);
    expect((await answer).completionTokens).toBe(5);
    expect(gate.waiting()).toBe(0);
  });

  it('is a cancellation point in the middle of the prefill', async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    nano.engine.setGate({
      async acquire(step) {
        seen.push(step.position);
        if (step.position >= 256) controller.abort();
      },
      report: () => {},
    });
    const request = greedy({ prompt: longPrompt(200, 'q') });
    const parts = await collect(nano.engine.generate(request, controller.signal));
    nano.engine.setGate(null);
    expect(parts).toMatchObject([{ type: 'error', error: { code: 'cancelled' } }]);
    expect(seen).toEqual([0, 128, 256]);
    // What the cancelled prefill left in the cache is sound: it is taken over and changes nothing.
    const resumed = await ask(greedy({ prompt: longPrompt(200, 'q'), maxTokens: 8 }));
    expect(resumed.cachedTokens).toBeGreaterThanOrEqual(256);
    await ask(greedy({ prompt: 'zzz', maxTokens: 1 }));
    const fresh = await ask(greedy({ prompt: longPrompt(200, 'q'), maxTokens: 8 }));
    expect(fresh.cachedTokens).toBe(0);
    expect(resumed.text).toBe(fresh.text);
  });
});
