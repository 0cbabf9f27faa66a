import type { HealthCode, HealthSeverity } from '../protocol/index.ts';

export type HealthEntry = {
  severity: HealthSeverity;
  /** What a person reads first. */
  title: string;
  /** How long the condition must last until it is shown: shorter ones repair themselves. */
  visibleAfterMs: number;
  /** Conditions that explain this one away while they last. */
  dependsOn: readonly HealthCode[];
};

const SECOND = 1000;

/** Every health condition of the contract: how bad it is, what it is called, what hides it. */
export const HEALTH_TABLE: Readonly<Record<HealthCode, HealthEntry>> = {
  // Reconnecting after a lost packet takes a few seconds and is nobody's concern.
  broker_disconnected: entry('error', 'No connection to the broker', 10 * SECOND),
  duplicate_node_id: entry('error', 'Another live node has the same id', 0),
  engine_restarting: entry('warning', 'The engine is being restarted', 3 * SECOND),
  engine_unavailable: entry('error', 'The engine does not run', 0, [
    'model_missing',
    'model_corrupt',
  ]),
  model_missing: entry('error', 'The model is not there', 0),
  model_corrupt: entry('error', 'The model is damaged', 0),
  model_fallback: entry('warning', 'A stand-in for the wanted model answers', 0),
  sensor_missing: entry('warning', 'A sensor is not there', 0),
  sensor_stale: entry('warning', 'A sensor gives old values', 5 * SECOND, ['sensor_missing']),
  sensor_implausible: entry('warning', 'A sensor gives impossible values', 5 * SECOND),
  power_estimated: entry('info', 'Power is estimated, not measured', 0, ['sensor_missing']),
  over_budget: entry('warning', 'Power is above the budget', 10 * SECOND),
  budget_below_step: entry('error', 'The budget does not allow a single step', 0),
  too_hot: entry('warning', 'The board is too hot to go on', 2 * SECOND),
  throttled: entry('warning', 'The firmware slows the board down', 2 * SECOND, [
    'under_voltage',
    'too_hot',
  ]),
  under_voltage: entry('error', 'The supply voltage is too low', 2 * SECOND),
  actuator_denied: entry('warning', 'The clock may not be set', 0),
  queue_full: entry('warning', 'The queue is full; prompts are refused', 2 * SECOND, [
    'engine_unavailable',
  ]),
  journal_corrupt: entry('error', 'Stored prompts were damaged', 0),
  disk_full: entry('error', 'The disk is full', 0),
  clock_unsynchronised: entry('info', 'The time of day is not known yet', 60 * SECOND),
  cloud_unreachable: entry('warning', 'No cloud endpoint can be reached', 10 * SECOND),
  cloud_budget_exhausted: entry('warning', 'The money for the cloud is spent', 0),
};

function entry(
  severity: HealthSeverity,
  title: string,
  visibleAfterMs: number,
  dependsOn: readonly HealthCode[] = [],
): HealthEntry {
  return { severity, title, visibleAfterMs, dependsOn };
}
