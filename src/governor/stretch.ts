/** Lags that sensors have, ms: whichever explains the readings best is taken. */
const LAGS_MS = [15, 100, 250, 500, 1000];
const FIRST_LAG = 1;
/** Another lag has to explain the readings this much better before it is believed. */
const CLEARLY_BETTER = 0.8;
const RESIDUAL_SETTLE = 0.05;
/** A stretch is long enough to average noise and quantisation out. */
const STRETCH = { ms: 2000, readings: 4 };
/** Over this time the error of what was booked is averaged, and over so much longer its spread. */
const ERROR = { meanMs: 1000, spreadMs: 30_000 };
/** A longer silence between two readings is no stretch of anything. */
const LONGEST_GAP_MS = 2000;

export type Stretch = {
  fromMs: number;
  toMs: number;
  measuredJ: number;
  /** Joules that the model booked, by `phase:point`, as the sensor should have seen them. */
  shares: Map<string, number>;
};

type Segment = { fromMs: number; toMs: number; key: string; watts: number };
type Lag = { ms: number; seen: Map<string, number>; residual: number };

/**
 * Compares what a sensor reads with what the model booked, fairly: a slow sensor samples steps and
 * pauses at its own moments, so the booked power is passed through the same lag and taken at the same
 * moments. Whatever the sensor happened to miss, the model misses too.
 */
export class Stretches {
  readonly #lags: Lag[] = LAGS_MS.map((ms) => ({ ms, seen: new Map(), residual: 0 }));
  #lag = this.#lags[FIRST_LAG] as Lag;
  #segments: Segment[] = [];
  #readMs: number | undefined;
  /** Means over a second: what was booked, and what the sensor saw beyond it; then their mean squares. */
  #second = { bookedW: 0, errorW: 0 };
  #squares = { booked: 0, error: 0 };
  #filteredMs = -Infinity;
  #stretch: (Stretch & { readings: number }) | undefined;

  /** The model books a step, or a part of one that still runs. */
  work(key: string, joules: number, fromMs: number, toMs: number): void {
    if (toMs - fromMs < 1e-6) return;
    this.#segments.push({ fromMs, toMs, key, watts: (joules * 1000) / (toMs - fromMs) });
    // Nobody reads: the past is of no use.
    if (this.#segments.length > 2000) this.#filterTo(toMs - LONGEST_GAP_MS);
  }

  /** A new reading: `workW` above idle at `readMs`. Returns a stretch when one is complete. */
  read(workW: number, readMs: number): Stretch | null {
    const gapMs = readMs - (this.#readMs ?? -Infinity);
    if (gapMs < 1) return null;
    this.#readMs = readMs;
    this.#filterTo(readMs);
    if (gapMs > LONGEST_GAP_MS) {
      this.#stretch = undefined;
      return null;
    }
    this.#judgeLags(workW);
    this.#judgeErrors(workW, gapMs);
    const stretch = (this.#stretch ??= {
      fromMs: readMs - gapMs,
      toMs: readMs,
      measuredJ: 0,
      shares: new Map(),
      readings: 0,
    });
    stretch.toMs = readMs;
    stretch.readings += 1;
    stretch.measuredJ += (workW * gapMs) / 1000;
    for (const [key, watts] of this.#lag.seen) {
      if (watts > 1e-4) {
        stretch.shares.set(key, (stretch.shares.get(key) ?? 0) + (watts * gapMs) / 1000);
      }
    }
    if (stretch.toMs - stretch.fromMs < STRETCH.ms || stretch.readings < STRETCH.readings) {
      return null;
    }
    this.#stretch = undefined;
    return stretch.shares.size > 0 ? stretch : null;
  }

  /**
   * By which share the booked power of one second has been off lately, as a standard deviation. The
   * sensor's own noise counts in, a bias does too: a short window has no time for either.
   */
  get secondsOff(): number {
    const { booked, error } = this.#squares;
    return booked > 0 ? Math.sqrt(error / booked) : 0;
  }

  /** The sensor failed: what was gathered compares nothing. */
  drop(): void {
    this.#stretch = undefined;
    this.#readMs = undefined;
  }

  #judgeLags(workW: number): void {
    let best = this.#lag;
    for (const lag of this.#lags) {
      let expected = 0;
      for (const watts of lag.seen.values()) expected += watts;
      lag.residual += ((workW - expected) ** 2 - lag.residual) * RESIDUAL_SETTLE;
      if (lag.residual < best.residual) best = lag;
    }
    if (best.residual < this.#lag.residual * CLEARLY_BETTER) this.#lag = best;
  }

  #judgeErrors(workW: number, gapMs: number): void {
    let bookedW = 0;
    for (const watts of this.#lag.seen.values()) bookedW += watts;
    const second = this.#second;
    const soon = Math.min(1, gapMs / ERROR.meanMs);
    second.bookedW += (bookedW - second.bookedW) * soon;
    second.errorW += (workW - bookedW - second.errorW) * soon;
    const squares = this.#squares;
    const late = Math.min(1, gapMs / ERROR.spreadMs);
    squares.booked += (second.bookedW ** 2 - squares.booked) * late;
    squares.error += (second.errorW ** 2 - squares.error) * late;
  }

  #filterTo(toMs: number): void {
    let done = 0;
    for (const segment of this.#segments) {
      if (segment.fromMs >= toMs) break;
      this.#advance(segment.fromMs, null, 0);
      this.#advance(Math.min(segment.toMs, toMs), segment.key, segment.watts);
      if (segment.toMs > toMs) {
        segment.fromMs = toMs;
        break;
      }
      done += 1;
    }
    this.#segments.splice(0, done);
    this.#advance(toMs, null, 0);
  }

  /** Exact for constant power: first-order lag of each key's watts. */
  #advance(toMs: number, busyKey: string | null, watts: number): void {
    const elapsedMs = toMs - this.#filteredMs;
    if (!(elapsedMs > 0)) return;
    this.#filteredMs = toMs;
    for (const { ms, seen } of this.#lags) {
      const keep = Math.exp(-elapsedMs / ms);
      if (busyKey !== null && !seen.has(busyKey)) seen.set(busyKey, 0);
      for (const [key, before] of seen) {
        const target = key === busyKey ? watts : 0;
        const after = target + (before - target) * keep;
        if (target === 0 && after < 1e-6) seen.delete(key);
        else seen.set(key, after);
      }
    }
  }
}
