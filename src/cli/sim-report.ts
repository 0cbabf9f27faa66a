import {
  courseWithin,
  type Figures,
  type PlantParameters,
  POWER_WINDOWS,
  type Scenario,
} from '../hardware/sim/index.ts';

/** A governed run, and the same trace with what people do instead of governing. */
export type Simulation = {
  scenario: Scenario;
  parameters: PlantParameters;
  figures: Figures;
  baselines: Readonly<Record<string, Figures>>;
};

const LABEL_COLUMNS = 22;

const row = (label: string, value: string): string => `  ${label.padEnd(LABEL_COLUMNS)}${value}`;
const figure = (value: number | null, digits: number, unit: string): string =>
  value === null ? 'unknown' : `${value.toFixed(digits)} ${unit}`;
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const signed = (value: number): string =>
  Number.isFinite(value) ? `${value >= 0 ? '+' : ''}${value.toFixed(1)} %` : 'no budget at all';

const courseText = (course: readonly (readonly [number, number])[], unit: string): string =>
  course
    .map(([atS, value], index) => `${value} ${unit}${index === 0 ? '' : ` from ${atS} s`}`)
    .join(', ');

/** The share of windows that pass their limit, for one line of a table. */
const overText = (share: number): string => (share === 0 ? '0 %' : percent(share));

function windowRows({ windows }: Figures): string[] {
  return windows.map(({ seconds, maxW, worstPct, violations }) => {
    const { overPct = 0 } = POWER_WINDOWS.find((window) => window.seconds === seconds) ?? {};
    const allowed = overPct === 0 ? 'at most the budget' : `at most +${overPct} %`;
    return row(
      `highest mean of ${seconds} s`,
      `${maxW.toFixed(3)} W, ${signed(worstPct)} of the budget (${allowed}; over in ${overText(violations)} of windows)`,
    );
  });
}

function baselineRows({ figures, baselines }: Simulation): string[] {
  const runs = Object.entries({ governor: figures, ...baselines });
  if (runs.length === 1) return [];
  const seconds = figures.windows.map((window) => `over in ${window.seconds} s`);
  const cells = runs.map(([name, run]) =>
    [
      name,
      run.meanW.toFixed(2),
      run.joulesPerToken?.toFixed(3) ?? '–',
      run.tokensPerS.toFixed(2),
      run.ofOracle === null ? '–' : percent(run.ofOracle),
      run.maxSocC.toFixed(1),
      String(run.throttleEvents),
    ].concat(run.windows.map(({ violations }) => overText(violations))),
  );
  const head = ['', 'mean W', 'J/token', 'tokens/s', 'of oracle', '°C', 'throttled', ...seconds];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...cells.map((line) => line[column]?.length ?? 0)),
  );
  const line = (texts: readonly string[]) =>
    `  ${texts
      .map((text, column) =>
        column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart((widths[column] ?? 0) + 2),
      )
      .join('')
      .trimEnd()}`;
  return ['', line(head), ...cells.map(line)];
}

/** The figures for people; power is above idle and true, not as sensed. */
export function simulationText(simulation: Simulation): string {
  const { scenario, parameters, figures } = simulation;
  const limitC = scenario.temperature_limit_c ?? parameters.limitC;
  return [
    `${parameters.title} (simulated, not measured): ${scenario.title}, ${scenario.duration_s} s`,
    row('budget above idle', courseText(courseWithin(scenario.budget_w, scenario.duration_s), 'W')),
    ...windowRows(figures),
    row('mean power', `${figures.meanW.toFixed(3)} W above idle`),
    row('energy', figure(figures.joulesPerToken, 3, 'J/token')),
    row(
      'speed',
      `${figures.tokensPerS.toFixed(2)} tokens/s${figures.ofOracle === null ? '' : `, ${percent(figures.ofOracle)} of the oracle’s work`}`,
    ),
    row(
      'between tokens',
      `${figure(figures.interTokenP50Ms, 0, 'ms')}, 95 % within ${figure(figures.interTokenP95Ms, 0, 'ms')}`,
    ),
    ...figures.stepEvents.map(({ atS, toW, settlingS, excessJ }) =>
      row(
        `step to ${toW} W at ${atS} s`,
        `${settlingS === null ? 'not settled' : `settled after ${settlingS.toFixed(1)} s`}, ${excessJ.toFixed(2)} J too much`,
      ),
    ),
    row('temperature', `up to ${figures.maxSocC.toFixed(1)} °C, limit ${limitC} °C`),
    row('throttle events', String(figures.throttleEvents)),
    row(
      'answers',
      `${figures.requestsDone} whole, ${figures.promptTokens} prompt tokens, ${figures.answerTokens} answer tokens`,
    ),
    ...baselineRows(simulation),
  ].join('\n');
}

/** JSON has no infinity, which stands for an excess over no budget at all. */
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

const figuresJson = (figures: Figures) => ({
  windows: figures.windows.map((window) => ({
    seconds: window.seconds,
    max_w: window.maxW,
    p95_w: window.p95W,
    worst_over_budget_pct: finite(window.worstPct),
    p99_over_budget_pct: finite(window.p99Pct),
    violations_share: window.violations,
  })),
  budget_steps: figures.stepEvents.map((step) => ({
    at_s: step.atS,
    to_w: step.toW,
    settling_s: step.settlingS === null ? null : Number(step.settlingS.toFixed(3)),
    excess_joules: step.excessJ,
  })),
  mean_w: figures.meanW,
  joules_per_token: figures.joulesPerToken,
  tokens_per_s: figures.tokensPerS,
  prompt_tokens: figures.promptTokens,
  answer_tokens: figures.answerTokens,
  requests_done: figures.requestsDone,
  inter_token_p50_ms: figures.interTokenP50Ms,
  inter_token_p95_ms: figures.interTokenP95Ms,
  share_of_oracle: figures.ofOracle,
  estimator_error_share: figures.estimatorError,
  sensor_age_max_ms: figures.sensorAgeMaxMs,
  soc_max_c: finite(figures.maxSocC),
  throttle_events: figures.throttleEvents,
  prefill_longest_ms: figures.longestPrefillMs,
  prefill_largest_joules: figures.largestPrefillJ,
  own_time_share: figures.ownCost,
});

/** The same for programs, in the terms of the contract: snake_case, units in names. */
export function simulationJson(simulation: Simulation): object {
  const { scenario, parameters, figures, baselines } = simulation;
  return {
    simulated: true,
    board: parameters.name,
    scenario: scenario.name,
    title: scenario.title,
    duration_s: scenario.duration_s,
    scope: 'above_idle',
    budget_w: courseWithin(scenario.budget_w, scenario.duration_s),
    temperature_limit_c: scenario.temperature_limit_c ?? parameters.limitC,
    governor: figuresJson(figures),
    baselines: Object.fromEntries(
      Object.entries(baselines).map(([name, run]) => [name, figuresJson(run)]),
    ),
  };
}
