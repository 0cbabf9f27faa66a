import type { ConfidenceSignals, GenerationPart } from '../../protocol/index.ts';
import type { KvCache } from './kv-cache.ts';

/** The two greatest of a step's raw logits: the token of the first, and how far the second lies below. */
export type TopTwo = { token: number; margin: number };

/** One pass, as `argmax`, which it agrees with: equal logits go to the lower token id. */
export function topTwo(logits: Float32Array): TopTwo {
  let token = 0;
  let first = Number.NEGATIVE_INFINITY;
  let second = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < logits.length; index++) {
    const value = logits[index] as number;
    if (value > second) {
      if (value > first) {
        second = first;
        first = value;
        token = index;
      } else second = value;
    }
  }
  return { token, margin: first - second };
}

/** −Σ p ln p in nats, given log Σ exp(logits). A pass with `exp`: 1 ms at 103,424, so not for each token. */
export function entropy(logits: Float32Array, logSumExp: number): number {
  let sum = 0;
  for (let index = 0; index < logits.length; index++) {
    const logprob = (logits[index] as number) - logSumExp;
    const p = Math.exp(logprob);
    // A probability that rounds to 0 may have an infinite logarithm, and adds nothing.
    if (p > 0) sum -= p * logprob;
  }
  return sum;
}

/** Rows of a step that get logits, from `from` to its last, and the token that each is scored for. */
export type ScoredRows = { from: number; targets: number[] };

/**
 * Where the last turn of a prompt begins: as many tokens before its end as it shares with the last turn
 * rendered alone. Only that turn is asked about: a system prompt is not the asker's, turns that the
 * model has partly written itself would hide how strange the last one is, and fewer rows cost less.
 */
export function lastTurnStart(prompt: readonly number[], lastTurn: readonly number[]): number {
  let shared = 0;
  while (shared < lastTurn.length && prompt.at(-1 - shared) === lastTurn.at(-1 - shared)) {
    shared += 1;
  }
  // Nothing comes before the first token that could foretell it.
  return Math.max(1, prompt.length - shared);
}

/** The rows of the chunk [from, to) that foretell tokens of the prompt's last turn; undefined without any. */
export function scoredRows(
  prompt: readonly number[],
  turnStart: number,
  from: number,
  to: number,
): ScoredRows | undefined {
  const firstRow = Math.max(from, turnStart - 1);
  const targets = prompt.slice(firstRow + 1, to + 1);
  return targets.length === 0 ? undefined : { from: firstRow - from, targets };
}

/** A mean over less than this share of the turn would be another measure. */
const LEAST_KNOWN_SHARE = 0.5;

/**
 * Mean log-probability of the last turn's tokens under the model, or null. Tokens whose rows came from
 * the cache keep the score they got then, if they got one.
 */
export function promptLogprob(
  cache: KvCache,
  turnStart: number,
  promptTokens: number,
): number | null {
  let sum = 0;
  let known = 0;
  for (let position = turnStart; position < promptTokens; position++) {
    const score = cache.scoreOf(position);
    if (score === undefined) continue;
    sum += score;
    known += 1;
  }
  const asked = promptTokens - turnStart;
  return known === 0 || known < LEAST_KNOWN_SHARE * asked ? null : sum / known;
}

/** Tokens of the answer after which a reader who wants signals gets them: what a gate may decide at. */
const REPORT_AT: ReadonlySet<number> = new Set([1, 2, 4, 8, 16, 32]);

/** Collects the signals of one answer. Costs nothing beyond what decoding does anyway. */
export class SignalMeter {
  readonly #promptLogprob: number | null;
  readonly #report: ((part: GenerationPart) => void) | undefined;
  readonly #logprobs: number[] = [];
  readonly #margins: number[] = [];
  #firstEntropy: number | null = null;

  /** With `report`, signals go out as parts at once, and as the answer grows. */
  constructor(promptScore: number | null, report?: (part: GenerationPart) => void) {
    this.#promptLogprob = promptScore;
    this.#report = report;
    this.#send();
  }

  /** A token of the answer, its log-probability and the logits that it was chosen from. */
  add(logprob: number, { margin }: TopTwo, logits: Float32Array, logSumExp: number): void {
    this.#firstEntropy ??= entropy(logits, logSumExp);
    this.#logprobs.push(logprob);
    this.#margins.push(margin);
    if (REPORT_AT.has(this.#logprobs.length)) this.#send();
  }

  /** Over the first `count` tokens, by default all. */
  signals(count = this.#logprobs.length): ConfidenceSignals {
    let sum = 0;
    let smallest = Number.POSITIVE_INFINITY;
    for (let index = 0; index < count; index++) {
      sum += this.#logprobs[index] as number;
      smallest = Math.min(smallest, this.#margins[index] as number);
    }
    return {
      answerTokens: count,
      answerLogprob: count === 0 ? null : sum / count,
      smallestMargin: count === 0 ? null : smallest,
      firstEntropy: count === 0 ? null : this.#firstEntropy,
      promptLogprob: this.#promptLogprob,
    };
  }

  #send(): void {
    this.#report?.({ type: 'signals', signals: this.signals() });
  }
}
