import type { BoardSample } from '../protocol/index.ts';

/** More CPU time than steps explain, below which it is daemon, timers and rounding. */
const TOLERATED = { share: 0.1, cores: 0.1 };
const SPAN_MS = 2000;

/**
 * Where no sensor can tell, CPU time does: what the process tree used beyond its steps (workers that
 * spin between steps, say) is work that nobody booked. It only ever adds.
 */
export class CpuSurplus {
  #since: { atMs: number; cpuS: number } | undefined;
  #explainedS = 0;
  readonly #cores: number;

  constructor(cores: number) {
    this.#cores = cores;
  }

  /** A step kept so many threads busy for so long. */
  explain(threads: number, seconds: number): void {
    this.#explainedS += threads * seconds;
  }

  /** CPU seconds since the last span that no step explains, now and then; 0 otherwise. */
  observe({ atMs, treeCpuS }: BoardSample): { seconds: number; fromMs: number } | null {
    const since = this.#since;
    if (treeCpuS === null || !Number.isFinite(treeCpuS)) {
      this.#since = undefined;
      return null;
    }
    if (since === undefined || treeCpuS < since.cpuS || atMs - since.atMs > 5 * SPAN_MS) {
      this.#begin(atMs, treeCpuS);
      return null;
    }
    const elapsedS = (atMs - since.atMs) / 1000;
    if (elapsedS * 1000 < SPAN_MS) return null;
    const used = treeCpuS - since.cpuS;
    const tolerated = this.#explainedS * (1 + TOLERATED.share) + elapsedS * TOLERATED.cores;
    // More than all cores can do is a fault of whoever counts.
    const seconds = Math.min(Math.max(0, used - tolerated), elapsedS * this.#cores);
    this.#begin(atMs, treeCpuS);
    return { seconds, fromMs: since.atMs };
  }

  #begin(atMs: number, cpuS: number): void {
    this.#since = { atMs, cpuS };
    this.#explainedS = 0;
  }
}
