import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import {
  createEngineSupervisor,
  type EngineSupervisor,
  type EngineSupervisorOptions,
} from '../../../src/engine/index.ts';
import { bundledModelFolder, convertModel, detectTarget } from '../../../src/model/index.ts';
import type {
  ChatMessage,
  GenerateRequest,
  GenerationPart,
  GenerationResult,
  ModelTarget,
  Sampling,
} from '../../../src/protocol/index.ts';

const GREEDY: Sampling = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  seed: null,
};

/** A fresh folder with nano as INT8, for this machine unless another target is named. */
export async function convertNano(
  target: ModelTarget = detectTarget({ procRoot: '/proc' }),
): Promise<{ folder: string; remove: () => void }> {
  const parent = mkdtempSync(join(tmpdir(), 'twowatt-engine-'));
  const folder = join(parent, 'nano');
  await convertModel(bundledModelFolder(), {
    out: folder,
    form: 'int8',
    target,
  });
  return { folder, remove: () => rmSync(parent, { recursive: true, force: true }) };
}

export async function untilState(engine: EngineSupervisor, ...states: string[]): Promise<void> {
  if (states.includes(engine.status().state)) return;
  await new Promise<void>((resolve) => {
    const unsubscribe = engine.onStatus((status) => {
      if (!states.includes(status.state)) return;
      unsubscribe();
      resolve();
    });
  });
}

export type Nano = {
  engine: EngineSupervisor;
  /** Temporary folder that this call made; goes with `dispose`. */
  ownFolder: string;
  dispose: () => Promise<void>;
};

export async function openNano(
  options: Partial<EngineSupervisorOptions> = {},
  target?: ModelTarget,
): Promise<Nano> {
  const { folder, remove } = await convertNano(target);
  const engine = createEngineSupervisor({
    modelFolder: folder,
    threads: 1,
    logger: silentLogger,
    clock: createSystemClock(),
    backoff: { shortestMs: 10, longestMs: 50 },
    ...options,
  });
  engine.start();
  await untilState(engine, 'ready', 'unavailable');
  return {
    engine,
    ownFolder: folder,
    async dispose() {
      await engine.close();
      remove();
    },
  };
}

/** Almost uniform over the vocabulary: long answers, byte tokens and broken characters included. */
export function wild(maxTokens: number, seed = 7): GenerateRequest {
  return {
    prompt: 'User: ',
    maxTokens,
    sampling: { ...GREEDY, temperature: 30, seed },
    stop: [],
    topLogprobs: null,
  };
}

/** Nano's prompts in the data are bare turns, user first. */
export function chat(...turns: string[]): ChatMessage[] {
  return turns.map((content, index) => ({ role: index % 2 ? 'assistant' : 'user', content }));
}

export function greedy(request: Partial<GenerateRequest>): GenerateRequest {
  return { maxTokens: 160, sampling: GREEDY, stop: [], topLogprobs: null, ...request };
}

/** A prompt of more than `tokens` tokens. */
export const longPrompt = (tokens: number, seed = 'a'): string =>
  Array.from({ length: tokens }, (_, index) => `${seed}${index}`).join(' ');

export function doneOf(parts: readonly GenerationPart[]): GenerationResult {
  const last = parts.at(-1);
  if (last?.type !== 'done') throw new Error(`expected done, got ${JSON.stringify(last)}`);
  return last.result;
}

export type Golden = {
  messages: string[];
  prompt: string;
  input_ids: number[];
  greedy_ids: number[];
  greedy_text: string;
};

export function nanoGolden(): Golden[] {
  const path = new URL('../../fixtures/twowatt-nano/golden.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as { prompts: Golden[] }).prompts;
}
