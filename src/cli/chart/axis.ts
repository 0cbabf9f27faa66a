/** Where an axis has its marks, and how the numbers at them read. */
export type Axis = { low: number; high: number; ticks: number[]; text: (value: number) => string };

const ROUND = [1, 2, 5, 10];

/** The smallest of 1, 2 and 5 times a power of ten that is not below `least`. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  // Logarithms of exact powers may come out a hair low.
  const factor = ROUND.find((round) => round * power >= least * (1 - 1e-9)) ?? 10;
  return factor * power;
}

function axisFrom(low: number, high: number, step: number): Axis {
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const text = (value: number) => value.toFixed(digits);
  const ticks = Array.from({ length: last - first + 1 }, (_, index) =>
    Number(text((first + index) * step)),
  );
  return { low: ticks[0] ?? 0, high: ticks.at(-1) ?? 1, ticks, text };
}

/** An axis with at most about `most` round marks, that begins and ends at a mark around the values. */
export function valueAxis(low: number, high: number, most = 5): Axis {
  // Values that are all the same still need a scale.
  const top = high > low ? high : low + 1;
  return axisFrom(low, top, roundStep((top - low) / most));
}

/** Units of time with the steps that people count them in. */
const TIME_UNITS = [
  { unit: 's', seconds: 1, steps: [1, 2, 5, 10, 15, 30], upToS: 180 },
  { unit: 'min', seconds: 60, steps: [1, 2, 5, 10, 15, 30], upToS: 3 * 3600 },
  { unit: 'h', seconds: 3600, steps: [1, 2, 3, 4, 6], upToS: Infinity },
];
const MOST_TIME_TICKS = 10;

/** The time axis of a run from 0 to `durationS`; it ends with the run, not at a mark. Values are seconds. */
export function timeAxis(durationS: number): Axis & { unit: string } {
  const { unit, seconds, steps } = TIME_UNITS.find(({ upToS }) => durationS <= upToS) ?? {
    unit: 's',
    seconds: 1,
    steps: [1],
  };
  const wanted = durationS / seconds / MOST_TIME_TICKS;
  const step = (steps.find((one) => one >= wanted) ?? roundStep(wanted)) * seconds;
  const count = Math.floor(durationS / step + 1e-9);
  return {
    low: 0,
    high: durationS,
    unit,
    ticks: Array.from({ length: count + 1 }, (_, index) => index * step),
    text: (value) => String(Math.round((value / seconds) * 100) / 100),
  };
}
