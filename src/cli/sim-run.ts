import { setImmediate } from 'node:timers/promises';
import {
  baselines,
  boardParameters,
  calibratedPoints,
  closedLoop,
  figuresOf,
  type PacerFactory,
  type Recording,
  type Scenario,
} from '../hardware/sim/index.ts';
import { createGovernorPacer } from './governor-pacer.ts';
import { drawRun } from './sim-chart.ts';
import type { Simulation } from './sim-report.ts';

export type RunOptions = {
  scenario: Scenario;
  /** Name of a device profile. */
  board: string;
  /** Also runs the same trace with each of the baselines. */
  compare: boolean;
  /** Share of all runs that is done, 0 to 1. */
  onProgress: (share: number) => void;
};

/**
 * Runs the governor, and when asked the baselines, in virtual time. Gives way to the event loop all
 * the time, so that an interrupt ends it.
 */
export async function runSimulation(
  options: RunOptions,
): Promise<{ simulation: Simulation; chart: () => string }> {
  const { scenario, board, compare, onProgress } = options;
  const parameters = boardParameters(board);
  const points = calibratedPoints(parameters);
  const others = compare ? Object.entries(baselines) : [];
  let runsDone = 0;
  const run = async (factory: PacerFactory): Promise<Recording> => {
    const loop = closedLoop(scenario, parameters, points, factory);
    for (;;) {
      const { done, value } = loop.next();
      if (done === true) {
        runsDone += 1;
        return value;
      }
      onProgress((runsDone + value) / (others.length + 1));
      await setImmediate();
    }
  };
  const governed = await run(createGovernorPacer);
  const compared: Record<string, Recording> = {};
  for (const [name, factory] of others) compared[name] = await run(factory);
  return {
    simulation: {
      scenario,
      parameters,
      figures: figuresOf(governed),
      baselines: Object.fromEntries(
        Object.entries(compared).map(([name, recording]) => [name, figuresOf(recording)]),
      ),
    },
    chart: () => drawRun(governed, compared),
  };
}
