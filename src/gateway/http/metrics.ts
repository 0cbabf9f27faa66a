import type { HealthCondition, Telemetry } from '../../protocol/index.ts';

type Labels = Record<string, string>;
type Sample = { value: number | null; labels?: Labels };
type Metric = {
  type: 'gauge' | 'counter';
  help: string;
  read: (facts: MetricFacts) => Sample[];
};

export type MetricFacts = {
  version: string;
  telemetry: Telemetry;
  health: HealthCondition[];
  /** Milliseconds since 1970, now. */
  wallMs: number;
};

const one =
  (read: (telemetry: Telemetry) => number | boolean | null) =>
  ({ telemetry }: MetricFacts): Sample[] => {
    const value = read(telemetry);
    return [{ value: typeof value === 'boolean' ? Number(value) : value }];
  };
const gauge = (help: string, read: Parameters<typeof one>[0]): Metric => ({
  type: 'gauge',
  help,
  read: one(read),
});
const counter = (help: string, read: Parameters<typeof one>[0]): Metric => ({
  type: 'counter',
  help,
  read: one(read),
});
const times = (value: number | null, factor: number) => (value === null ? null : value * factor);

/**
 * Every metric, by the name after `twowatt_`. Base units and names as Prometheus recommends; what is
 * not known has no sample, since 0 would be a lie.
 */
