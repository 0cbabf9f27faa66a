/** Sensors lag: so much of the beginning of work is left out of what is compared. */
const SKIP_MS = 1500;
/** A stretch is long enough to average noise and quantisation out. */
const LENGTH_MS = 2000;
/** Without a step for so long, the work has ended, and the sensor has seen the last of it. */
const QUIET_MS = 2500;

export type Stretch = {
  fromMs: number;
  toMs: number;
  measuredJ: number;
  /** Joules that the model booked, by `phase:point`. */
  shares: Map<string, number>;
};

type Account = { fromMs: number; toMs: number; measuredJ: number; shares: Map<string, number> };

const account = (fromMs: number): Account => ({
  fromMs,
  toMs: fromMs,
  measuredJ: 0,
  shares: new Map(),
});

/**
 * Cuts running work into stretches over which measured and booked energy can be compared fairly.
 * While work goes on, a lagging sensor sees as much too late at the end of a stretch as at its
 * beginning; only the first moments are left out. Work that is over before that is compared whole,
 * together with the quiet after it.
 */
export class Stretches {
  #whole: Account | undefined;
  #running: Account | undefined;
  #closedAny = false;
  #lastWorkMs = -Infinity;

  /** The model books a step, or a part of one that still runs. */
  work(key: string, joules: number, fromMs: number, toMs: number): void {
    if (this.#whole === undefined) {
      this.#whole = account(fromMs);
      this.#running = undefined;
      this.#closedAny = false;
    }
    this.#lastWorkMs = Math.max(this.#lastWorkMs, toMs);
    add(this.#whole.shares, key, joules);
    if (this.#running) add(this.#running.shares, key, joules);
  }

  /** The sensor saw `joules` above idle in the time up to now. Returns a stretch when one is complete. */
  measure(joules: number, elapsedMs: number, nowMs: number): Stretch | null {
    const whole = this.#whole;
    if (whole === undefined) return null;
    whole.measuredJ += joules;
    whole.toMs = nowMs;
    const running = this.#running;
    if (nowMs - this.#lastWorkMs > QUIET_MS) {
      this.#whole = undefined;
      this.#running = undefined;
      return this.#closedAny ? null : whole;
    }
    if (running === undefined) {
      if (nowMs - whole.fromMs >= SKIP_MS) this.#running = account(nowMs);
      return null;
    }
    running.measuredJ += joules;
    running.toMs = nowMs;
    // Ending in a pause would leave the sensor's tail outside.
    const working = nowMs - this.#lastWorkMs <= Math.max(elapsedMs, 250);
    if (nowMs - running.fromMs < LENGTH_MS || !working) return null;
    this.#running = account(nowMs);
    this.#closedAny = true;
    return running;
  }

  /** The sensor failed: what was gathered compares nothing. */
  drop(): void {
    this.#whole = undefined;
    this.#running = undefined;
  }
}

function add(shares: Map<string, number>, key: string, joules: number): void {
  shares.set(key, (shares.get(key) ?? 0) + joules);
}
