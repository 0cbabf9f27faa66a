import type { Step, StepReport } from './gate.ts';

/** A step that takes this many times what it should is hung: clocks, threads and contention explain less. */
const HUNG_FACTOR = 20;
/** No step is called hung before: a busy board, a garbage-collecting card, a stopped debugger. */
const SHORTEST_STEP_MS = 8_000;
const SHORTEST_LOAD_MS = 12_000;
/** Slow SD cards, with half of their speed lost to others; a step may have to read evicted weights again. */
const READ_BYTES_PER_MS = 5_000;
/** Loading reads every byte and unpacks it. */
const LOAD_BYTES_PER_MS = 2_000;
/** How fast a slow step is forgotten, per step. */
const FORGET = 0.98;
export type StepLimits = {
  /**
   * Time without a sign of life after which this step is taken for hung. `soon`: no step yet, but one
   * will be asked for at once. `unknown`: steps that nobody tells us of.
   */
  stepMs(step: Pick<Step, 'rows'> | 'soon' | 'unknown'): number;
  loadMs(): number;
  /** A step's time was measured, `rows` tokens in `durationMs`. */
  learn(report: Pick<StepReport, 'rows' | 'durationMs'>): void;
  /** Something was taken for hung: the next one gets twice the time, should it only have been slow. */
  tookForHung(): void;
  /** Work ended well: patience is as at the beginning. */
  endedWell(): void;
};

/**
 * When a silent engine counts as hung. What a step takes is measured at each load and at every step
 * since (R rows at most R times one row, until some were seen), so a small model's hang is found in
 * seconds and a big model on a slow board still gets its minute. `ceilingMs` bounds a step,
 * `loadCeilingMs` a load. Without `modelBytes` nothing is derived and the ceilings alone count.
 */
export function createStepLimits(options: {
  ceilingMs: number;
  loadCeilingMs: number;
  modelBytes: number | null;
}): StepLimits {
  const { ceilingMs, loadCeilingMs, modelBytes } = options;
  /** A step of one row, and each row of a larger one. */
  let oneMs: number | null = null;
  let rowMs: number | null = null;
  let patience = 1;

  const shortest = (floorMs: number, bytesPerMs: number) =>
    Math.max(floorMs, (modelBytes ?? 0) / bytesPerMs) * patience;

  return {
    stepMs(step) {
      if (modelBytes === null || oneMs === null || step === 'unknown') return ceilingMs;
      const rows = step === 'soon' ? 1 : step.rows;
      const expectedMs = rows === 1 ? oneMs : oneMs + rows * (rowMs ?? oneMs);
      const derived = Math.max(
        shortest(SHORTEST_STEP_MS, READ_BYTES_PER_MS),
        HUNG_FACTOR * expectedMs,
      );
      return Math.min(ceilingMs, derived);
    },
    loadMs() {
      if (modelBytes === null) return loadCeilingMs;
      const readMs = modelBytes / LOAD_BYTES_PER_MS;
      return Math.min(loadCeilingMs, (SHORTEST_LOAD_MS + readMs) * patience);
    },
    learn({ rows, durationMs }) {
      if (rows === 1) oneMs = Math.max(durationMs, (oneMs ?? 0) * FORGET);
      else if (rows > 1) rowMs = Math.max(durationMs / rows, (rowMs ?? 0) * FORGET);
    },
    tookForHung() {
      patience *= 2;
    },
    endedWell() {
      patience = 1;
    },
  };
}
