/**
 * hardware/calibration: measures what a board draws and does at its operating points, and makes of it
 * an overlay over the device profile. Promises: the engine, the meter and time come in as arguments;
 * what cannot be trusted (noise, heat, throttling, repeats that differ) is refused with the reason and
 * leaves no figure behind; clocks are the caller's to put back, through the actuators it opened.
 */
export { type CalibrateOptions, calibrate } from './calibrate.ts';
export { drawHull, type HullCorner } from './chart.ts';
export { overlayOf } from './overlay.ts';
export { type ChosenPoint, choosePoints } from './plan.ts';
export type {
  Calibration,
  MeasuredPoint,
  PhaseFigures,
  Subject,
  WattsInput,
  WorkPhase,
  Workload,
} from './types.ts';
