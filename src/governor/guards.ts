import type { MeterStatus } from './meter.ts';

/** Without a sensor the model may be this far off; when one was there and fails, a little more. */
const BLIND_GUARD = { never: 0.12, lost: 0.15 };
const GUARD = { base: 0.006, perSigma: 0.4, most: 0.1 };
/** In a second nothing can be made good: there the whole of the uncertainty is kept away from. */
const STRICT_GUARD = { base: 0.01, perSigma: 0.8, most: 0.15 };

/** The part of the budget that nothing may use: rounding, timers, the moment between two samples. */
export const MARGIN = 0.007;
/**
 * The bucket fills a little more slowly than the longest window allows, so that it, which paces evenly,
 * is what holds work back, and not the window, which grants in lumps.
 */
export const EVEN = 0.992;

/**
 * The shares of the budget that are kept clear because of what is not known: of the running budget
 * (`even`) and of short windows (`strict`). They shrink as the estimator's doubt `sigma` does.
 */
export function guardsOf(
  { status, everRead }: { status: MeterStatus; everRead: boolean },
  sigma: number,
): { even: number; strict: number } {
  if (status !== 'ok') {
    const blind = everRead ? BLIND_GUARD.lost : BLIND_GUARD.never;
    return { even: blind, strict: blind };
  }
  const guard = ({ base, perSigma, most }: typeof GUARD) => Math.min(most, base + perSigma * sigma);
  return { even: guard(GUARD), strict: guard(STRICT_GUARD) };
}
