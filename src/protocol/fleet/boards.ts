import type { HealthCondition, HealthSeverity } from '../health.ts';
import type { InfoMessage, StateMessage, Telemetry } from '../node.ts';

/**
 * What the server makes of a board's signs of life:
 * - `online`, `draining`: what its retained state says, and telemetry comes as it should;
 * - `stale`: its state says online or draining, but no telemetry came for `fleet.stale_after_s`;
 * - `offline`: its state says so; for a board that vanished, the broker says it (Last Will, one and a half
 *   keepalives after the last sign of life);
 * - `unknown`: it sent something, but no state.
 */
export const BOARD_STATUSES = ['online', 'draining', 'stale', 'offline', 'unknown'] as const;
export type BoardStatus = (typeof BOARD_STATUSES)[number];

/** A board in full: `GET /api/boards/:node`, and each entry of `GET /api/boards`. */
export type BoardRecord = {
  node: string;
  status: BoardStatus;
  /** When the server saw the status change to this one. */
  status_since_ms: number;
  /** The last message of any kind that this board itself sent (a Last Will is not one); null before the first. */
  seen_ms: number | null;
  /** When the last telemetry came; null before the first. */
  telemetry_ms: number | null;
  /**
   * Server's clock minus board's clock, milliseconds: the smallest difference over the last messages, so that
   * delays on the way do not count. Positive: the board is behind. Null until telemetry came.
   */
  clock_skew_ms: number | null;
  /** The retained messages as the board sent them; null until they came. */
  state: StateMessage | null;
  info: InfoMessage | null;
  health: HealthCondition[];
  telemetry: Telemetry | null;
};

/** `GET /api/boards`: every board with its last telemetry, by node id. `seq` is what `/api/events` goes on from. */
export type BoardsResponse = { server_ms: number; seq: string; boards: BoardRecord[] };

/**
 * Columns of a row: what a table of ten thousand boards needs, about 230 bytes a board. The order is the order
 * of values in `BoardRow`; new columns come at the end, so read by name: `columns.indexOf('watts')`.
 */
export type BoardColumns = {
  node: string;
  status: BoardStatus;
  status_since_ms: number;
  seen_ms: number | null;
  clock_skew_ms: number | null;
  profile: string | null;
  version: string | null;
  model: string | null;
  pools: string[];
  /** Worst severity among the health conditions; null when there are none. */
  severity: HealthSeverity | null;
  /** Codes of the health conditions. */
  health: string[];
  /** `power.mean_10s_w`, else `power.watts`: in the board's own scope. */
  watts: number | null;
  board_w: number | null;
  budget_w: number | null;
  power_measured: boolean | null;
  soc_c: number | null;
  limit_c: number | null;
  throttled: boolean | null;
  under_voltage: boolean | null;
  governor: Telemetry['governor']['state'] | null;
  duty: number | null;
  max_freq_khz: number | null;
  engine: Telemetry['engine']['state'] | null;
  tokens_per_s: number | null;
  joules_per_token: number | null;
  tokens_total: number | null;
  queue_depth: number | null;
  edge_total: number | null;
  cloud_total: number | null;
  escalated_total: number | null;
  cloud_cost: number | null;
  saved_cost: number | null;
  currency: string | null;
  cpu_pct: number | null;
  /** Share of the memory in use, 0 to 1. */
  mem_ratio: number | null;
  disk_free_bytes: number | null;
  uptime_s: number | null;
};

export const BOARD_COLUMNS = [
  'node',
  'status',
  'status_since_ms',
  'seen_ms',
  'clock_skew_ms',
  'profile',
  'version',
  'model',
  'pools',
  'severity',
  'health',
  'watts',
  'board_w',
  'budget_w',
  'power_measured',
  'soc_c',
  'limit_c',
  'throttled',
  'under_voltage',
  'governor',
  'duty',
  'max_freq_khz',
  'engine',
  'tokens_per_s',
  'joules_per_token',
  'tokens_total',
  'queue_depth',
  'edge_total',
  'cloud_total',
  'escalated_total',
  'cloud_cost',
  'saved_cost',
  'currency',
  'cpu_pct',
  'mem_ratio',
  'disk_free_bytes',
  'uptime_s',
] as const satisfies (keyof BoardColumns)[];

