import { type Figures, type PlantParameters, type Scenario } from '../../src/hardware/sim/index.ts';

export type Verdict = { figure: string; value: string; limit: string; pass: boolean };

const MOST_OVER_1S_PCT = 25;
const SETTLING_S = 3;
const EXCESS_J = 1;
const OF_ORACLE = { sensor: 0.92, blind: 0.75 };
const ABOVE_LIMIT_C = 2;
const OWN_COST = 0.01;
const CHUNK_S = 0.3;
/** Limits are on the plant's exact energy; this much is rounding. */
const DUST_PCT = 0.05;

const atMost = (
  figure: string,
  value: number,
  most: number,
  unit: string,
  digits = 1,
): Verdict => ({
  figure,
  value: `${value.toFixed(digits)}${unit}`,
  limit: `≤ ${most.toFixed(digits)}${unit}`,
  pass: value <= most,
});

/** The figures that issue 3 promises, for one run. */
export function judge(
  figures: Figures,
  scenario: Scenario,
  parameters: PlantParameters,
): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const { seconds, worstPct, p99Pct } of figures.windows) {
    if (seconds === 1) {
      verdicts.push(atMost('1 s mean, 99 % of windows', p99Pct, 10 + DUST_PCT, ' % over'));
      verdicts.push(atMost('1 s mean, always', worstPct, MOST_OVER_1S_PCT + DUST_PCT, ' % over'));
    }
    if (seconds === 10) verdicts.push(atMost('10 s mean', worstPct, 3 + DUST_PCT, ' % over'));
    if (seconds === 60) verdicts.push(atMost('60 s mean', worstPct, DUST_PCT, ' % over'));
  }
  for (const { atS, toW, settlingS, excessJ } of figures.stepEvents) {
    const name = `to ${toW} W at ${atS} s`;
    verdicts.push(atMost(`settling ${name}`, settlingS ?? Infinity, SETTLING_S, ' s'));
    verdicts.push(atMost(`excess ${name}`, excessJ, EXCESS_J, ' J', 2));
  }
  const share = scenario.power_sensor ? OF_ORACLE.sensor : OF_ORACLE.blind;
  if (figures.ofOracle !== null) {
    verdicts.push({
      figure: 'work of the oracle’s',
      value: `${(figures.ofOracle * 100).toFixed(1)} %`,
      limit: `≥ ${share * 100} %`,
      pass: figures.ofOracle >= share,
    });
  }
  const limitC = (scenario.temperature_limit_c ?? parameters.limitC) + ABOVE_LIMIT_C;
  verdicts.push(atMost('temperature', figures.maxSocC, limitC, ' °C'));
  verdicts.push(atMost('throttle events', figures.throttleEvents, 0, '', 0));
  const leastBudgetW = Math.min(...scenario.budget_w.map(([, watts]) => watts));
  if (figures.leastPrefillMs < CHUNK_S * 1000) {
    verdicts.push(atMost('prefill chunk', figures.longestPrefillMs, CHUNK_S * 1000, ' ms', 0));
    const most = CHUNK_S * (scenario.budget_w[0]?.[1] ?? leastBudgetW);
    verdicts.push(atMost('prefill chunk', figures.largestPrefillJ, most, ' J', 2));
  }
  verdicts.push(atMost('governor’s own time', figures.ownCost * 100, OWN_COST * 100, ' %', 3));
  return verdicts;
}
