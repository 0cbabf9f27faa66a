import type { Sampling } from '../../protocol/index.ts';
import type { Random } from './prng.ts';

/** Chooses the next token from raw logits; leaves the logits as it found them. */
export interface Sampler {
  /** Tokens that count as seen for the repetition penalty: those of the prompt, then each chosen one. */
  see(token: number): void;
  /** @param best the first index of the greatest logit, from whoever has looked for it already */
  choose(logits: Float32Array, best?: number): number;
}

/** The first index of the greatest value: equal logits go to the lower token id, everywhere. */
export function argmax(values: Float32Array): number {
  let best = 0;
  let bestValue = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number;
    if (value > bestValue) {
      bestValue = value;
      best = index;
    }
  }
  return best;
}

/**
 * Filters in the order of Hugging Face's generate(): repetition penalty (Keskar et al. 2019: a seen
 * token's positive logit is divided by it, a negative one multiplied), temperature, top-k, top-p,
 * min-p, then one draw from what is left. Temperature 0 takes the maximum after the penalty and
 * draws nothing.
 */
export function createSampler(sampling: Sampling, vocab: number, random: Random): Sampler {
  const penalty = sampling.repetitionPenalty;
  const penalise = penalty !== 1;
  const seen: number[] = [];
  const isSeen = penalise ? new Uint8Array(vocab) : undefined;
  const greedy = sampling.temperature <= 0;
  const weights = greedy ? undefined : new Float64Array(vocab);

  function pick(logits: Float32Array, best?: number): number {
    if (weights === undefined) return best ?? argmax(logits);
    return draw(logits, weights, sampling, random);
  }

  return {
    see(token) {
      if (isSeen === undefined || isSeen[token] === 1) return;
      isSeen[token] = 1;
      seen.push(token);
    },
    choose(logits, best) {
      if (seen.length === 0) return pick(logits, best);
      const raw = new Float32Array(seen.length);
      seen.forEach((token, index) => {
        const logit = logits[token] as number;
        raw[index] = logit;
        logits[token] = logit > 0 ? logit / penalty : logit * penalty;
      });
      const token = pick(logits);
      seen.forEach((seenToken, index) => {
        logits[seenToken] = raw[index] as number;
      });
      return token;
    },
  };
}

function draw(
  logits: Float32Array,
  weights: Float64Array,
  sampling: Sampling,
  random: Random,
): number {
  const { temperature, topK, topP, minP } = sampling;
  const vocab = logits.length;
  const top = logits[argmax(logits)] as number;
  let total = 0;
  for (let token = 0; token < vocab; token++) {
    const weight = Math.exp(((logits[token] as number) - top) / temperature);
    weights[token] = weight;
    total += weight;
  }
  const limitK = topK > 0 && topK < vocab;
  const limitP = topP < 1;
  if (!limitK && !limitP && minP <= 0) return drawInIdOrder(weights, total, random);

  // Only tokens that can survive are sorted, since a sort of 100,000 would cost more than the step:
  // those below (1 - p) / V add up to less than 1 - p, so the nucleus never needs them; and the
  // greatest weight is 1, so min-p's bar is minP itself. Top-k alone has no such bar.
  const nucleusBar = limitP && !limitK ? ((1 - topP) * total) / vocab : 0;
  const bar = Math.max(nucleusBar, minP);
  let kept: number[];
  if (limitK) {
    kept = greatest(weights, topK);
  } else {
    kept = [];
    for (let token = 0; token < vocab; token++) {
      if ((weights[token] as number) >= bar) kept.push(token);
    }
    kept.sort((a, b) => (weights[b] as number) - (weights[a] as number) || a - b);
  }
  const sum = (tokens: number[]) =>
    tokens.reduce((mass, token) => mass + (weights[token] as number), 0);
  if (limitP) {
    const wanted = topP * (limitK ? sum(kept) : total);
    let mass = 0;
    let count = 0;
    while (count < kept.length && (count === 0 || mass < wanted)) {
      mass += weights[kept[count] as number] as number;
      count += 1;
    }
    kept.length = count;
  }
  if (minP > 0) kept = kept.filter((token) => (weights[token] as number) >= minP);
  let target = random() * sum(kept);
  for (const token of kept) {
    target -= weights[token] as number;
    if (target < 0) return token;
  }
  return kept.at(-1) as number;
}

function drawInIdOrder(weights: Float64Array, total: number, random: Random): number {
  let target = random() * total;
  let last = 0;
  for (let token = 0; token < weights.length; token++) {
    const weight = weights[token] as number;
    if (weight === 0) continue;
    last = token;
    target -= weight;
    if (target < 0) return token;
  }
  return last;
}

/**
 * Indices of the `count` greatest values, greatest first, equal ones by lower index. A binary heap
 * whose root is the least kept: O(V log count), most values fail against the root at once.
 */
export function greatest(values: Float32Array | Float64Array, count: number): number[] {
  const size = Math.min(count, values.length);
  if (size === 0) return [];
  const heap: number[] = [];
  const worse = (a: number, b: number): boolean => {
    const difference = (values[a] as number) - (values[b] as number);
    return difference < 0 || (difference === 0 && a > b);
  };
  const sink = (start: number): void => {
    let at = start;
    for (;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && worse(heap[child] as number, heap[least] as number)) {
          least = child;
        }
      }
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least] as number, heap[at] as number];
      at = least;
    }
  };
  for (let index = 0; index < size; index++) heap.push(index);
  for (let at = (size >> 1) - 1; at >= 0; at--) sink(at);
  for (let index = size; index < values.length; index++) {
    if ((values[index] as number) > (values[heap[0] as number] as number)) {
      heap[0] = index;
      sink(0);
    }
  }
  return heap.sort((a, b) => (worse(a, b) ? 1 : -1));
}
