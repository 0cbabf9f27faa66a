import type { Clock } from '../core/index.ts';
import { TwowattError } from '../core/index.ts';
import { createHoldableGate, type EngineSupervisor } from '../engine/index.ts';
import type { Workload, WorkPhase } from '../hardware/calibration/index.ts';
import type { GenerateRequest } from '../protocol/index.ts';

/** Long enough that prefill and restarts between answers hardly count, short enough for small contexts. */
const ANSWER_TOKENS = 512;
/** ASCII makes at most one token a character, so this bounds a prompt whatever the tokenizer. */
const PROMPT_CHARACTERS = 1024;
/** Left free of the context for template and special tokens. */
const SPARE_TOKENS = 16;
/**
 * So hot that every token is about as likely as any: answers run on instead of ending early. Drawing
 * costs a millisecond in a large vocabulary, as it does in real answers.
 */
const TEMPERATURE = 30;

type Step = { atMs: number; tokens: number };

/**
 * The engine as the calibration drives it: decoding from a short prompt, or prefill of prompts that
 * never begin alike, so that no row comes out of the cache. Steps pass a gate, as under the governor.
 */
export function createEngineWorkload(
  engine: EngineSupervisor,
  { contextTokens, clock }: { contextTokens: number; clock: Clock },
): Workload {
  const tokens: Record<WorkPhase, number> = { prefill: 0, decode: 0 };
  const waiting: Record<WorkPhase, ((step: Step) => void)[]> = { prefill: [], decode: [] };
  let serial = 0;
  engine.setGate(
    createHoldableGate(({ phase, rows }) => {
      tokens[phase] += rows;
      const step = { atMs: clock.monotonicMs(), tokens: tokens[phase] };
      for (const wake of waiting[phase].splice(0)) wake(step);
    }),
  );

  function request(phase: WorkPhase): GenerateRequest {
    serial += 1;
    const words = `${serial} `.repeat(PROMPT_CHARACTERS);
    const characters = Math.max(8, Math.min(PROMPT_CHARACTERS, contextTokens - SPARE_TOKENS));
    return {
      prompt: phase === 'prefill' ? words.slice(0, characters) : `${serial} `,
      maxTokens: phase === 'prefill' ? 1 : ANSWER_TOKENS,
      sampling: {
        temperature: TEMPERATURE,
        topP: 1,
        topK: 0,
        minP: 0,
        repetitionPenalty: 1,
        seed: serial,
      },
      stop: [],
      topLogprobs: null,
    };
  }

  return {
    async useThreads(threads) {
      engine.setThreads(threads);
      await new Promise<void>((resolve, reject) => {
        let stop: (() => void) | undefined;
        const look = () => {
          const status = engine.status();
          if (status.problem !== null) reject(TwowattError.fromBody(status.problem));
          else if (status.state === 'ready' && status.threads === threads) resolve();
          else return;
          stop?.();
        };
        stop = engine.onStatus(look);
        look();
      });
    },
    async run(phase, signal) {
      while (!signal.aborted) {
        for await (const part of engine.generate(request(phase), signal)) {
          if (part.type === 'error' && part.error.code !== 'cancelled') {
            throw TwowattError.fromBody(part.error);
          }
        }
      }
    },
    nextStep: (phase) => new Promise((resolve) => waiting[phase].push(resolve)),
  };
}
