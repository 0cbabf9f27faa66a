const WINDOW = 200;
/** Fewer samples say nothing about one call in twenty. */
const ENOUGH = 20;

/**
 * Times to the first token of the last 200 calls. A call that was given up later than usual counts
 * with the time for which it was waited: leaving it out would lower the percentile with every hedge.
 */
export class Latency {
  readonly #samples: number[] = [];
  #next = 0;

  add(ms: number): void {
    this.#samples[this.#next] = ms;
    this.#next = (this.#next + 1) % WINDOW;
  }

  /** Null before there are 20 samples. `part` from 0 to 1. */
  quantile(part: number): number | null {
    if (this.#samples.length < ENOUGH) return null;
    const sorted = this.#samples.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? null;
  }
}
