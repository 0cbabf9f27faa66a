import type { BoardSample } from '../protocol/index.ts';

/** Busy cores of our process tree, above which the board does not count as idle. */
const QUIET_CORES = 0.05;
/** CPU time comes in ticks of 10 ms, so that shorter spans say little. */
const SPAN_MS = 1000;

/**
 * Whether the process tree rests. A model that is being loaded, or a daemon that handles messages,
 * runs no step and still draws power, which must not be learnt as the board's idle.
 */
export class QuietWatch {
  #since: { atMs: number; cpuS: number } | undefined;
  #busyAtMs: number;

  constructor(nowMs: number) {
    this.#busyAtMs = nowMs;
  }

  observe({ treeCpuS }: BoardSample, nowMs: number): void {
    if (treeCpuS === null || !Number.isFinite(treeCpuS)) {
      this.#since = undefined;
      return;
    }
    const since = this.#since;
    if (since === undefined || treeCpuS < since.cpuS) {
      this.#since = { atMs: nowMs, cpuS: treeCpuS };
      return;
    }
    const elapsedS = (nowMs - since.atMs) / 1000;
    if (elapsedS * 1000 < SPAN_MS) return;
    if ((treeCpuS - since.cpuS) / elapsedS > QUIET_CORES) this.#busyAtMs = nowMs;
    this.#since = { atMs: nowMs, cpuS: treeCpuS };
  }

  /** How long nothing of ours has run; a board that counts no CPU time is taken at its word. */
  forMs(nowMs: number): number {
    return nowMs - this.#busyAtMs;
  }
}
