import { createSystemClock, silentLogger } from '../../src/core/index.ts';
import { createEngineSupervisor } from '../../src/engine/index.ts';
import type { ConfidenceSignals } from '../../src/protocol/index.ts';
import { isExactMatch } from './exact-match.ts';
import type { EvalPrompt } from './prompts.ts';

/** A prompt and what the engine said to it; the last of `signals` are those of the whole answer. */
export type Answered = {
  prompt: EvalPrompt;
  right: boolean;
  text: string;
  signals: ConfidenceSignals[];
  completionTokens: number;
};

/** Answers every prompt greedily through the real engine, one after the other. */
export async function collectSignals(
  folder: string,
  prompts: readonly EvalPrompt[],
  onProgress: (done: number) => void = () => {},
): Promise<Answered[]> {
  const engine = createEngineSupervisor({
    modelFolder: folder,
    threads: 1,
    logger: silentLogger,
    clock: createSystemClock(),
  });
  engine.start();
  const answered: Answered[] = [];
  try {
    for (const prompt of prompts) {
      const request = {
        messages: prompt.messages.map((content, index) => ({
          role: index % 2 === 0 ? ('user' as const) : ('assistant' as const),
          content,
        })),
        maxTokens: 160,
        sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, seed: null },
        stop: [],
        topLogprobs: null,
        watchSignals: true,
      };
      const signals: ConfidenceSignals[] = [];
      for await (const part of engine.generate(request, new AbortController().signal)) {
        if (part.type === 'signals') signals.push(part.signals);
        if (part.type === 'error') throw new Error(part.error.message);
        if (part.type !== 'done') continue;
        const { text, completionTokens } = part.result;
        if (part.result.signals) signals.push(part.result.signals);
        const right = prompt.answer !== null && isExactMatch(text, prompt.answer);
        answered.push({ prompt, right, text, signals, completionTokens });
      }
      onProgress(answered.length);
    }
  } finally {
    await engine.close();
  }
  return answered;
}
