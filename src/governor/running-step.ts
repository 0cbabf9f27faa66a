import type { OperatingPoint } from '../protocol/index.ts';
import type { Work } from './step-model.ts';

/** A step that takes more than this many times its expected energy is not believed to be all work. */
const DEAREST_STEP = 12;

/** A granted step, from its beginning on. */
export type RunningStep = {
  point: OperatingPoint;
  work: Work;
  startMs: number;
  debitedJ: number;
  watts: number;
  key: string;
  /** Up to here its energy was booked for comparison with the sensor. */
  accountedMs: number;
  accountedJ: number;
};

/** What it costs if it drew `watts` for `ms`. */
export const believableJ = ({ debitedJ }: RunningStep, watts: number, ms: number): number =>
  Math.min((watts * ms) / 1000, DEAREST_STEP * debitedJ);
