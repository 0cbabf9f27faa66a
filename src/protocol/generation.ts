import type { ErrorBody } from '../core/index.ts';

export type ChatRole = 'system' | 'user' | 'assistant';
export type ChatMessage = { role: ChatRole; content: string };

/** How the next token is drawn. `temperature` 0 is greedy; `topK` 0, `topP` 1, `minP` 0 and penalty 1 are off. */
export type Sampling = {
  temperature: number;
  topP: number;
  topK: number;
  minP: number;
  repetitionPenalty: number;
  /** Same seed, same model build, same text; null draws a fresh one. */
  seed: number | null;
};

/** What the engine is asked for. Exactly one of `messages` (chat template) and `prompt` (raw text). */
export type GenerateRequest = {
  messages?: ChatMessage[];
  prompt?: string;
  /** Upper bound of answer tokens; clamped to what the context leaves. */
  maxTokens: number;
  sampling: Sampling;
  stop: string[];
  /** Number of alternatives to report per token (0 to 20); null reports no log-probabilities. */
  topLogprobs: number | null;
  /**
   * Also score the prompt, where the model's graph can (a quarter more prefill time of a small model), and
   * send `signals` parts while the answer grows.
   */
  watchSignals?: boolean;
};

export type FinishReason = 'stop' | 'length' | 'cancelled';

/** OpenAI's `logprobs.content[]`; log-probabilities are natural logarithms of the raw distribution. */
export type TokenLogprob = {
  token: string;
  logprob: number;
  bytes: number[];
  top_logprobs: { token: string; logprob: number; bytes: number[] }[];
};

/**
 * How sure the model was, from raw logits at temperature 1, in nats. Null is unknown: before the first
 * token, or where nobody asked for it or could tell. `gateScore` makes one number of them.
 */
export type ConfidenceSignals = {
  /** Tokens of the answer so far; the end token and a stop string's are not the answer's. */
  answerTokens: number;
  /** Mean log-probability of those tokens, at most 0. */
  answerLogprob: number | null;
  /** Smallest distance over those tokens between the two greatest logits, at least 0. */
  smallestMargin: number | null;
  /** Entropy of the distribution that the first token came from, at least 0. */
  firstEntropy: number | null;
  /** Mean log-probability of the tokens of the prompt's last turn, at most 0. */
  promptLogprob: number | null;
};

export type GenerationResult = {
  /** The whole answer, special tokens and the stop string removed. */
  text: string;
  finishReason: FinishReason;
  promptTokens: number;
  completionTokens: number;
  /** Prompt tokens whose KV rows were still in the cache. */
  cachedTokens: number;
  /** Wall time from the start of the prefill to the first token, and from there to the end. */
  prefillMs: number;
  decodeMs: number;
  /** exp of the mean log-probability of the answer's tokens (raw logits, temperature 1); null without tokens. */
  confidence: number | null;
  /** Absent from engines that do not measure them. */
  signals?: ConfidenceSignals;
  logprobs: TokenLogprob[] | null;
};

/**
 * An answer as it grows. Exactly one terminal part (`done` or `error`) closes the stream.
 * `restart` voids every delta before it. `signals` come only when they were asked for: after the prefill
 * and from time to time, each with all that is known by then.
 */
export type GenerationPart =
  | { type: 'delta'; text: string }
  | { type: 'signals'; signals: ConfidenceSignals }
  | { type: 'restart'; reason: string }
  | { type: 'done'; result: GenerationResult }
  | { type: 'error'; error: ErrorBody };

/** What `model list` and the info topic say of a model. */
export type ModelFacts = {
  id: string;
  /** sha256 of the model's content, in hexadecimal. */
  digest: string;
  architecture: string;
  /** Numeric form of the weights, for example `int8` or `fp32`. */
  form: string;
  parameters: number;
  contextTokens: number;
};
