import type { Clock } from '../core/index.ts';

/** Lets a quiet client retry, and one that has lost all its endpoints look again now and then. */
const FLOOR = 10;
const REFILL_PER_S = 0.2;
const LARGEST = 100;
const HEDGE_RESERVE = 5;

/**
 * How many extra calls, retries and hedges alike, may be made: each prompt brings `ratio` of one. So
 * an outage multiplies the traffic by 1 + ratio at most, not by the number of tries.
 */
export class RetryBudget {
  readonly #ratio: number;
  readonly #clock: Clock;
  #tokens = FLOOR;
  #refilledMs: number;

  constructor(ratio: number, clock: Clock) {
    this.#ratio = ratio;
    this.#clock = clock;
    this.#refilledMs = clock.monotonicMs();
  }

  onPrompt(): void {
    this.#tokens = Math.min(LARGEST, this.#tokens + this.#ratio);
  }

  /** A hedge saves time only, so it leaves some for the retries that save prompts. */
  takeForHedge(): boolean {
    this.#refill();
    return this.#tokens > HEDGE_RESERVE && this.take();
  }

  take(): boolean {
    this.#refill();
    if (this.#ratio === 0 || this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs();
    const refill = ((nowMs - this.#refilledMs) / 1000) * REFILL_PER_S;
    this.#refilledMs = nowMs;
    this.#tokens = Math.max(this.#tokens, Math.min(FLOOR, this.#tokens + refill));
  }
}

const SHORTEST_BACKOFF_MS = 200;
const LONGEST_BACKOFF_MS = 10_000;

/**
 * Full jitter: uniform between nothing and a bound that doubles with each failure (M. Brooker,
 * "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 */
export function fullJitterMs(failures: number, random: () => number): number {
  const doubled = SHORTEST_BACKOFF_MS * 2 ** Math.min(20, Math.max(0, failures - 1));
  return Math.min(LONGEST_BACKOFF_MS, doubled) * random();
}
