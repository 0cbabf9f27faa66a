import { BOARD_STATUSES, type Overview } from '../../protocol/fleet/index.ts';
import type { IntakeFigures } from './intake.ts';

type Sample = { value: number | null; labels?: Record<string, string> };

export type FleetMetricFacts = {
  version: string;
  overview: Overview;
  intake: IntakeFigures;
  storeBytes: number | null;
  leads: boolean;
  listeners: number;
  process: { residentBytes: number; cpuS: number };
};

type Metric = {
  type: 'gauge' | 'counter';
  help: string;
  read: (facts: FleetMetricFacts) => Sample[] | number | null;
};

const gauge = (help: string, read: Metric['read']): Metric => ({ type: 'gauge', help, read });
const counter = (help: string, read: Metric['read']): Metric => ({ type: 'counter', help, read });

/** Of the fleet as a whole and of this server; each board has metrics of its own. */
const METRICS: Record<string, Metric> = {
  info: gauge('Version of the fleet server.', ({ version }) => [{ value: 1, labels: { version } }]),
  boards: gauge('Boards by status.', ({ overview }) =>
    BOARD_STATUSES.map((status) => ({ value: overview.boards[status], labels: { status } })),
  ),
  power_watts: gauge('Power of the boards that are online, by scope.', ({ overview }) =>
    Object.entries(overview.watts_by_scope).map(([scope, value]) => ({ value, labels: { scope } })),
  ),
  power_budget_watts: gauge('Sum of their budgets.', ({ overview }) => overview.budget_w),
  tokens_per_second: gauge(
    'Rate of the boards that are busy.',
    ({ overview }) => overview.tokens_per_s,
  ),
  queue_depth: gauge(
    'Prompts that wait or run on all boards.',
    ({ overview }) => overview.queue_depth,
  ),
  health_conditions: gauge('Boards by the condition that they report.', ({ overview }) =>
    overview.health.map(({ code, severity, boards }) => ({
      value: boards,
      labels: { code, severity },
    })),
  ),
  alerts_firing: gauge('Alerts that fire.', ({ overview }) => overview.alerts.firing),
  broker_connected: gauge('1 while connected to the broker.', ({ overview }) =>
    Number(overview.broker.connected),
  ),
  messages_total: counter('Messages from boards.', ({ intake }) => intake.messages),
  samples_stored_total: counter(
    'Telemetry messages that are stored.',
    ({ intake }) => intake.stored,
  ),
  messages_invalid_total: counter(
    'Messages that could not be read.',
    ({ intake }) => intake.invalid,
  ),
  samples_waiting: gauge('Telemetry that waits to be stored.', ({ intake }) => intake.waiting),
  store_failures_total: counter(
    'Batches that the store refused.',
    ({ intake }) => intake.storeFailures,
  ),
  store_size_bytes: gauge('Size of the store.', ({ storeBytes }) => storeBytes),
  leader: gauge('1 for the server that runs jobs and alerts.', ({ leads }) => Number(leads)),
  event_listeners: gauge('Pages that listen to events.', ({ listeners }) => listeners),
  process_resident_memory_bytes: gauge('Memory of this server.', (f) => f.process.residentBytes),
  process_cpu_seconds_total: counter('CPU time of this server.', (f) => f.process.cpuS),
};

/** Full names, in the order in which they are printed. */
export const FLEET_METRIC_NAMES: readonly string[] = Object.keys(METRICS).map(
  (name) => `twowatt_fleet_${name}`,
);

const escapeLabel = (value: string) =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

/** The text exposition format of Prometheus, version 0.0.4. */
export function fleetMetricsText(facts: FleetMetricFacts): string {
  let out = '';
  for (const [short, { type, help, read }] of Object.entries(METRICS)) {
    const name = `twowatt_fleet_${short}`;
    const found = read(facts);
    const samples = Array.isArray(found) ? found : [{ value: found }];
    const lines = samples
      .filter(({ value }) => value !== null)
      .map(({ value, labels = {} }: Sample) => {
        const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
        return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`;
      });
    if (lines.length > 0)
      out += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
  }
  return out;
}
