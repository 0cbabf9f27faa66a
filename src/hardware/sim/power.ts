import type { PlantParameters, VoltageStep } from './parameters.ts';

/** What the cores and the memory are doing. */
export type PlantLoad = {
  /** Cores at work, 0 to all; a fraction is a core that is busy part of the time. */
  threadsBusy: number;
  /** Share of a computing core's dynamic power, for cores that mostly wait for memory; default 1. */
  activity?: number;
  bytesPerS: number;
};

/** Parts of a board's power, watts. */
export type PowerParts = {
  /** The cores: dynamic power, and leakage beyond that at idle. */
  coresW: number;
  dramW: number;
  idleW: number;
};

export const boardW = (parts: PowerParts): number => parts.coresW + parts.dramW + parts.idleW;

/** The highest step at or under a bound; the lowest when the bound is below all. */
export function stepAtMost(
  { steps }: Pick<PlantParameters, 'steps'>,
  maxFreqKhz: number | null,
): VoltageStep {
  let found = steps[0] as VoltageStep;
  if (maxFreqKhz === null) return steps.at(-1) as VoltageStep;
  for (const step of steps) if (step.freqKhz <= maxFreqKhz) found = step;
  return found;
}

/**
 * Power by the textbook: C·V²·f for each busy core, leakage that grows with the square of the
 * voltage and exponentially with temperature, and a price for each byte from DRAM.
 */
export function powerParts(
  parameters: PlantParameters,
  step: VoltageStep,
  temperatureC: number,
  load: PlantLoad,
): PowerParts {
  const { coreF, leakageW, leakageFoldC, referenceC, steps } = parameters;
  const busy = Math.min(parameters.cores, Math.max(0, load.threadsBusy));
  const dynamicW = coreF * step.voltageV ** 2 * step.freqKhz * 1000 * busy * (load.activity ?? 1);
  const lowestV = (steps[0] as VoltageStep).voltageV;
  const warmer = Math.exp((temperatureC - referenceC) / leakageFoldC);
  const leakage = leakageW * (step.voltageV / lowestV) ** 2 * warmer;
  return {
    coresW: dynamicW + leakage - leakageW,
    dramW: parameters.dramJPerByte * load.bytesPerS,
    idleW: parameters.idleW,
  };
}
