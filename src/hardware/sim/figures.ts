import type { Recording, StepRecord } from './closed-loop.ts';
import { runOracle } from './oracle.ts';
import type { PlantParameters } from './parameters.ts';
import { courseWithin, integralOf, valueAt } from './scenario.ts';
import { stepCost } from './virtual-engine.ts';

export type WindowFigures = {
  seconds: number;
  maxW: number;
  p95W: number;
  /** Largest excess over the window's time-weighted budget, per cent; negative: never reached. */
  worstPct: number;
  /** The same that 99 % of the windows keep. */
  p99Pct: number;
  /** Share of windows above budget plus their tolerance, 0 to 1. */
  violations: number;
};

export type StepEventFigures = {
  atS: number;
  toW: number;
  /** Until the mean power stays within 5 % of what it settles at; null: it does not within the segment. */
  settlingS: number | null;
  /** Most energy above the budget since the step, joules. */
  excessJ: number;
};

export type Figures = {
  scenario: string;
  board: string;
  windows: WindowFigures[];
  stepEvents: StepEventFigures[];
  meanW: number;
  /** Above idle, per decoded token, prefill included. */
  joulesPerToken: number | null;
  tokensPerS: number;
  promptTokens: number;
  answerTokens: number;
  requestsDone: number;
  interTokenP50Ms: number | null;
  interTokenP95Ms: number | null;
  /** Work done, as a share of the oracle's; null when there is nothing that it could do. */
  ofOracle: number | null;
  /** Mean absolute error of a step's expected energy, relative; null when nothing was expected. */
  estimatorError: number | null;
  sensorAgeMaxMs: number | null;
  maxSocC: number;
  throttleEvents: number;
  longestPrefillMs: number;
  /** One row on all cores at full clock: no chunk of this board can be shorter. */
  leastPrefillMs: number;
  largestPrefillJ: number;
  /** Wall time of the pacer's own decisions, as a share of the simulated time. */
  ownCost: number;
};

/** The limits on mean power: over so many seconds, so many per cent above the budget. */
export const POWER_WINDOWS = [
  { seconds: 1, overPct: 10 },
  { seconds: 10, overPct: 3 },
  { seconds: 60, overPct: 0 },
] as const;

/** Numerical dust of the plant's integration is no violation. */
const TOLERANCE_PCT = 0.05;
const SETTLING_SHARE = 0.05;
/**
 * Settling is judged by means over this time, and on slow boards over as many steps: a shorter mean
 * shows whether the third or the fourth step fell into it.
 */
const SETTLING_WINDOW = { seconds: 3, steps: 20 };
/** Later the next request is a step of load of its own. */
const SETTLED_FOR_S = 10;
const EXCESS_HORIZON_S = 10;

export function quantile(numbers: readonly number[], share: number): number | null {
  if (numbers.length === 0) return null;
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? null;
}

/** Joules that the budget allows since the start, at each grid time. */
function allowedJoules({ scenario, joules, gridMs }: Recording): number[] {
  const allowed = [0];
  for (let index = 1; index < joules.length; index += 1) {
    const fromS = ((index - 1) * gridMs) / 1000;
    const more = integralOf(scenario.budget_w, fromS, fromS + gridMs / 1000);
    allowed.push((allowed.at(-1) ?? 0) + more);
  }
  return allowed;
}

/** Differences of a running sum over `span` entries. */
const spans = (sums: readonly number[], span: number): number[] =>
  sums.slice(span).map((later, index) => later - (sums[index] ?? 0));

function windowFigures(
  recording: Recording,
  allowed: readonly number[],
  { seconds, overPct }: { seconds: number; overPct: number },
): WindowFigures | null {
  const span = Math.round((seconds * 1000) / recording.gridMs);
  const used = spans(recording.joules, span);
  if (used.length === 0) return null;
  const may = spans(allowed, span);
  const watts = used.map((joules) => joules / seconds);
  const excess = used.map((joules, index) => {
    const limit = may[index] ?? 0;
    if (limit > 0) return (joules / limit - 1) * 100;
    return joules > 0.01 ? Infinity : 0;
  });
  return {
    seconds,
    maxW: max(watts),
    p95W: quantile(watts, 0.95) ?? 0,
    worstPct: max(excess),
    p99Pct: quantile(excess, 0.99) ?? 0,
    violations: excess.filter((pct) => pct > overPct + TOLERANCE_PCT).length / excess.length,
  };
}

const max = (numbers: Iterable<number>): number => {
  let most = -Infinity;
  for (const number of numbers) most = Math.max(most, number);
  return most;
};

