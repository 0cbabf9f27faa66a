export type Backoff = { shortestMs: number; longestMs: number };

/**
 * The wait before try number `failures + 1`: doubled with each failure, and somewhere between half
 * and all of that, so that boards that lost power together do not start in step.
 */
export function backoffDelayMs(backoff: Backoff, failures: number, random: () => number): number {
  const doubled = backoff.shortestMs * 2 ** Math.min(30, Math.max(0, failures - 1));
  return Math.min(backoff.longestMs, doubled) * (0.5 + random() / 2);
}
