export const HEALTH_CODES = [
  'broker_disconnected',
  'duplicate_node_id',
  'engine_restarting',
  'engine_unavailable',
  'model_missing',
  'model_corrupt',
  'model_fallback',
  'sensor_missing',
  'sensor_stale',
  'sensor_implausible',
  'power_estimated',
  'over_budget',
  'budget_below_step',
  'too_hot',
  'throttled',
  'under_voltage',
  'actuator_denied',
  'queue_full',
  'journal_corrupt',
  'disk_full',
  'clock_unsynchronised',
  'cloud_unreachable',
  'cloud_budget_exhausted',
] as const;
export type HealthCode = (typeof HEALTH_CODES)[number];

export type HealthSeverity = 'info' | 'warning' | 'error';

export type HealthCondition = {
  code: HealthCode;
  severity: HealthSeverity;
  title: string;
  text: string;
  /** RFC 3339. */
  since: string;
  /** Conditions that explain this one away while they last. */
  depends_on: HealthCode[];
};