function stepEvents(
  recording: Recording,
  allowed: readonly number[],
  stepS: number,
): StepEventFigures[] {
  const { scenario, joules, gridMs } = recording;
  const endS = ((joules.length - 1) * gridMs) / 1000;
  const at = (timeS: number) => Math.min(joules.length - 1, Math.round((timeS * 1000) / gridMs));
  const mean = (fromS: number, toS: number) =>
    ((joules[at(toS)] ?? 0) - (joules[at(fromS)] ?? 0)) / Math.max(1e-9, toS - fromS);
  const windowS = Math.max(SETTLING_WINDOW.seconds, SETTLING_WINDOW.steps * stepS);
  const seen = courseWithin(scenario.budget_w, endS);
  return seen.slice(1).map(([atS, toW], index) => {
    const untilS = seen[index + 2]?.[0] ?? endS;
    const steadyW = mean(atS + (untilS - atS) / 2, untilS);
    // The first moment after which no mean is off for as long as we watch.
    let settledS = atS;
    const lastS = untilS - windowS;
    for (
      let fromS = atS;
      fromS <= Math.min(lastS, settledS + SETTLED_FOR_S);
      fromS += gridMs / 1000
    ) {
      const off = Math.abs(mean(fromS, fromS + windowS) - steadyW);
      if (off > SETTLING_SHARE * Math.max(steadyW, 0.05)) settledS = fromS + gridMs / 1000;
    }
    if (settledS > lastS) settledS = untilS;
    let excessJ = 0;
    const last = at(Math.min(untilS, atS + EXCESS_HORIZON_S));
    const start = at(atS);
    for (let grid = start; grid <= last; grid += 1) {
      const used = (joules[grid] ?? 0) - (joules[start] ?? 0);
      excessJ = Math.max(excessJ, used - ((allowed[grid] ?? 0) - (allowed[start] ?? 0)));
    }
    return {
      atS,
      toW,
      settlingS: settledS >= untilS ? null : Math.max(0, settledS - atS),
      excessJ,
    };
  });
}

/** Times between the tokens of one answer. */
function interTokenMs(steps: readonly StepRecord[]): number[] {
  const gaps: number[] = [];
  let before: StepRecord | undefined;
  for (const step of steps) {
    if (step.phase === 'decode' && before?.phase === 'decode') {
      if (step.position === before.position + 1) gaps.push(step.endMs - before.endMs);
    }
    before = step;
  }
  return gaps;
}

function leastPrefillMs(truth: PlantParameters): number {
  const at = { threads: truth.cores, freqKhz: truth.steps.at(-1)?.freqKhz ?? 0 };
  return stepCost(truth, { phase: 'prefill', rows: 1, position: 0 }, at).durationMs;
}

/** Both kinds of work are added up by the time that they would take the oracle. */
function shareOfOracle(
  { scenario, plant, socC, coldTokens }: Recording,
  promptTokens: number,
  answerTokens: number,
): number | null {
  const meanC = socC.reduce((sum, value) => sum + value, 0) / socC.length;
  const oracle = runOracle(scenario, plant.truth, meanC);
  const work = (prompt: number, answer: number) =>
    prompt * oracle.secondsPerPromptToken + answer * oracle.secondsPerAnswerToken;
  const most = work(oracle.promptTokens, oracle.answerTokens);
  // Without any budget a token takes for ever, and without a request there is no work.
  if (!Number.isFinite(most) || most <= 0) return null;
  return work(promptTokens, answerTokens + coldTokens * (scenario.cold_first_token - 1)) / most;
}

/** Everything that a run is judged by, from the plant's true power. */
export function figuresOf(recording: Recording): Figures {
  const { scenario, plant, joules, steps } = recording;
  const allowed = allowedJoules(recording);
  const prefill = steps.filter(({ phase }) => phase === 'prefill');
  const decode = steps.filter(({ phase }) => phase === 'decode');
  const promptTokens = prefill.reduce((sum, { rows }) => sum + rows, 0);
  const answerTokens = decode.length;
  const gaps = interTokenMs(steps);
  const errors = steps.flatMap(({ expectedJ, joules: trueJ }) =>
    expectedJ === null || trueJ <= 0 ? [] : [Math.abs(expectedJ / trueJ - 1)],
  );
  const totalJ = joules.at(-1) ?? 0;
  const simulatedMs = plant.nowMs();
  return {
    scenario: scenario.name,
    board: recording.parameters.name,
    windows: POWER_WINDOWS.flatMap((window) => windowFigures(recording, allowed, window) ?? []),
    stepEvents: stepEvents(recording, allowed, (quantile(gaps, 0.5) ?? 0) / 1000),
    meanW: totalJ / (simulatedMs / 1000),
    joulesPerToken: answerTokens > 0 ? totalJ / answerTokens : null,
    tokensPerS: answerTokens / (simulatedMs / 1000),
    promptTokens,
    answerTokens,
    requestsDone: recording.requestsDone,
    interTokenP50Ms: quantile(gaps, 0.5),
    interTokenP95Ms: quantile(gaps, 0.95),
    ofOracle: shareOfOracle(recording, promptTokens, answerTokens),
    estimatorError:
      errors.length > 0 ? errors.reduce((sum, value) => sum + value, 0) / errors.length : null,
    sensorAgeMaxMs: recording.sensorAgeMs.length > 0 ? max(recording.sensorAgeMs) : null,
    maxSocC: max(recording.socC),
    throttleEvents: plant.throttleEvents(),
    leastPrefillMs: leastPrefillMs(plant.truth),
    longestPrefillMs: max([0, ...prefill.map(({ startMs, endMs }) => endMs - startMs)]),
    largestPrefillJ: max([0, ...prefill.map((step) => step.joules)]),
    ownCost: recording.pacerMs / simulatedMs,
  };
}

/** Budget at each grid time, for a chart. */
export const budgetSeries = ({ scenario, joules, gridMs }: Recording): number[] =>
  joules.map((_, index) => valueAt(scenario.budget_w, (index * gridMs) / 1000));
