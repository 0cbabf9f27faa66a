/**
 * hardware/sim: a board that is simulated. In virtual time it closes the loop of governor, engine and
 * plant within a test (`runClosedLoop`, with an oracle and baselines to judge by); in real time it is
 * a folder that looks like /sys (`startSimulatedBoard`). Promises: the same seed gives the same run,
 * and the governor comes in as an argument: nothing here knows it.
 */
export { baselines } from './baselines.ts';
export { boardNames, boardParameters, profileNamed } from './boards.ts';
export { closedLoop, type Recording, runClosedLoop } from './closed-loop.ts';
export { budgetSeries, type Figures, figuresOf, POWER_WINDOWS } from './figures.ts';
export type { Pacer, PacerFactory, PacerFacts } from './pacer.ts';
export type { PlantParameters } from './parameters.ts';
export { type SimulatedBoard, startSimulatedBoard } from './live.ts';
export type { Plant } from './plant.ts';
export { scenarioEntries } from './scenario-schema.ts';
export {
  changeScenario,
  courseWithin,
  loadScenarios,
  parseScenario,
  type Scenario,
  scenarioNamed,
} from './scenario.ts';
export { calibratedPoints, ERNIE_INT8 } from './virtual-engine.ts';
