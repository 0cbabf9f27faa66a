export type Backoff = {
  /** The next delay, milliseconds; each is twice the one before, up to `capMs`. */
  next(capMs: number): number;
  reset(): void;
};

/**
 * Exponential backoff with "equal jitter": half of the step is fixed, half random, so that a
 * thousand boards do not come back in the same second after the broker was restarted.
 */
export function createBackoff(firstMs: number, random: () => number): Backoff {
  let step = 0;
  return {
    next(capMs) {
      const full = Math.min(capMs, firstMs * 2 ** Math.min(step, 20));
      step += 1;
      return full / 2 + (full / 2) * random();
    },
    reset() {
      step = 0;
    },
  };
}
