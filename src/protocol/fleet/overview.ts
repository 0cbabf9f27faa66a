import type { HealthSeverity } from '../health.ts';
import type { BoardStatus } from './boards.ts';

/** Why a board stands among the worst offenders; `score` orders them, worst first. */
export type Offender = {
  node: string;
  reason: 'health' | 'hot' | 'over_budget' | 'throttled' | 'offline' | 'stale' | 'queue' | 'clock';
  /** The worst condition's code for `health`, else empty. */
  code: string;
  value: number | null;
  limit: number | null;
  score: number;
};

/**
 * `GET /api/overview`, and the event `overview`: the fleet in numbers. Sums count boards that are online or
 * draining only (the last telemetry of the others is history), except money and totals, which count every
 * board's last word.
 */
export type Overview = {
  server_ms: number;
  boards: Record<BoardStatus | 'total', number>;
  /** Sum of `watts` of the rows. Boards differ in scope: `watts_by_scope` keeps them apart. */
  watts: number;
  watts_by_scope: Record<string, number>;
  budget_w: number;
  /** Boards whose power is unknown. */
  watts_unknown: number;
  /** Sum over boards that are busy: the rate of their last answer. */
  tokens_per_s: number;
  tokens_total: number;
  /** Watts of the busy boards over their tokens per second; null while none is busy. */
  joules_per_token: number | null;
  queue_depth: number;
  edge_total: number;
  cloud_total: number;
  escalated_total: number;
  /** edge / (edge + cloud), 0 to 1; null before the first answer. */
  edge_share: number | null;
  costs: { currency: string; cloud_cost: number; saved_cost: number }[];
  /** Boards by the condition that they report. */
  health: { code: string; severity: HealthSeverity; boards: number }[];
  by_profile: Record<string, number>;
  by_version: Record<string, number>;
  by_model: Record<string, number>;
  by_pool: Record<string, number>;
  /** At most 20. */
  worst: Offender[];
  alerts: { firing: number; acknowledged: number };
  /** Messages of boards per second that this server took over the last 10 s. */
  messages_per_s: number;
  /** Of this server's connection to the broker. */
  broker: { connected: boolean; detail: string };
};
