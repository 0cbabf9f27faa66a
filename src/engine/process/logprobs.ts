import type { TokenLogprob } from '../../protocol/index.ts';
import type { TokenBytes } from './detokenizer.ts';
import { greatest } from './sampler.ts';

/**
 * Natural log-probability at temperature 1 of a raw logit, given log Σ exp(logits), which the graph
 * returns so that JavaScript need not go over the vocabulary.
 */
export const logprob = (logit: number, logSumExp: number): number => Math.min(0, logit - logSumExp);

/** OpenAI's entry for one token; bytes that are no whole character show as U+FFFD in `token`. */
export function describeToken(
  token: number,
  logits: Float32Array,
  logSumExp: number,
  alternatives: number,
  bytesOf: TokenBytes,
): TokenLogprob {
  const entry = (id: number) => {
    const bytes = bytesOf(id);
    return {
      token: new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes),
      logprob: logprob(logits[id] as number, logSumExp),
      bytes: [...bytes],
    };
  };
  return { ...entry(token), top_logprobs: greatest(logits, alternatives).map(entry) };
}

/** exp of the mean log-probability, 0 to 1; null when there was no token. */
export function confidenceOf(meanLogprob: number | null): number | null {
  return meanLogprob === null ? null : Math.exp(meanLogprob);
}
