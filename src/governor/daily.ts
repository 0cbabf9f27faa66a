const DAY_MS = 24 * 3600 * 1000;
const JOULES_PER_WH = 3600;
/** A gap between two calls longer than this is no running time that anybody vouches for. */
const LONGEST_STEP_MS = 60_000;

export type DayState = { elapsedMs: number; usedJ: number };

/**
 * Energy of the running day, on monotonic running time: boards have no clock to trust, so a restart
 * goes on with the day it interrupted and time switched off is not counted.
 */
export class DailyEnergy {
  #limitJ: number;
  #elapsedMs: number;
  #usedJ: number;
  #atMs: number;

  constructor(limitWh: number, nowMs: number, state?: DayState) {
    this.#limitJ = limitWh * JOULES_PER_WH;
    this.#elapsedMs = state?.elapsedMs ?? 0;
    this.#usedJ = state?.usedJ ?? 0;
    this.#atMs = nowMs;
  }

  setLimit(limitWh: number): void {
    this.#limitJ = limitWh * JOULES_PER_WH;
  }

  add(joules: number): void {
    this.#usedJ = Math.max(0, this.#usedJ + joules);
  }

  /** What is left; infinite without a limit. */
  leftJ(nowMs: number): number {
    this.#elapsedMs += Math.min(LONGEST_STEP_MS, Math.max(0, nowMs - this.#atMs));
    this.#atMs = Math.max(this.#atMs, nowMs);
    if (this.#elapsedMs >= DAY_MS) {
      this.#elapsedMs %= DAY_MS;
      this.#usedJ = 0;
    }
    return this.#limitJ > 0 ? Math.max(0, this.#limitJ - this.#usedJ) : Infinity;
  }

  get hoursLeft(): number {
    return (DAY_MS - this.#elapsedMs) / 3_600_000;
  }

  state(): DayState {
    return { elapsedMs: this.#elapsedMs, usedJ: this.#usedJ };
  }
}
