import * as v from 'valibot';
import type { ErrorBody } from '../../core/index.ts';
import { nodeSelectionSchema } from './selection.ts';

/** What may be done to boards from here, each a request of the contract to the board itself. */
export const ACTION_VERBS = [
  'ping',
  'drain',
  'resume',
  'restart',
  'governor.set',
  'model.pull',
  'model.activate',
  'model.rollback',
  'config.set',
] as const;
export type ActionVerb = (typeof ACTION_VERBS)[number];

const verbAndArguments = {
  verb: v.picklist(ACTION_VERBS),
  /** The verb's own arguments: `{"budget_w":2.5}`, `{"model":"…"}`, `{"set":{"log.level":"debug"}}`. */
  args: v.optional(v.record(v.string(), v.unknown()), {}),
  boards: nodeSelectionSchema,
  /** How many boards the user was shown when confirming; another number is refused and nothing is done. */
  expected_boards: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
};

/** Body of `POST /api/actions`: at once, at most 64 boards at a time. Answers 202 with an ActionRecord. */
export const actionSchema = v.strictObject(verbAndArguments);
export type ActionInput = v.InferInput<typeof actionSchema>;

/** `timeout`: the board did not answer in time; it may still have done it. */
export type ActionStatus = 'pending' | 'sent' | 'ok' | 'error' | 'timeout' | 'skipped';

export type ActionResult = {
  node: string;
  status: ActionStatus;
  /** What the board answered (`data`); null before. */
  data: unknown;
  error: ErrorBody | null;
  /** From the request to the answer; null before. */
  took_ms: number | null;
};

export type ActionRecord = {
  id: string;
  verb: ActionVerb;
  args: Record<string, unknown>;
  user: string;
  began_ms: number;
  /** Null while results are missing. */
  ended_ms: number | null;
  counts: Record<ActionStatus, number>;
  /** One per board, in the order of their ids. In events and lists at most 200: those that changed or failed. */
  results: ActionResult[];
};

/** `GET /api/actions?limit=`: newest first. */
export type ActionsResponse = { actions: ActionRecord[] };

/**
 * Body of `POST /api/rollouts`: the same action in stages. First a canary of `canary_share` of the boards (at
 * least one), then `soak_s` of watching, then waves of `wave_share`, with a soak after each. It halts when,
 * in the boards that were done so far, more than `max_failures` failed, went offline, or report a health
 * condition of `halt_on` that they did not report before.
 */
export const rolloutSchema = v.strictObject({
  ...verbAndArguments,
  canary_share: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0.05),
  wave_share: v.optional(v.pipe(v.number(), v.minValue(0.01), v.maxValue(1)), 0.25),
  soak_s: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(86_400)), 300),
  /** Health codes; left out: every condition of severity error. */
  halt_on: v.optional(v.array(v.pipe(v.string(), v.maxLength(64)))),
  max_failures: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
});
export type RolloutInput = v.InferInput<typeof rolloutSchema>;

/**
 * `halted` stopped by itself and waits: `POST /api/rollouts/:id/resume` goes on with the next wave,
 * `…/abort` ends it. What was done is never undone by itself.
 */
export type RolloutState = 'running' | 'soaking' | 'halted' | 'done' | 'aborted';

export type RolloutWave = {
  boards: string[];
  state: 'waiting' | 'running' | 'soaking' | 'done';
  /** How many of its boards have been asked, in their order. */
  asked: number;
};

export type RolloutRecord = {
  id: string;
  verb: ActionVerb;
  args: Record<string, unknown>;
  user: string;
  began_ms: number;
  ended_ms: number | null;
  state: RolloutState;
  /** Why it halted or was aborted; null otherwise. */
  reason: string | null;
  canary_share: number;
  wave_share: number;
  soak_s: number;
  halt_on: string[] | null;
  max_failures: number;
  /** The first is the canary. */
  waves: RolloutWave[];
  /** When the running soak ends; null outside of one. */
  soak_until_ms: number | null;
  counts: Record<ActionStatus, number>;
  /** Boards that failed or became unhealthy, with the reason; at most 200. */
  problems: { node: string; reason: string }[];
};

/** `GET /api/rollouts?limit=`: newest first. */
export type RolloutsResponse = { rollouts: RolloutRecord[] };
