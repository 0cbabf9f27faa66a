import type { BoardSample } from '../../protocol/index.ts';
import type { ChosenPoint } from './plan.ts';

export type WorkPhase = 'prefill' | 'decode';

/** The engine at work, as the calibration needs it. */
export interface Workload {
  /** Resolves when the model is open with so many threads. */
  useThreads(threads: number): Promise<void>;
  /** Works on one phase without a pause until `signal` aborts. Rejects when the engine cannot go on. */
  run(phase: WorkPhase, signal: AbortSignal): Promise<void>;
  /** Resolves at the end of the step that runs, with its time and the phase's tokens up to then. */
  nextStep(phase: WorkPhase): Promise<{ atMs: number; tokens: number }>;
}

/** What a reading is asked for. */
export type Subject =
  | { kind: 'idle' }
  | { kind: 'work'; phase: WorkPhase; threads: number; freqKhz: number | null };

/**
 * Where watts come from: the board's own sensor, or somebody who is asked (a person before a wall
 * meter, a file). `resolutionW` is the smallest difference that the answer can show.
 */
export type WattsInput =
  | { kind: 'sensor' }
  | {
      kind: 'told';
      about: string;
      ask(subject: Subject, signal: AbortSignal): Promise<{ watts: number; resolutionW: number }>;
    };

/** Watts of one window; `noiseW` is the standard error of the mean. */
export type WindowWatts = { watts: number; noiseW: number; rails: Record<string, number> };

export type PhaseFigures = {
  tokensPerS: number;
  /** Above idle, watts. */
  watts: number;
  /** Standard error of the meter in `watts`, idle's included. */
  noiseW: number;
  /** How far the repeats lie apart, as a share of their mean: the larger one of speed and watts. */
  spread: number;
  /** Monotonic milliseconds of each repeat, for whoever has other records of that time. */
  windows: { fromMs: number; toMs: number }[];
};

export type MeasuredPoint = ChosenPoint & {
  prefill: PhaseFigures;
  decode: PhaseFigures;
  /** Hottest during the measurement; null where nothing reads it. */
  socC: number | null;
};

export type Calibration = {
  /** All that the meter sees while the board idles with the engine loaded. */
  idle: WindowWatts;
  points: MeasuredPoint[];
  /** What read the power, for people. */
  meter: string;
  /** True when the power is the whole board's, false for rails only. */
  wholeBoard: boolean;
  notes: string[];
};

export type CalibrationProgress = { label: string; done: number; total: number };

/** Takes all of the board's readings at one moment. */
export type Sampler = () => BoardSample;
