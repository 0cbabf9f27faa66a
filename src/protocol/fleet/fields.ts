/**
 * Fields of telemetry that have a history, named as they stand in the message (`power.mean_10s_w` is
 * `telemetry.power.mean_10s_w`). `step` is the resolution that is kept: values are stored as whole multiples
 * of it. A `gauge` is a value at a moment; a `counter` only grows until the daemon starts again, and its
 * series is the counter itself (differences are the reader's); a `flag` is 0 or 1, its mean the share of time.
 */
export const SERIES_FIELDS = {
  'power.watts': { unit: 'W', kind: 'gauge', step: 0.001 },
  'power.mean_10s_w': { unit: 'W', kind: 'gauge', step: 0.001 },
  'power.board_w': { unit: 'W', kind: 'gauge', step: 0.001 },
  'power.budget_w': { unit: 'W', kind: 'gauge', step: 0.001 },
  'thermal.soc_c': { unit: '°C', kind: 'gauge', step: 0.1 },
  'thermal.limit_c': { unit: '°C', kind: 'gauge', step: 0.1 },
  'thermal.throttled': { unit: '', kind: 'flag', step: 1 },
  'thermal.under_voltage': { unit: '', kind: 'flag', step: 1 },
  'governor.duty': { unit: '', kind: 'gauge', step: 0.001 },
  'governor.threads': { unit: '', kind: 'gauge', step: 1 },
  'governor.max_freq_khz': { unit: 'kHz', kind: 'gauge', step: 1000 },
  'governor.allowed_tokens_per_s': { unit: 'tokens/s', kind: 'gauge', step: 0.01 },
  'engine.tokens_per_s': { unit: 'tokens/s', kind: 'gauge', step: 0.01 },
  'engine.joules_per_token': { unit: 'J', kind: 'gauge', step: 0.001 },
  'engine.slots_busy': { unit: '', kind: 'gauge', step: 1 },
  'engine.rss_bytes': { unit: 'B', kind: 'gauge', step: 65_536 },
  'engine.tokens_total': { unit: 'tokens', kind: 'counter', step: 1 },
  'engine.restarts': { unit: '', kind: 'counter', step: 1 },
  'queue.depth': { unit: '', kind: 'gauge', step: 1 },
  'queue.oldest_ms': { unit: 'ms', kind: 'gauge', step: 100 },
  'queue.accepted_total': { unit: '', kind: 'counter', step: 1 },
  'queue.completed_total': { unit: '', kind: 'counter', step: 1 },
  'queue.rejected_total': { unit: '', kind: 'counter', step: 1 },
  'router.edge_total': { unit: '', kind: 'counter', step: 1 },
  'router.cloud_total': { unit: '', kind: 'counter', step: 1 },
  'router.escalated_total': { unit: '', kind: 'counter', step: 1 },
  'router.cloud_cost': { unit: 'currency', kind: 'counter', step: 0.000001 },
  'router.saved_cost': { unit: 'currency', kind: 'counter', step: 0.000001 },
  'system.cpu_pct': { unit: '%', kind: 'gauge', step: 0.1 },
  'system.mem_used_bytes': { unit: 'B', kind: 'gauge', step: 65_536 },
  'system.disk_free_bytes': { unit: 'B', kind: 'gauge', step: 1_048_576 },
  'system.load1': { unit: '', kind: 'gauge', step: 0.01 },
} as const satisfies Record<
  string,
  { unit: string; kind: 'gauge' | 'counter' | 'flag'; step: number }
>;

export type SeriesField = keyof typeof SERIES_FIELDS;

export const SERIES_FIELD_NAMES = Object.keys(SERIES_FIELDS) as SeriesField[];

export function isSeriesField(name: string): name is SeriesField {
  return Object.hasOwn(SERIES_FIELDS, name);
}

/** Where points come from: messages as they came, or the roll-ups of a minute or an hour. */
export type SeriesSource = 'raw' | 'minute' | 'hour';

/** Null where nothing was reported in that step. */
export type SeriesColumn = {
  mean: (number | null)[];
  min: (number | null)[];
  max: (number | null)[];
};

/**
 * `GET /api/boards/:node/series?fields=a,b&from=MS&to=MS&step=MS`: one point per step that holds a report,
 * oldest first; `t_ms` is the start of the step. All columns are as long as `t_ms`. With `step=0` (or left
 * out and the range short enough) every report is a point. The server may answer with a longer step than
 * asked for, so that at most 5,000 points come back: `step_ms` says which (0: reports as they came).
 */
export type SeriesResponse = {
  node: string;
  from_ms: number;
  to_ms: number;
  step_ms: number;
  source: SeriesSource;
  t_ms: number[];
  fields: Partial<Record<SeriesField, SeriesColumn>>;
};

export const MOST_SERIES_POINTS = 5000;

/** What the whole fleet did, one point every `step_ms`: `GET /api/overview/series?from=&to=&step=`. */
export type FleetSeriesResponse = {
  from_ms: number;
  to_ms: number;
  step_ms: number;
  t_ms: number[];
  online: (number | null)[];
  offline: (number | null)[];
  stale: (number | null)[];
  watts: (number | null)[];
  tokens_per_s: (number | null)[];
};
