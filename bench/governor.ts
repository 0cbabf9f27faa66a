/**
 * Does the governor hold its watts, and what does that cost? `node bench/governor.ts [--scenario NAME]
 * [--board NAME] [--json]` runs every board through every scenario of `scenarios/` in virtual time,
 * prints the figures with PASS or FAIL, and exits 1 on a FAIL. `--charts FOLDER` draws the charts of
 * docs/energy.md instead; `twowatt sim` draws any other run.
 * All boards here are simulated from their device profiles: none of this was measured on hardware.
 */
import { parseArgs } from 'node:util';
import { createGovernorPacer } from '../src/cli/governor-pacer.ts';
import {
  baselines,
  boardParameters,
  calibratedPoints,
  type Figures,
  figuresOf,
  loadScenarios,
  runClosedLoop,
} from '../src/hardware/sim/index.ts';
import { drawCharts } from './governor/charts.ts';
import { judge, type Verdict } from './governor/judge.ts';
import { baselineTable, figureTable } from './governor/tables.ts';

const BOARDS = ['raspberry-pi-4b', 'raspberry-pi-5', 'raspberry-pi-zero-2-w', 'jetson-orin-nano'];

const { values } = parseArgs({
  options: {
    scenario: { type: 'string' },
    board: { type: 'string' },
    json: { type: 'boolean', default: false },
    charts: { type: 'string' },
  },
});

if (values.charts !== undefined) {
  await drawCharts(values.charts);
  process.exit(0);
}

const scenarios = loadScenarios().filter(
  ({ name }) => values.scenario === undefined || values.scenario === name,
);
const boards = values.board === undefined ? BOARDS : [values.board];
if (scenarios.length === 0) {
  process.stderr.write(`no scenario ${values.scenario ?? ''} in scenarios\n`);
  process.exit(2);
}

const say = (text: string) => values.json || process.stdout.write(`${text}\n`);
const results: {
  figures: Figures;
  verdicts: Verdict[];
  baselines: Record<string, Figures>;
}[] = [];

for (const board of boards) {
  const parameters = boardParameters(board);
  const points = calibratedPoints(parameters);
  say(`\n${parameters.title} (simulated)`);
  for (const scenario of scenarios) {
    if (scenario.boards?.includes(board) === false) continue;
    const figures = figuresOf(runClosedLoop(scenario, parameters, points, createGovernorPacer));
    const verdicts = judge(figures, scenario, parameters);
    const others: Record<string, Figures> = {};
    for (const [name, factory] of Object.entries(baselines)) {
      others[name] = figuresOf(runClosedLoop(scenario, parameters, points, factory));
    }
    results.push({ figures, verdicts, baselines: others });
    say(figureTable(scenario.title, figures, verdicts));
    say(baselineTable(figures, others));
  }
}

const failed = results.flatMap(({ figures, verdicts }) =>
  verdicts.filter(({ pass }) => !pass).map((verdict) => ({ verdict, figures })),
);
if (values.json) {
  process.stdout.write(`${JSON.stringify({ passed: failed.length === 0, results }, null, 2)}\n`);
} else {
  const checks = results.reduce((sum, { verdicts }) => sum + verdicts.length, 0);
  say(`\n${checks - failed.length} of ${checks} figures hold`);
  for (const { figures, verdict } of failed) {
    const { figure, value, limit } = verdict;
    say(`FAIL ${figures.board} ${figures.scenario}: ${figure} is ${value}, expected ${limit}`);
  }
}
process.exitCode = failed.length === 0 ? 0 : 1;