const METRICS: Record<string, Metric> = {
  info: {
    type: 'gauge',
    help: 'Always 1; its labels say which node, software, device profile and model this is.',
    read: ({ version, telemetry: { node, profile, engine } }) => [
      { value: 1, labels: { node, version, profile, model: engine.model ?? '' } },
    ],
  },
  uptime_seconds: gauge('Time since the daemon started.', (t) => t.uptime_s),
  telemetry_age_seconds: {
    type: 'gauge',
    help: 'Age of the readings below; a scrape reads no sensor.',
    read: ({ telemetry, wallMs }) => [
      { value: Math.max(0, (wallMs - Date.parse(telemetry.ts)) / 1000) },
    ],
  },
  power_watts: gauge('Power in the scope of the budget.', (t) => t.power.watts),
  power_mean_watts: {
    type: 'gauge',
    help: 'Mean power in the scope of the budget over a window.',
    read: ({ telemetry: { power } }) => [
      { value: power.mean_1s_w, labels: { window: '1s' } },
      { value: power.mean_10s_w, labels: { window: '10s' } },
      { value: power.mean_60s_w, labels: { window: '60s' } },
    ],
  },
  power_budget_watts: gauge('The budget.', (t) => t.power.budget_w),
  power_measured: gauge('1 when power is measured, 0 when modelled.', (t) => t.power.measured),
  board_power_watts: gauge('All that the power sensor sees.', (t) => t.power.board_w),
  board_idle_power_watts: gauge('Power of the idle board.', (t) => t.power.idle_w),
  soc_temperature_celsius: gauge('Temperature of the chip.', (t) => t.thermal.soc_c),
  temperature_limit_celsius: gauge('Where work stops.', (t) => t.thermal.limit_c),
  throttled: gauge('1 while the firmware slows down.', (t) => t.thermal.throttled.length > 0),
  under_voltage: gauge('1 while the supply is too low.', (t) => t.thermal.under_voltage),
  governor_state: {
    type: 'gauge',
    help: '1 for the state that the governor is in.',
    read: ({ telemetry }) => states(['open', 'pacing', 'hot', 'paused'], telemetry.governor.state),
  },
  governor_duty_ratio: gauge('Share of the time that steps may run.', (t) => t.governor.duty),
  governor_threads: gauge('Threads that a step uses.', (t) => t.governor.threads),
  governor_max_frequency_hertz: gauge('Bound of the CPU clock.', (t) =>
    times(t.governor.max_freq_khz, 1000),
  ),
  governor_allowed_tokens_per_second: gauge(
    'Decode rate that the budget allows.',
    (t) => t.governor.allowed_tokens_per_s,
  ),
  engine_state: {
    type: 'gauge',
    help: '1 for the state that the engine is in.',
    read: ({ telemetry }) =>
      states(['starting', 'ready', 'busy', 'restarting', 'unavailable'], telemetry.engine.state),
  },
  engine_tokens_total: counter('Tokens generated.', (t) => t.engine.tokens_total),
  engine_tokens_per_second: gauge('Decode rate of the last answer.', (t) => t.engine.tokens_per_s),
  engine_joules_per_token: gauge('Energy of a token, mean.', (t) => t.engine.joules_per_token),
  engine_energy_joules_total: counter(
    'Energy of all answers, above the idle board.',
    (t) => t.engine.joules_total ?? null,
  ),
  engine_slots: gauge('Prompts that may run at once.', (t) => t.engine.slots),
  engine_slots_busy: gauge('Prompts that run.', (t) => t.engine.slots_busy),
  engine_resident_memory_bytes: gauge('Memory of the engine process.', (t) => t.engine.rss_bytes),
  engine_restarts_total: counter('Restarts of the engine.', (t) => t.engine.restarts),
  queue_depth: gauge('Prompts that wait or run.', (t) => t.queue.depth),
  queue_oldest_seconds: gauge('Age of the oldest of them.', (t) => times(t.queue.oldest_ms, 1e-3)),
  prompts_accepted_total: counter('Prompts taken.', (t) => t.queue.accepted_total),
  prompts_completed_total: counter('Prompts answered.', (t) => t.queue.completed_total),
  prompts_rejected_total: counter('Prompts refused.', (t) => t.queue.rejected_total),
  answers_total: {
    type: 'counter',
    help: 'Answers by where they were made.',
    read: ({ telemetry: { router } }) => [
      { value: router.edge_total, labels: { target: 'edge' } },
      { value: router.cloud_total, labels: { target: 'cloud' } },
    ],
  },
  escalations_total: counter('Answers handed on mid-way.', (t) => t.router.escalated_total),
  route_reasons_total: {
    type: 'counter',
    help: 'Answers by why they were made where they were.',
    read: ({ telemetry: { router } }) =>
      Object.entries(router.by_reason).map(([reason, value]) => ({ value, labels: { reason } })),
  },
  cloud_cost_total: {
    type: 'counter',
    help: 'Money that cloud answers have cost.',
    read: ({ telemetry: { router } }) => [
      { value: router.cloud_cost, labels: { currency: router.currency } },
    ],
  },
  saved_cost: {
    type: 'gauge',
    help: 'What all tokens would have cost at the baseline price, less what was spent.',
    read: ({ telemetry: { router } }) => [
      { value: router.saved_cost, labels: { currency: router.currency } },
    ],
  },
  cpu_usage_ratio: gauge('Load of all cores, 0 to 1.', (t) => times(t.system.cpu_pct, 0.01)),
  memory_used_bytes: gauge('Memory in use.', (t) => t.system.mem_used_bytes),
  memory_total_bytes: gauge('Memory there is.', (t) => t.system.mem_total_bytes),
  disk_free_bytes: gauge('Room on the disk of the state folder.', (t) => t.system.disk_free_bytes),
  load1: gauge('Load average of a minute.', (t) => t.system.load1),
  clock_synchronised: gauge(
    '1 while the time of day is known.',
    (t) => t.clock?.synchronised ?? null,
  ),
  health_condition: {
    type: 'gauge',
    help: '1 for each condition that holds.',
    read: ({ health }) =>
      health.map(({ code, severity }) => ({ value: 1, labels: { code, severity } })),
  },
};

/** Full names, in the order in which they are printed. */
export const METRIC_NAMES: readonly string[] = Object.keys(METRICS).map(
  (name) => `twowatt_${name}`,
);

function states<State extends string>(all: readonly State[], now: State): Sample[] {
  return all.map((state) => ({ value: Number(state === now), labels: { state } }));
}

const escapeLabel = (value: string) =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

function sampleLine(name: string, { value, labels = {} }: Sample): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`;
}

/** The text exposition format of Prometheus, version 0.0.4. */
export function metricsText(facts: MetricFacts): string {
  let text = '';
  for (const [short, { type, help, read }] of Object.entries(METRICS)) {
    const name = `twowatt_${short}`;
    const samples = read(facts).filter(({ value }) => value !== null && Number.isFinite(value));
    if (samples.length === 0) continue;
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    for (const sample of samples) text += sampleLine(name, sample);
  }
  return text;
}
