import type { Figures } from '../../src/hardware/sim/index.ts';
import type { Verdict } from './judge.ts';

const number = (value: number | null, digits: number, unit: string): string =>
  value === null ? '–' : `${value.toFixed(digits)} ${unit}`;

/** One scenario's figures, a line for those that hold and a line for each that does not. */
export function figureTable(title: string, figures: Figures, verdicts: readonly Verdict[]): string {
  const failed = verdicts.filter(({ pass }) => !pass);
  const windows = figures.windows
    .map(
      ({ seconds, maxW, worstPct }) =>
        `${seconds} s ${maxW.toFixed(2)} W (${worstPct >= 0 ? '+' : ''}${worstPct.toFixed(1)} %)`,
    )
    .join(', ');
  const settling = figures.stepEvents.map(
    ({ toW, settlingS, excessJ }) =>
      `→ ${toW} W in ${number(settlingS, 1, 's')}, excess ${excessJ.toFixed(2)} J`,
  );
  return [
    `  ${failed.length === 0 ? 'PASS' : 'FAIL'}  ${title}`,
    `        highest means: ${windows}`,
    `        mean ${figures.meanW.toFixed(3)} W, ${figures.tokensPerS.toFixed(2)} tokens/s, ` +
      `${number(figures.joulesPerToken, 3, 'J/token')}, ${number(figures.ofOracle === null ? null : figures.ofOracle * 100, 1, '%')} of the oracle, ` +
      `between tokens ${number(figures.interTokenP50Ms, 0, 'ms')} (p95 ${number(figures.interTokenP95Ms, 0, 'ms')})`,
    `        up to ${figures.maxSocC.toFixed(1)} °C, ${figures.throttleEvents} throttle events, ` +
      `estimates off by ${number(figures.estimatorError === null ? null : figures.estimatorError * 100, 1, '%')}, ` +
      `reading up to ${number(figures.sensorAgeMaxMs, 0, 'ms')} old, prefill chunks up to ${figures.longestPrefillMs.toFixed(0)} ms ` +
      `and ${figures.largestPrefillJ.toFixed(2)} J, own time ${(figures.ownCost * 100).toFixed(3)} %`,
    ...settling.map((line) => `        ${line}`),
    ...failed.map(
      ({ figure, value, limit }) => `        FAIL ${figure}: ${value}, expected ${limit}`,
    ),
  ].join('\n');
}

/** The same trace without a governor, and with what people do instead. */
export function baselineTable(
  governed: Figures,
  others: Readonly<Record<string, Figures>>,
): string {
  return Object.entries({ governor: governed, ...others })
    .map(([name, figures]) => {
      const over = figures.windows
        .map(({ seconds, violations }) => `${(violations * 100).toFixed(0)} % of ${seconds} s`)
        .join(', ');
      return (
        `          ${name.padEnd(12)} ${figures.tokensPerS.toFixed(2).padStart(6)} tokens/s ` +
        `${figures.meanW.toFixed(2).padStart(5)} W  over in ${over}`
      );
    })
    .join('\n');
}
