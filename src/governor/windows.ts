import type { PowerWindow } from './types.ts';

const PARTS = 200;
/** One more, for the part of the oldest bin that is still inside. */
const BINS = PARTS + 1;

/**
 * The energy of the last `seconds`, next to the energy that was allowed then: a budget that changes
 * is held to its time-weighted value. Kept in bins of 1/200 of the window; the oldest, partly left
 * bin counts whole, which errs towards less power.
 */
export class EnergyWindow {
  readonly seconds: number;
  readonly over: number;
  readonly #binMs: number;
  readonly #used = new Float64Array(BINS);
  readonly #allowed = new Float64Array(BINS);
  /** Number of the newest bin, counted from time zero. */
  #head: number;
  #usedJ = 0;
  #allowedJ: number;
  /** Watts that are allowed now. */
  #allowedW: number;

  constructor({ seconds, overPct }: PowerWindow, allowedW: number, nowMs: number) {
    this.seconds = seconds;
    this.over = overPct / 100;
    this.#binMs = (seconds * 1000) / PARTS;
    this.#head = Math.floor(nowMs / this.#binMs);
    this.#allowedW = allowedW;
    // Time before the start was idle and within any budget.
    this.#allowed.fill((allowedW * this.#binMs) / 1000);
    this.#allowedJ = (allowedW * seconds * BINS) / PARTS;
  }

  /** From now on steps may draw so many watts in this window. */
  allow(watts: number, nowMs: number): void {
    this.advance(nowMs);
    this.#allowedW = watts;
  }

  advance(nowMs: number): void {
    const head = Math.floor(nowMs / this.#binMs);
    const steps = head - this.#head;
    if (steps <= 0) return;
    const fresh = (this.#allowedW * this.#binMs) / 1000;
    if (steps >= BINS) {
      this.#used.fill(0);
      this.#allowed.fill(fresh);
      this.#head = head;
    } else {
      while (this.#head < head) {
        this.#head += 1;
        const slot = this.#head % BINS;
        this.#used[slot] = 0;
        this.#allowed[slot] = fresh;
      }
    }
    // Summed anew each time: running sums would gather rounding errors for months.
    this.#usedJ = 0;
    this.#allowedJ = 0;
    for (let slot = 0; slot < BINS; slot++) {
      this.#usedJ += this.#used[slot] as number;
      this.#allowedJ += this.#allowed[slot] as number;
    }
  }

  /** Spreads `joules` (negative corrects an earlier entry) evenly from `fromMs` to `toMs`. */
  spend(joules: number, fromMs: number, toMs: number): void {
    const first = Math.floor(Math.min(fromMs, toMs) / this.#binMs);
    const last = Math.min(Math.floor(toMs / this.#binMs), this.#head);
    const oldest = this.#head - BINS + 1;
    const each = joules / Math.max(1, last - first + 1);
    for (let bin = Math.max(first, oldest); bin <= last; bin++) {
      const slot = ((bin % BINS) + BINS) % BINS;
      const before = this.#used[slot] as number;
      const after = Math.max(0, before + each);
      this.#used[slot] = after;
      this.#usedJ += after - before;
    }
  }

  get usedJ(): number {
    return this.#usedJ;
  }

  get meanW(): number {
    return this.#usedJ / this.seconds;
  }

  /**
   * The earliest time at which a step of `joules` over `durationMs` keeps this window's mean within
   * its limit. A step that is too dear for the window even alone is not held back by it: longer
   * windows and the bucket are there for that.
   */
  earliest(stepJ: number, durationMs: number, nowMs: number): number {
    this.advance(nowMs);
    const spanMs = this.seconds * 1000;
    // Of a step longer than the window, only so much lies within it.
    const joules = durationMs > spanMs ? (stepJ * spanMs) / durationMs : stepJ;
    if (joules > this.#allowedW * this.seconds * (1 + this.over)) return nowMs;
    const limit = ((1 + this.over) * PARTS) / BINS;
    const perBin = (this.#allowedW * this.#binMs) / 1000;
    // The window that ends with the step has already left what is older than this.
    const leaves = Math.min(BINS, Math.floor(durationMs / this.#binMs));
    let used = this.#usedJ;
    let allowed = this.#allowedJ;
    for (let shift = 0; shift <= BINS; shift++) {
      if (shift >= leaves && used + joules <= allowed * limit + 1e-9) {
        const wait = shift - leaves;
        return wait === 0 ? nowMs : Math.max(nowMs, (this.#head + wait) * this.#binMs);
      }
      if (shift === BINS) break;
      const slot = (this.#head + 1 + shift) % BINS;
      used -= this.#used[slot] as number;
      allowed += perBin - (this.#allowed[slot] as number);
    }
    return nowMs + this.seconds * 1000;
  }
}
