import { budgetSeries, type Recording } from '../hardware/sim/index.ts';
import { type Course, runningMean } from './chart/course.ts';
import { drawChart, type Series, type Stroke } from './chart/line-chart.ts';

/** Means as long as the picture can tell apart; those of power are the windows of the budget. */
const MEANS = [
  { upToS: 600, powerS: 1, tokensS: 5 },
  { upToS: 7_200, powerS: 10, tokensS: 60 },
  { upToS: Infinity, powerS: 60, tokensS: 300 },
];

/**
 * Colours of Okabe and Ito (2008), which people with any kind of colour vision can tell apart; the
 * strokes differ as well, for print without colour.
 */
const STROKES = {
  governor: { colour: '#0072B2', width: 1.8 },
  /** Broad, so that it shows on both sides of the true one that lies over it. */
  sensed: { colour: '#E69F00', width: 3.6 },
  temperature: { colour: '#D55E00', width: 1.8 },
  limit: { colour: '#000000', width: 1.3, dashes: '6 4' },
} as const satisfies Record<string, Stroke>;
const BASELINE_STROKES: readonly Stroke[] = [
  { colour: '#D55E00', width: 1.3 },
  { colour: '#009E73', width: 1.3, dashes: '9 3' },
  { colour: '#CC79A7', width: 1.3, dashes: '2 2' },
  { colour: '#E69F00', width: 1.3, dashes: '9 3 2 3' },
];

const over = (recording: Recording, values: readonly (number | null)[]): Course => ({
  stepS: recording.gridMs / 1000,
  values,
});

/** Watts above idle between two grid times. */
const truePower = (recording: Recording): Course =>
  over(
    recording,
    recording.joules.map((sum, index) =>
      index === 0 ? null : (sum - (recording.joules[index - 1] ?? 0)) / (recording.gridMs / 1000),
    ),
  );

/** What the sensor said, without values so absurd that they would flatten all the others. */
function believable({ sensedW, scenario, joules, gridMs }: Recording): (number | null)[] {
  const highestW = joules.reduce(
    (most, sum, index) => Math.max(most, ((sum - (joules[index - 1] ?? 0)) * 1000) / gridMs),
    Math.max(...scenario.budget_w.map(([, watts]) => watts)),
  );
  return sensedW.map((watts) => (watts !== null && watts > 2 * highestW ? null : watts));
}

/**
 * Answer tokens per second. Each counts evenly over the time that it took, the wait before it
 * included: counted when they are ready, tokens would make the rate of a short time jump.
 */
function tokenRate(recording: Recording): Course {
  const { gridMs, joules, steps } = recording;
  const tokens = joules.map(() => 0);
  steps.forEach(({ phase, position, startMs, endMs }, index) => {
    if (phase !== 'decode') return;
    const before = steps[index - 1];
    const follows = before?.phase === 'decode' && before.position === position - 1;
    const fromMs = follows ? before.endMs : startMs;
    for (let grid = Math.floor(fromMs / gridMs); grid * gridMs < endMs; grid += 1) {
      const withinMs = Math.min(endMs, (grid + 1) * gridMs) - Math.max(fromMs, grid * gridMs);
      // Values stand at the end of their stretch, as those of the energy do.
      const share = withinMs / (endMs - fromMs);
      if (grid + 1 < tokens.length) tokens[grid + 1] = (tokens[grid + 1] ?? 0) + share;
    }
  });
  return over(
    recording,
    tokens.map((count) => (count * 1000) / gridMs),
  );
}

/** What a run shows against its limits: power, temperature and tokens per second, as an SVG image. */
export function drawRun(
  governed: Recording,
  baselines: Readonly<Record<string, Recording>> = {},
): string {
  const { scenario, parameters, joules, gridMs } = governed;
  const others = Object.entries(baselines);
  const durationS = ((joules.length - 1) * gridMs) / 1000;
  const { powerS, tokensS } = MEANS.find(({ upToS }) => durationS <= upToS) ?? {
    powerS: 1,
    tokensS: 5,
  };
  const compared = others.length > 0;
  const limitC = scenario.temperature_limit_c ?? parameters.limitC;
  const forEach = (name: string, stroke: Stroke, courseOf: (of: Recording) => Course): Series[] => [
    // Drawn first, so that the governor's line lies over the others.
    ...others.map(([other, recording], index) => ({
      name: other,
      course: courseOf(recording),
      stroke: BASELINE_STROKES[index % BASELINE_STROKES.length] ?? STROKES.sensed,
    })),
    { name: compared ? 'governor' : name, course: courseOf(governed), stroke },
  ];
  const meanPower = (recording: Recording) => runningMean(truePower(recording), powerS);
  const sensed: Series = {
    name: 'as the sensor says',
    course: runningMean(over(governed, believable(governed)), powerS),
    stroke: STROKES.sensed,
  };
  const senses = !compared && governed.sensedW.some((watts) => watts !== null);
  return drawChart({
    title: `${scenario.title}: ${parameters.title}`,
    subtitle:
      'Simulated from the device profile with ERNIE-4.5-0.3B INT8; not measured on hardware.',
    description:
      `Power above idle against the budget, temperature against its limit of ${limitC} °C and answer ` +
      `tokens per second over ${scenario.duration_s} s` +
      `${compared ? `, with the governor and with ${others.map(([name]) => name).join(', ')}` : ''}.`,
    durationS,
    panels: [
      {
        title: `Power above idle, mean of ${powerS} s`,
        unit: 'W',
        fromZero: true,
        legend: true,
        series: [
          ...(senses ? [sensed] : []),
          ...forEach('true', STROKES.governor, meanPower),
          {
            name: 'budget',
            course: over(governed, budgetSeries(governed)),
            stroke: STROKES.limit,
          },
        ],
      },
      {
        title: 'Temperature of the SoC',
        unit: '°C',
        fromZero: false,
        legend: true,
        series: [
          ...forEach('true', compared ? STROKES.governor : STROKES.temperature, (recording) =>
            over(recording, recording.socC),
          ),
          {
            name: 'limit',
            course: over(
              governed,
              joules.map(() => limitC),
            ),
            stroke: STROKES.limit,
          },
        ],
      },
      {
        title: `Answer tokens per second, mean of ${tokensS} s`,
        unit: '1/s',
        fromZero: true,
        legend: compared,
        series: forEach('tokens/s', STROKES.governor, (recording) =>
          runningMean(tokenRate(recording), tokensS),
        ),
      },
    ],
  });
}
