import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import { createEngineSupervisor } from '../../../src/engine/index.ts';
import {
  bundledModelFolder,
  convertModel,
  detectTarget,
  findGateFit,
  loadManifest,
  verifyModel,
} from '../../../src/model/index.ts';
import {
  type ConfidenceSignals,
  earlyGate,
  type GateFit,
  gateScore,
  type GenerateRequest,
  type GenerationPart,
  MANIFEST_FILE,
} from '../../../src/protocol/index.ts';
import { collect, streamedText } from '../../contract/engine.suite.ts';
import { GraphRunner } from '../model/graph-runner.ts';
import { chat, doneOf, greedy, longPrompt, type Nano, nanoGolden, openNano, wild } from './nano.ts';

let nano: Nano;
beforeAll(async () => {
  nano = await openNano();
});
afterAll(async () => {
  await nano.dispose();
});

const run = async (request: Partial<GenerateRequest>, from = nano): Promise<GenerationPart[]> =>
  await collect(
    from.engine.generate(greedy({ watchSignals: true, ...request }), new AbortController().signal),
  );

const sentIn = (parts: readonly GenerationPart[]): ConfidenceSignals[] =>
  parts.flatMap((part) => (part.type === 'signals' ? [part.signals] : []));

function signalsOf(parts: readonly GenerationPart[]): ConfidenceSignals {
  const { signals } = doneOf(parts);
  if (signals === undefined) throw new Error('the engine measured no signals');
  return signals;
}

/** In nats, between steps of one row and of many: 8-bit rounding of an activation may fall the other way. */
const TOLERANCE = 0.05;

type Step = { logprob: number; margin: number; entropy: number };

/** What whole rows of logits say of `token`, by the textbook. */
function stepOf(logits: Float32Array, token: number): Step {
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  const shares = [...logits].map((logit) => Math.exp(logit) / total);
  const [first = 0, second = 0] = logits.toSorted((a, b) => b - a);
  return {
    logprob: Math.log(shares[token] as number),
    margin: first - second,
    entropy: shares.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0),
  };
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('signals', () => {
  it('are those of whole rows of logits, token by token through the bare graph', async () => {
    const graph = await GraphRunner.open(nano.ownFolder, loadManifest(nano.ownFolder));
    let compared = 0;
    for (const golden of nanoGolden()) {
      const parts = await run({ messages: chat(...golden.messages), maxTokens: 200 });
      // Near ties of a prompt out of the domain may fall the other way on another machine.
      if (doneOf(parts).text !== golden.greedy_text) continue;
      compared += 1;
      graph.restart();
      const ids = [...golden.input_ids, ...golden.greedy_ids.slice(0, -1)];
      const steps: Step[] = [];
      for (const [position, id] of ids.entries()) {
        const { logits } = await graph.step([id]);
        const next = ids[position + 1];
        if (next !== undefined) steps.push(stepOf(logits, next));
      }
      const asked = golden.input_ids.length;
      const answer = steps.slice(asked - 1);
      const signals = signalsOf(parts);
      expect(signals.answerTokens).toBe(answer.length);
      expect(signals.answerLogprob).toBeCloseTo(mean(answer.map(({ logprob }) => logprob)), 1);
      const smallest = Math.min(...answer.map(({ margin }) => margin));
      expect(Math.abs((signals.smallestMargin ?? NaN) - smallest)).toBeLessThan(4 * TOLERANCE);
      const entropy = answer[0]?.entropy ?? NaN;
      expect(Math.abs((signals.firstEntropy ?? NaN) - entropy)).toBeLessThan(TOLERANCE);
      // A single turn: all of the prompt but its first token.
      if (golden.messages.length > 1) continue;
      const prompt = mean(steps.slice(0, asked - 1).map(({ logprob }) => logprob));
      expect(Math.abs((signals.promptLogprob ?? NaN) - prompt)).toBeLessThan(TOLERANCE);
    }
    await graph.close();
    expect(compared).toBeGreaterThanOrEqual(7);
  });

  it('grow with the stream, and end as those of the whole answer', async () => {
    const parts = await run({ messages: chat('把客厅的灯调到30%') });
    const sent = sentIn(parts);
    const { completionTokens, confidence } = doneOf(parts);
    expect(parts[0]?.type).toBe('signals');
    expect(sent.map(({ answerTokens }) => answerTokens)).toEqual(
      [0, 1, 2, 4, 8, 16, 32].filter((tokens) => tokens <= completionTokens),
    );
    expect(streamedText(parts)).toBe(doneOf(parts).text);
    const whole = signalsOf(parts);
    expect(whole.answerTokens).toBe(completionTokens);
    expect(confidence).toBeCloseTo(Math.exp(whole.answerLogprob ?? NaN), 12);
    for (const signals of sent) {
      expect(signals.promptLogprob).toBe(whole.promptLogprob);
      if (signals.answerTokens === 0) continue;
      expect(signals.smallestMargin).toBeGreaterThanOrEqual(whole.smallestMargin ?? NaN);
      expect(signals.firstEntropy).toBe(whole.firstEntropy);
    }
  });

  it('are not sent, and cost no scoring, unless they are asked for; the text is the same', async () => {
    const messages = chat('turn on the light in the kitchen');
    const watched = await run({ messages });
    const plain = await run({ messages, watchSignals: false });
    expect(sentIn(plain)).toEqual([]);
    expect(doneOf(plain).text).toBe(doneOf(watched).text);
    expect(signalsOf(plain)).toMatchObject({
      answerTokens: doneOf(plain).completionTokens,
      promptLogprob: null,
    });
  });

  it('judge the last turn, not what was said before or by whom', async () => {
    const known = '把客厅的灯调到30%';
    const strange = 'Write a short poem about the sea in autumn.';
    const answer = doneOf(await run({ messages: chat(known) })).text;
    const alone = signalsOf(await run({ messages: chat(strange) })).promptLogprob ?? NaN;
    const after = signalsOf(await run({ messages: chat(known, answer, known, answer, strange) }));
    expect(Math.abs((after.promptLogprob ?? NaN) - alone)).toBeLessThan(1.5);
    const system = { role: 'system' as const, content: 'Qwertz zxcv? 17 purple elephants!' };
    const told = signalsOf(await run({ messages: [system, ...chat(known)] })).promptLogprob ?? NaN;
    expect(told).toBeGreaterThan(alone);
  });

  it('keep the score of prompt tokens whose rows come from the cache', async () => {
    const prompt = longPrompt(150, 'k');
    const other = async () => await run({ prompt: 'zzz', maxTokens: 1 });
    await other();
    const fresh = await run({ prompt, maxTokens: 3 });
    const warm = await run({ prompt, maxTokens: 3 });
    expect(doneOf(fresh).cachedTokens).toBe(0);
    expect(doneOf(warm).cachedTokens).toBeGreaterThanOrEqual(128);
    // Of the token right after the cached rows the score is lost: one of hundreds.
    const [before, after] = [fresh, warm].map((parts) => signalsOf(parts).promptLogprob ?? NaN);
    expect(Math.abs((before ?? NaN) - (after ?? NaN))).toBeLessThan(0.1);
    // Rows of an answer that was not watched have no scores: too few are known then.
    await other();
    const unwatched = doneOf(await run({ prompt, maxTokens: 3, watchSignals: false }));
    const unknown = await run({ prompt, maxTokens: 3 });
    const cached = doneOf(unknown).cachedTokens;
    expect(cached).toBeGreaterThan(unwatched.promptTokens / 2);
    expect(signalsOf(unknown).promptLogprob).toBeNull();
  });

  it('come with sampled answers and odd ends as well', async () => {
    const parts = await run({ ...wild(40), watchSignals: true });
    const whole = signalsOf(parts);
    expect(whole.answerTokens).toBe(40);
    expect(whole.answerLogprob).toBeLessThan(0);
    expect(whole.smallestMargin).toBeGreaterThanOrEqual(0);
  });
});

