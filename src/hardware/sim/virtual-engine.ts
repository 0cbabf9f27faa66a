import type { OperatingPoint } from '../../protocol/index.ts';
import type { PlantParameters, VoltageStep } from './parameters.ts';
import { boardW, type PlantLoad, powerParts, stepAtMost } from './power.ts';

/** One run of the graph, as the engine's gate names it. */
export type SimStep = { phase: 'prefill' | 'decode'; rows: number; position: number };

/** A step on certain cores at a certain clock. */
export type StepCost = { durationMs: number; load: PlantLoad };

/** What a step of the model reads and computes. */
export type ModelCost = {
  /** Weights that every step reads, bytes. */
  weightBytes: number;
  /** Weights of the output layer, which a prefill chunk does not run (only its last one does). */
  headBytes: number;
  /** Cache that attention reads for each token before, bytes. */
  cacheBytesPerToken: number;
  /** Multiplications and additions of one row, without the output layer. */
  opsPerRow: number;
  headOps: number;
};

/** ERNIE-4.5-0.3B INT8: 18 layers, 0.26 billion weights in them and 0.106 in the output layer. */
export const ERNIE_INT8: ModelCost = {
  weightBytes: 261e6,
  headBytes: 106e6,
  cacheBytesPerToken: 18 * 2 * 2 * 128 * 4,
  opsPerRow: 522e6,
  headOps: 212e6,
};

/** Two limits of which one bites: a norm of order 4 is close to the harder one and smooth between. */
const either = (a: number, b: number): number => (a ** 4 + b ** 4) ** 0.25;

/**
 * Roofline: a step lasts as long as its memory traffic or its arithmetic, whichever is longer; while
 * it waits for memory, its cores draw less than when they compute.
 */
export function stepCost(
  parameters: PlantParameters,
  step: SimStep,
  at: { threads: number; freqKhz: number },
  model: ModelCost = ERNIE_INT8,
): StepCost {
  const { bandwidthBytesPerS, coreBytesPerCycle, coreOpsPerCycle, stalledActivity } =
    parameters.engine;
  const threads = Math.max(1, Math.min(at.threads, parameters.cores));
  const cyclesPerS = threads * at.freqKhz * 1000;
  const head = step.phase === 'decode' ? 1 : 0;
  const bytes =
    model.weightBytes +
    head * model.headBytes +
    model.cacheBytesPerToken * (step.position + step.rows / 2);
  const ops = step.rows * model.opsPerRow + head * step.rows * model.headOps;
  const memoryS = bytes * either(1 / bandwidthBytesPerS, 1 / (cyclesPerS * coreBytesPerCycle));
  const computeS = ops / (cyclesPerS * coreOpsPerCycle);
  const durationS = either(memoryS, computeS);
  const computing = Math.min(1, computeS / durationS);
  return {
    durationMs: durationS * 1000,
    load: {
      threadsBusy: threads,
      activity: stalledActivity + (1 - stalledActivity) * computing,
      bytesPerS: bytes / durationS,
    },
  };
}

/** An operating point of one phase, without noise. */
export type PhasePoint = { threads: number; freqKhz: number; watts: number; tokensPerS: number };

/** A calibration warms the chip. */
const WARMED_BY_C = 10;
/** Prompt tokens that points are stated at. */
const TYPICAL_POSITION = 128;
/** The longest prefill step that the governor may grant, ms. */
const LONGEST_STEP_MS = 300;
const MOST_ROWS = 128;
const HIDDEN_ROWS_SLACK = 1.25;

/** The largest prefill chunk that keeps to the longest step, or as nearly as the board can. */
export function chunkRowsAt(
  parameters: PlantParameters,
  at: { threads: number; freqKhz: number },
  model?: ModelCost,
): number {
  let rows = MOST_ROWS;
  const lasts = (count: number) =>
    stepCost(parameters, { phase: 'prefill', rows: count, position: 0 }, at, model).durationMs;
  // Where reading the weights alone takes longer, rows that hide behind it cost next to nothing.
  const longestMs = Math.max(LONGEST_STEP_MS, lasts(1) * HIDDEN_ROWS_SLACK);
  while (rows > 1 && lasts(rows) > longestMs) rows -= 1;
  return rows;
}

/** Every pair of threads and clock of a phase: tokens/s and watts above idle at a temperature. */
export function phasePoints(
  parameters: PlantParameters,
  phase: 'prefill' | 'decode',
  {
    temperatureC = parameters.referenceC + WARMED_BY_C,
    model = ERNIE_INT8,
    position = TYPICAL_POSITION,
  } = {},
): PhasePoint[] {
  const points: PhasePoint[] = [];
  for (let threads = 1; threads <= parameters.cores; threads += 1) {
    for (const { freqKhz } of parameters.steps) {
      const at = { threads, freqKhz };
      const rows = phase === 'decode' ? 1 : chunkRowsAt(parameters, at, model);
      const cost = stepCost(parameters, { phase, rows, position }, at, model);
      const voltage: VoltageStep = stepAtMost(parameters, freqKhz);
      const parts = powerParts(parameters, voltage, temperatureC, cost.load);
      points.push({
        ...at,
        watts: boardW(parts) - parameters.idleW,
        tokensPerS: (rows * 1000) / cost.durationMs,
      });
    }
  }
  return points;
}

/** What a calibration of the board would find: the governor's operating points. */
export function calibratedPoints(parameters: PlantParameters): OperatingPoint[] {
  const prefill = phasePoints(parameters, 'prefill');
  return phasePoints(parameters, 'decode').map((point, index) => ({
    threads: point.threads,
    freqKhz: point.freqKhz,
    batch: 1,
    decodeTokensPerS: point.tokensPerS,
    prefillTokensPerS: prefill[index]?.tokensPerS ?? null,
    watts: point.watts,
    estimated: false,
  }));
}
