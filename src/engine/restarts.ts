import { type Backoff, backoffDelayMs } from './backoff.ts';

/** Processes in a row that ended before they were ready; then the engine counts as unavailable. */
const MAX_FAILED_LOADS = 3;
/** A process that served this long was sound: the backoff starts anew. */
const SOUND_AFTER_MS = 60_000;

export type ProcessEnd = {
  /** Ends in a row, this one included, without an answer or a minute of service in between. */
  failures: number;
  /** Loads in a row that failed. */
  failedLoads: number;
  /** There have been too many of them to hope for the next. */
  hopeless: boolean;
  /** How long to wait before the next process. */
  delayMs: number;
};

/** Counts how engine processes end, and says when to start the next one. */
export class Restarts {
  readonly #backoff: Backoff;
  readonly #random: () => number;
  #readyAtMs: number | null = null;
  #failures = 0;
  #failedLoads = 0;
  #total = 0;

  constructor(backoff: Backoff, random: () => number) {
    this.#backoff = backoff;
    this.#random = random;
  }

  get total(): number {
    return this.#total;
  }

  /** A model is being loaded, also by a process that had been ready. */
  loading(): void {
    this.#readyAtMs = null;
  }

  ready(nowMs: number): void {
    this.#readyAtMs = nowMs;
    this.#failedLoads = 0;
  }

  answered(): void {
    this.#failures = 0;
  }

  ended(nowMs: number): ProcessEnd {
    const readyAtMs = this.#readyAtMs;
    this.#readyAtMs = null;
    this.#total += 1;
    const sound = readyAtMs !== null && nowMs - readyAtMs >= SOUND_AFTER_MS;
    this.#failures = sound ? 1 : this.#failures + 1;
    if (readyAtMs === null) this.#failedLoads += 1;
    return {
      failures: this.#failures,
      failedLoads: this.#failedLoads,
      hopeless: readyAtMs === null && this.#failedLoads >= MAX_FAILED_LOADS,
      delayMs: backoffDelayMs(this.#backoff, this.#failures, this.#random),
    };
  }
}
