import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runSimulation } from '../../src/cli/sim-run.ts';
import { changeScenario, scenarioNamed } from '../../src/hardware/sim/index.ts';

type DocumentedRun = {
  file: string;
  scenario: string;
  board: string;
  compare?: boolean;
  seconds?: number;
};

/** What docs/energy.md shows: a step of the budget, heat, a lost sensor, and what others would do. */
const CHARTS: readonly DocumentedRun[] = [
  { file: 'budget-steps-pi-5.svg', scenario: 'budget-steps', board: 'raspberry-pi-5' },
  { file: 'ambient-pi-4b.svg', scenario: 'ambient', board: 'raspberry-pi-4b' },
  { file: 'sensor-lost-zero-2-w.svg', scenario: 'sensor-lost', board: 'raspberry-pi-zero-2-w' },
  {
    file: 'baselines-pi-4b.svg',
    scenario: 'steady',
    board: 'raspberry-pi-4b',
    compare: true,
    seconds: 120,
  },
];

/** Draws them into a folder; the same code gives the same pictures. */
export async function drawCharts(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const { file, scenario, board, compare = false, seconds } of CHARTS) {
    const { chart } = await runSimulation({
      scenario: changeScenario(scenarioNamed(scenario), { seconds }),
      board,
      compare,
      onProgress: () => undefined,
    });
    writeFileSync(join(folder, file), chart());
    process.stdout.write(`${join(folder, file)}\n`);
  }
}