export type BoardColumn = (typeof BOARD_COLUMNS)[number];

/** Values in the order of the response's `columns`. */
export type BoardRow = unknown[];

/** `GET /api/boards?view=rows`: the same boards as rows. */
export type BoardRowsResponse = {
  server_ms: number;
  seq: string;
  columns: readonly BoardColumn[];
  rows: BoardRow[];
};

/** A row as an object; columns that this version does not know are left out. */
export function rowToColumns(columns: readonly string[], row: BoardRow): BoardColumns {
  return Object.fromEntries(
    columns.map((name, index) => [name, row[index] ?? null]),
  ) as unknown as BoardColumns;
}

const WORST_FIRST: readonly HealthSeverity[] = ['error', 'warning', 'info'];

/** The row of a board. */
export function boardColumns(board: BoardRecord): BoardColumns {
  const { telemetry, info, health } = board;
  const { power, thermal, governor, engine, queue, router, system } = telemetry ?? {};
  const memory = system?.mem_total_bytes ?? 0;
  return {
    node: board.node,
    status: board.status,
    status_since_ms: board.status_since_ms,
    seen_ms: board.seen_ms,
    clock_skew_ms: board.clock_skew_ms,
    profile: telemetry?.profile ?? info?.profile ?? null,
    version: info?.version ?? null,
    model: engine?.model ?? info?.model?.id ?? null,
    pools: info?.pools ?? [],
    severity: WORST_FIRST.find((severity) => health.some((c) => c.severity === severity)) ?? null,
    health: health.map(({ code }) => code),
    watts: power?.mean_10s_w ?? power?.watts ?? null,
    board_w: power?.board_w ?? null,
    budget_w: power?.budget_w ?? null,
    power_measured: power?.measured ?? null,
    soc_c: thermal?.soc_c ?? null,
    limit_c: thermal?.limit_c ?? null,
    throttled: thermal === undefined ? null : thermal.throttled.length > 0,
    under_voltage: thermal?.under_voltage ?? null,
    governor: governor?.state ?? null,
    duty: governor?.duty ?? null,
    max_freq_khz: governor?.max_freq_khz ?? null,
    engine: engine?.state ?? null,
    tokens_per_s: engine?.tokens_per_s ?? null,
    joules_per_token: engine?.joules_per_token ?? null,
    tokens_total: engine?.tokens_total ?? null,
    queue_depth: queue?.depth ?? null,
    edge_total: router?.edge_total ?? null,
    cloud_total: router?.cloud_total ?? null,
    escalated_total: router?.escalated_total ?? null,
    cloud_cost: router?.cloud_cost ?? null,
    saved_cost: router?.saved_cost ?? null,
    currency: router?.currency ?? null,
    cpu_pct: system?.cpu_pct ?? null,
    mem_ratio:
      memory > 0 && typeof system?.mem_used_bytes === 'number'
        ? Math.round((system.mem_used_bytes / memory) * 1000) / 1000
        : null,
    disk_free_bytes: system?.disk_free_bytes ?? null,
    uptime_s: telemetry?.uptime_s ?? null,
  };
}

/** `GET /api/boards/:node/config`: asked of the board now (its verb `config.get`), secrets masked by the board. */
export type BoardConfigResponse = {
  node: string;
  settings: { key: string; value: unknown; origin: unknown }[];
};

/** `GET /api/boards/:node/models`: asked of the board now (its verb `model.list`); slots are the board's affair. */
export type BoardModelsResponse = { node: string; active: unknown; models: unknown[] };

/** `GET /api/boards/:node/decisions?limit=`: asked of the board now; its recent routing decisions, newest first. */
export type BoardDecisionsResponse = { node: string; decisions: unknown[] };
