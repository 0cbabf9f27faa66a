import type { ActuatorOrder, BoardSample, OperatingPoint } from '../../protocol/index.ts';
import type { PlantParameters } from './parameters.ts';
import type { SimStep } from './virtual-engine.ts';

/** Whoever decides about steps: the governor, or a baseline that it is measured against. */
export type Pacer = {
  /** Called at `sampleHz`; says how the engine shall run from now on. */
  sample(sample: BoardSample, nowMs: number): ActuatorOrder;
  /** 0 grants the step; otherwise milliseconds after which to ask again. */
  ask(step: SimStep, nowMs: number): number;
  report(step: SimStep & { durationMs: number }, nowMs: number): void;
  setBudget(budgetW: number, nowMs: number): void;
  /** Rows of the next prefill chunk, when `left` tokens of the prompt are still to go. */
  chunkRows(left: number, position: number): number;
  /** Joules that it expects of a step, for the estimator's error; null when it does not estimate. */
  expectedJ?(step: SimStep): number | null;
};

/** What a pacer may know of the board before it starts. */
export type PacerFacts = {
  points: OperatingPoint[];
  /** The board as its profile has it: the truth may differ. */
  nominal: PlantParameters;
  /** Of the board as it really is: a calibrated baseline. */
  idleW: number;
  budgetW: number;
  temperatureLimitC: number;
  sampleHz: number;
};

export type PacerFactory = (facts: PacerFacts) => Pacer;
