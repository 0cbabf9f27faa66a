/** Weight of the newest sample in the running mean: about the last ten prompts count. */
const NEWEST_WEIGHT = 0.2;

/** Expected times, learnt from finished prompts; null before the first one. */
export type Estimate = {
  observe(sample: { firstTokenMs: number; runMs: number }): void;
  /** Until a new prompt's answer would begin, behind `ahead` others. */
  firstTokenMs(ahead: number): number | null;
  /** Until it would be whole. */
  wholeMs(ahead: number): number | null;
};

export function createEstimate(): Estimate {
  let run: number | null = null;
  let firstToken: number | null = null;
  const blend = (mean: number | null, sample: number) =>
    mean === null ? sample : mean + NEWEST_WEIGHT * (sample - mean);
  return {
    observe(sample) {
      run = blend(run, sample.runMs);
      firstToken = blend(firstToken, sample.firstTokenMs);
    },
    firstTokenMs: (ahead) =>
      run === null || firstToken === null ? null : ahead * run + firstToken,
    wholeMs: (ahead) => (run === null ? null : (ahead + 1) * run),
  };
}
