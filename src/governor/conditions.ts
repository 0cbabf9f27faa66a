import type { MeterStatus } from './meter.ts';
import type { ThermalView } from './thermal.ts';
import type { GovernorCondition, GovernorSettings } from './types.ts';

/** Why nothing may run. */
export type Obstacle =
  | 'idle_above_budget'
  | 'day_spent'
  | 'below_step'
  | 'too_hot'
  | 'throttled'
  | 'under_voltage';

export type ConditionFacts = {
  blocked: Obstacle | null;
  settings: GovernorSettings;
  idleW: number;
  status: { status: MeterStatus; reason: string; everRead: boolean };
  thermal: ThermalView;
  mean60W: number | null;
  stepJ: number;
  hoursLeft: number;
};

/** A mean that passes the budget by this much is told; less is the sensor's own noise. */
const TOLD_ABOVE = 1.02;

/** What an operator should know, each code at most once. */
export function collectConditions(facts: ConditionFacts): GovernorCondition[] {
  const { blocked, settings, status, thermal } = facts;
  const { budgetW, scope } = settings;
  const found: GovernorCondition[] = [];
  const tell = (code: GovernorCondition['code'], text: string) => {
    const known = found.find((condition) => condition.code === code);
    if (known) known.text = `${known.text}; ${text}`;
    else found.push({ code, text });
  };
  if (status.status !== 'ok') {
    if (status.status === 'missing') tell('sensor_missing', `power: ${status.reason}`);
    if (status.status === 'stale') tell('sensor_stale', status.reason);
    if (status.status === 'implausible') tell('sensor_implausible', status.reason);
    tell(
      'power_estimated',
      'power is estimated by the device profile, with a guard band below the budget',
    );
  }
  if (thermal.unknown !== null) tell('sensor_missing', thermal.text);
  if (blocked === 'idle_above_budget') {
    tell(
      'over_budget',
      `the board draws ${facts.idleW.toFixed(2)} W idle, which is not below the budget of ${budgetW} W (scope ${scope})`,
    );
  } else if (facts.mean60W !== null && facts.mean60W > budgetW * TOLD_ABOVE) {
    tell(
      'over_budget',
      `the 60 s mean is ${facts.mean60W.toFixed(2)} W of ${budgetW} W (scope ${scope})`,
    );
  }
  if (blocked === 'day_spent') {
    tell(
      'over_budget',
      `the day's ${settings.energyWhPerDay} Wh are used up; the next begin in ${facts.hoursLeft.toFixed(1)} h of running time`,
    );
  }
  if (blocked === 'below_step') {
    tell(
      'budget_below_step',
      `one step takes about ${facts.stepJ.toPrecision(2)} J, more than the longest window of ${budgetW} W allows`,
    );
  }
  if (thermal.hot || blocked === 'too_hot') tell('too_hot', thermal.text);
  if (thermal.hold !== null) tell(thermal.hold, thermal.text);
  return found;
}
