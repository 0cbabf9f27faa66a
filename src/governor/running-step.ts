import type { OperatingPoint } from '../protocol/index.ts';
import type { Work } from './paces.ts';
import type { StepTaken } from './types.ts';

/** A step that takes more than this many times its expected energy is not believed to be all work. */
const DEAREST_STEP = 12;

/** A granted step, from its beginning on. */
export type RunningStep = {
  point: OperatingPoint;
  work: Work;
  startMs: number;
  debitedJ: number;
  /** Watts above idle that it is expected to draw, as a mean over its time. */
  watts: number;
  /** The same while all its threads are at work. */
  busyW: number;
  key: string;
  /** Up to here its energy was booked for comparison with the sensor. */
  accountedMs: number;
  accountedJ: number;
};

/** What it costs if it drew `watts` for `ms`. */
export const believableJ = ({ debitedJ }: RunningStep, watts: number, ms: number): number =>
  Math.min((watts * ms) / 1000, DEAREST_STEP * debitedJ);

/**
 * How long all threads of a step were at work, ms: by its CPU time, else as long as it took. No more
 * than what all cores can do in that time and once more after it, while workers come to rest.
 */
export function busyOf(
  { cpuMs }: StepTaken,
  tookMs: number,
  threads: number,
  cores: number,
): number {
  if (cpuMs === undefined || !Number.isFinite(cpuMs) || cpuMs < 0) return tookMs;
  return Math.min(cpuMs, 2 * cores * tookMs) / Math.max(1, threads);
}
