import { HEALTH_TABLE } from '../../telemetry/index.ts';
import type { Outcomes } from '../facts.ts';
import type { GovernorFacts } from '../facts.ts';
import type { ConfigFacts } from '../facts.ts';
import type { Verdict } from '../finding.ts';
import { check, factsOf, fail, note, ok, warn } from './check.ts';
import { shellPath } from './figures.ts';
import { HEALTH_ADVICE } from './health-advice.ts';

function limitsText({ governor }: ConfigFacts, rail: string): string {
  const windows = governor.windows.map(({ seconds, over_pct: pct }) => `${seconds} s +${pct} %`);
  const scope = governor.scope === 'rail' ? `rail ${rail || '?'}` : governor.scope;
  const day = governor.energy_wh_per_day > 0 ? `, ${governor.energy_wh_per_day} Wh a day` : '';
  return `${governor.budget_w} W ${scope} (${windows.join(', ')}), ${governor.temperature_limit_c} °C${day}`;
}

function judgeLimits(config: ConfigFacts, all: Outcomes): Verdict {
  const { governor } = config;
  const board = factsOf(all, 'board');
  const profile = board?.profile?.profile;
  const facts = factsOf(all, 'governor');
  const rail = facts?.rail ?? governor.rail;
  const text = limitsText(config, rail);
  if (governor.scope === 'rail' && facts !== undefined && !facts.rails.includes(rail)) {
    const known = facts.rails.join(', ') || 'none';
    return fail(
      `${text}: there is no such rail (found: ${known})`,
      'Name a rail that the sensor has, or count what inference adds to the idle board.',
      facts.rails[0] === undefined
        ? 'governor: { scope: above_idle }'
        : `governor: { scope: rail, rail: ${facts.rails[0]} }`,
    );
  }
  const idleW = profile?.power.idle_w.value;
  if (governor.scope === 'board' && idleW !== undefined && governor.budget_w <= idleW) {
    return fail(
      `${text}: this board takes ${idleW} W while idle, so nothing may ever run`,
      'Raise the budget above idle, or count what inference adds to the idle board.',
      'governor: { scope: above_idle }',
    );
  }
  const throttleC = profile?.thermal.throttle_c.value;
  if (throttleC !== undefined && governor.temperature_limit_c > throttleC) {
    return warn(
      `${text}: the firmware slows this board down from ${throttleC} °C on`,
      'Set a limit below that, so that the governor acts first.',
      `governor: { temperature_limit_c: ${throttleC - 5} }`,
    );
  }
  return ok(text);
}

/** Conditions that other checks tell better. */
const TOLD_ELSEWHERE = new Set(['under_voltage', 'throttled', 'actuator_denied']);

function judgePace({ decision }: GovernorFacts): Verdict {
  if ('reason' in decision) return note(decision.reason);
  const rate = decision.allowedTokensPerS;
  const pace = `${decision.state}; the budget buys about ${Number(rate.toPrecision(2))} tokens/s`;
  const told = decision.conditions.filter(({ code }) => !TOLD_ELSEWHERE.has(code));
  const worst = told.find(({ code }) => HEALTH_TABLE[code].severity !== 'info') ?? told[0];
  if (worst === undefined) return ok(pace);
  const text = `${pace}; ${worst.code}: ${worst.text}`;
  if (HEALTH_TABLE[worst.code].severity === 'info') return note(text);
  const { advice, run } = HEALTH_ADVICE[worst.code];
  // A board without a sensor is as it was built: its watts are estimated, and the daemon goes on.
  if (worst.code === 'sensor_missing' && rate > 0) return note(text);
  return (HEALTH_TABLE[worst.code].severity === 'error' ? fail : warn)(text, advice, run);
}

function judgeLearnt({ saved, savedPath }: GovernorFacts): Verdict {
  if (saved === null) return note('nothing yet: predictions go by the device profile');
  if (saved === 'damaged') {
    return warn(
      `${savedPath} holds nothing usable: everything is learnt again`,
      'Nothing need be done; the daemon writes it anew, and deleting it is safe.',
      `rm ${shellPath(savedPath)}`,
    );
  }
  const steps = Object.values(saved.steps.powers);
  const seen = steps.reduce((sum, { seen: count }) => sum + count, 0);
  const used = (saved.day.usedJ / 3600).toFixed(2);
  return ok(
    `${steps.length} kinds of steps from ${Math.round(seen)} measurements; ${used} Wh in the last day`,
  );
}

export const governorChecks = [
  check('config', { id: 'governor.limits', group: 'governor', title: 'Limits' }, judgeLimits),
  check('governor', { id: 'governor.pace', group: 'governor', title: 'Pace' }, judgePace),
  check('governor', { id: 'governor.learnt', group: 'governor', title: 'Learnt' }, judgeLearnt),
];
