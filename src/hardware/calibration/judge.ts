import { TwowattError } from '../../core/index.ts';
import type { Observation } from './observer.ts';
import type { WindowWatts } from './types.ts';

/** Work has to stand out of the meter's noise by so many standard errors. */
const SIGNAL_SIGMAS = 3;
/** Leakage grows by about 2 % a degree: a window that moves further measures two boards. */
const MOST_SWING_C = 5;
/** So near to the board's own limit its firmware may step in at any moment. */
const THROTTLE_MARGIN_C = 2;

/** Throws `thermal_limited` or `power_limited` when the board was not itself during a window. */
export function judgeBoard(name: string, seen: Observation, throttleC: number): void {
  if (seen.underVoltage) {
    throw new TwowattError(
      'power_limited',
      `${name}: the supply's voltage was too low; use a stronger supply or a better cable`,
    );
  }
  if (seen.throttled.length > 0 || seen.events > 0) {
    const how = seen.throttled.join(', ') || `${seen.events} throttle events`;
    throw new TwowattError(
      'thermal_limited',
      `${name}: the board slowed itself down (${how}); cool it, or leave out points like this one`,
    );
  }
  if (seen.socC === null) return;
  const { first, last, most } = seen.socC;
  if (most > throttleC - THROTTLE_MARGIN_C) {
    throw new TwowattError(
      'thermal_limited',
      `${name}: ${most.toFixed(1)} °C is too near to ${throttleC} °C, where the board slows itself down; cool it, or leave out points like this one`,
    );
  }
  const swing = Math.abs(last - first);
  if (swing > MOST_SWING_C) {
    throw new TwowattError(
      'thermal_limited',
      `${name}: the temperature moved by ${swing.toFixed(1)} °C while it was measured, more than ${MOST_SWING_C}; let the board warm up longer (--warmup)`,
    );
  }
}

/** Throws `invalid_request` when the meter cannot tell work from idle. */
export function judgeSignal(name: string, watts: number, noiseW: number): void {
  if (watts > SIGNAL_SIGMAS * noiseW && watts > 0) return;
  throw new TwowattError(
    'invalid_request',
    `${name}: work adds ${watts.toFixed(3)} W to idle and the meter is uncertain by ${noiseW.toFixed(3)} W: the noise is larger than the signal; measure longer (--seconds) or with a better meter`,
  );
}

/** Throws `invalid_request` when repeats differ by more than `tolerance` (a share). */
export function judgeSpread(name: string, spread: number, tolerance: number): void {
  if (spread <= tolerance) return;
  throw new TwowattError(
    'invalid_request',
    `${name}: repeats differ by ${(spread * 100).toFixed(0)} %, more than ${(tolerance * 100).toFixed(0)} %: something else uses the board; stop it, or measure longer (--seconds)`,
  );
}

/**
 * Throws `invalid_request` when idle is not what it was: when half of its way, by which a mean of both
 * may be off, is more than `tolerance` of the smallest figure that goes by it.
 */
export function judgeIdle(
  before: WindowWatts,
  after: WindowWatts,
  smallestW: number,
  tolerance: number,
): void {
  const noiseW = Math.hypot(before.noiseW, after.noiseW);
  const shift = Math.abs(after.watts - before.watts) / 2;
  if (shift <= Math.max(tolerance * smallestW, SIGNAL_SIGMAS * noiseW)) return;
  throw new TwowattError(
    'invalid_request',
    `idle: ${before.watts.toFixed(3)} W before and ${after.watts.toFixed(3)} W after, too far apart for figures from ${smallestW.toFixed(3)} W above it: something else uses the board, or it has not cooled down`,
  );
}

/** How far values lie apart, as a share of their mean: the standard deviation over it. */
export function spreadOf(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  if (values.length < 2) return 0;
  return mean > 0 ? Math.sqrt(squares / (values.length - 1)) / mean : Infinity;
}
