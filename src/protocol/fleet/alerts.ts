import * as v from 'valibot';
import type { HealthSeverity } from '../health.ts';
import { nodeSelectionSchema } from './selection.ts';

export const ALERT_OPERATORS = ['>', '>=', '<', '<=', '==', '!='] as const;
export type AlertOperator = (typeof ALERT_OPERATORS)[number];

/**
 * What a rule watches:
 * - `field`: any column of a board's row (`watts`, `queue_depth`, …) or any path into its telemetry
 *   (`system.load1`), compared with `value`; a field that is null fulfils nothing;
 * - `ratio`: one field over another (`watts` over `budget_w`), compared with `value`;
 * - `status`: the board's status is one of these;
 * - `health`: the board reports one of these codes (empty: any).
 */
export const alertConditionSchema = v.variant('kind', [
  v.strictObject({
    kind: v.literal('field'),
    field: v.pipe(v.string(), v.regex(/^[a-z0-9_.]{1,64}$/)),
    op: v.picklist(ALERT_OPERATORS),
    value: v.union([
      v.pipe(v.number(), v.finite()),
      v.pipe(v.string(), v.maxLength(128)),
      v.boolean(),
    ]),
  }),
  v.strictObject({
    kind: v.literal('ratio'),
    field: v.pipe(v.string(), v.regex(/^[a-z0-9_.]{1,64}$/)),
    over: v.pipe(v.string(), v.regex(/^[a-z0-9_.]{1,64}$/)),
    op: v.picklist(ALERT_OPERATORS),
    value: v.pipe(v.number(), v.finite()),
  }),
  v.strictObject({
    kind: v.literal('status'),
    statuses: v.pipe(
      v.array(v.picklist(['online', 'draining', 'stale', 'offline', 'unknown'])),
      v.minLength(1),
    ),
  }),
  v.strictObject({
    kind: v.literal('health'),
    codes: v.array(v.pipe(v.string(), v.maxLength(64))),
  }),
]);
export type AlertCondition = v.InferOutput<typeof alertConditionSchema>;

/** Body of `POST /api/alert-rules` and `PUT /api/alert-rules/:id`. */
export const alertRuleSchema = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(80)),
  enabled: v.optional(v.boolean(), true),
  severity: v.optional(v.picklist(['info', 'warning', 'error']), 'warning'),
  condition: alertConditionSchema,
  /** Seconds that the condition must hold without a break before the alert begins. */
  for_s: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(86_400)), 60),
  /** Boards it looks at; empty or left out: all. */
  boards: v.optional(nodeSelectionSchema, {}),
  /** Where it is told, beside the page: POST of an AlertRecord as JSON, once when it begins and once when it ends. */
  webhook_url: v.optional(
    v.nullable(v.pipe(v.string(), v.url(), v.regex(/^https?:/), v.maxLength(1024))),
    null,
  ),
  /** Also publish it (QoS 1, not retained) on `{base}/fleet/alert/{rule id}`. */
  mqtt: v.optional(v.boolean(), false),
});
export type AlertRuleInput = v.InferInput<typeof alertRuleSchema>;
export type AlertRule = v.InferOutput<typeof alertRuleSchema> & {
  id: string;
  created_by: string;
  updated_ms: number;
};

/** `GET /api/alert-rules`. */
export type AlertRulesResponse = { rules: AlertRule[] };

/**
 * One alert: a rule that holds on a board. There is never more than one that fires for a rule and a board;
 * it ends (`resolved`) when the condition no longer holds, the rule is deleted or switched off.
 */
export type AlertRecord = {
  id: string;
  rule_id: string;
  rule_name: string;
  severity: HealthSeverity;
  node: string;
  state: 'firing' | 'resolved';
  /** The condition in words, with the value that set it off. */
  text: string;
  value: string | number | boolean | null;
  began_ms: number;
  resolved_ms: number | null;
  acknowledged_by: string | null;
  acknowledged_ms: number | null;
  note: string | null;
};

/** `GET /api/alerts?state=firing|resolved|all&limit=`: newest first; default: all that fire. */
export type AlertsResponse = { alerts: AlertRecord[] };

/** Body of `POST /api/alerts/:id/acknowledge`. */
export const acknowledgeSchema = v.strictObject({
  note: v.optional(v.pipe(v.string(), v.maxLength(500)), ''),
});
