const BINS = 120;

/** Mean watts of the last `seconds`, of what was seen of them. */
class RollingMean {
  readonly #binMs: number;
  readonly #joules = new Float64Array(BINS);
  readonly #seconds = new Float64Array(BINS);
  #head = -Infinity;

  constructor(seconds: number) {
    this.#binMs = (seconds * 1000) / BINS;
  }

  add(watts: number, elapsedS: number, nowMs: number): void {
    this.#advance(nowMs);
    const slot = ((this.#head % BINS) + BINS) % BINS;
    this.#joules[slot] = (this.#joules[slot] as number) + watts * elapsedS;
    this.#seconds[slot] = (this.#seconds[slot] as number) + elapsedS;
  }

  mean(nowMs: number): { watts: number; seenS: number } {
    this.#advance(nowMs);
    let joules = 0;
    let seenS = 0;
    for (let slot = 0; slot < BINS; slot++) {
      joules += this.#joules[slot] as number;
      seenS += this.#seconds[slot] as number;
    }
    return { watts: seenS > 0 ? joules / seenS : 0, seenS };
  }

  #advance(nowMs: number): void {
    const head = Math.floor(nowMs / this.#binMs);
    if (!(head > this.#head)) return;
    if (head - this.#head >= BINS) {
      this.#joules.fill(0);
      this.#seconds.fill(0);
    } else {
      for (let bin = this.#head + 1; bin <= head; bin++) {
        this.#joules[((bin % BINS) + BINS) % BINS] = 0;
        this.#seconds[((bin % BINS) + BINS) % BINS] = 0;
      }
    }
    this.#head = head;
  }
}

/** The means that telemetry tells and that the slow control goes by. */
export class Means {
  readonly #s1 = new RollingMean(1);
  readonly #s10 = new RollingMean(10);
  readonly #s60 = new RollingMean(60);

  add(watts: number, elapsedS: number, nowMs: number): void {
    for (const mean of [this.#s1, this.#s10, this.#s60]) mean.add(watts, elapsedS, nowMs);
  }

  read(nowMs: number): { s1: number | null; s10: number | null; s60: number | null } {
    const of = (mean: RollingMean) => {
      const { watts, seenS } = mean.mean(nowMs);
      return seenS > 0 ? watts : null;
    };
    return { s1: of(this.#s1), s10: of(this.#s10), s60: of(this.#s60) };
  }
}