describe('a model converted without prompt scores, as by older versions', () => {
  it('verifies, loads and answers alike, only the prompt has no score', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'twowatt-old-model-'));
    const folder = join(parent, 'nano');
    await convertModel(bundledModelFolder(), {
      out: folder,
      target: detectTarget({ procRoot: '/proc' }),
      promptScores: false,
    });
    const path = join(folder, MANIFEST_FILE);
    const { promptScores, ...old } = JSON.parse(readFileSync(path, 'utf8')) as {
      promptScores: boolean;
    };
    expect(promptScores).toBe(false);
    writeFileSync(path, JSON.stringify(old));
    expect((await verifyModel(folder)).promptScores).toBe(false);
    const engine = createEngineSupervisor({
      modelFolder: folder,
      threads: 1,
      logger: silentLogger,
      clock: createSystemClock(),
    });
    engine.start();
    try {
      const messages = chat('把客厅的灯调到30%');
      const parts = await run({ messages }, { ...nano, engine });
      expect(doneOf(parts).text).toBe(doneOf(await run({ messages })).text);
      const signals = signalsOf(parts);
      expect(signals.promptLogprob).toBeNull();
      expect(signals.answerLogprob).toBeLessThanOrEqual(0);
    } finally {
      await engine.close();
      rmSync(parent, { recursive: true });
    }
  });
});

describe('the bundled gate', () => {
  let fit: GateFit;
  beforeAll(() => {
    const found = findGateFit(
      [nano.ownFolder, bundledModelFolder()],
      loadManifest(nano.ownFolder),
      silentLogger,
    );
    if (found === null) throw new Error('models/twowatt-nano/gate.json is not of this build');
    fit = found;
  });

  it.each([
    ['把客厅的灯调到30%', true],
    ['turn on the light in the kitchen', true],
    ['can you tell me what a UPS is?', true],
    ['Write a short poem about the sea in autumn.', false],
    ['Explain the causes of the French Revolution.', false],
    ['帮我写一封辞职信', false],
  ])('of "%s" lets the answer pass: %s', async (prompt, passes) => {
    const parts = await run({ messages: chat(prompt) });
    const score = gateScore(signalsOf(parts), fit) ?? NaN;
    if (passes) expect(score).toBeGreaterThan(0.5);
    else expect(score).toBeLessThan(0.5);
    const early = sentIn(parts).map((signals) => earlyGate(signals, fit));
    expect(early.includes(true)).toBe(!passes);
    // Before the first token already: nothing of the answer need be computed.
    if (!passes) expect(early[0]).toBe(true);
  });
});
