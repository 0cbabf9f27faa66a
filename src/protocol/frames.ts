import type { ErrorBody } from '../core/index.ts';
import type { FinishReason, TokenLogprob } from './generation.ts';

export const FRAME_VERSION = 1;

export const ROUTE_REASONS = [
  'explicit',
  'privacy_local',
  'low_difficulty',
  'high_difficulty',
  'low_confidence',
  'context_too_long',
  'power_limited',
  'thermal_limited',
  'deadline',
  'queue_pressure',
  'edge_unavailable',
  'cloud_unavailable',
  'cloud_budget_exhausted',
  'offline_fallback',
  'session_sticky',
  'shadow',
] as const;
export type RouteReason = (typeof ROUTE_REASONS)[number];

export type RouteOutcome = {
  target: 'edge' | 'cloud';
  endpoint: string | null;
  reasons: RouteReason[];
  difficulty: number | null;
  escalated: boolean;
};

type FrameHead = { v: typeof FRAME_VERSION; id: string; node: string };

export type AcceptedFrame = FrameHead & {
  type: 'accepted';
  queue_position: number;
  eta_ms: number | null;
};
export type DeltaFrame = FrameHead & { type: 'delta'; seq: number; text: string };
export type RestartFrame = FrameHead & { type: 'restart'; reason: string };
export type DoneFrame = FrameHead & {
  type: 'done';
  text: string;
  finish_reason: FinishReason;
  model: string;
  route: RouteOutcome;
  confidence: number | null;
  usage: { prompt_tokens: number; completion_tokens: number; cached_tokens: number };
  timing: { queued_ms: number; ttft_ms: number; total_ms: number; tokens_per_s: number };
  /** Null joules mean that no power figure exists: `measured` is then false. */
  energy: { joules: number | null; joules_per_token: number | null; measured: boolean };
  cost: { amount: number; currency: string };
  logprobs?: { content: TokenLogprob[] };
};
export type ErrorFrame = FrameHead & { type: 'error'; error: ErrorBody };

export type TerminalFrame = DoneFrame | ErrorFrame;
export type Frame = AcceptedFrame | DeltaFrame | RestartFrame | TerminalFrame;

/** A reply on the plain-text topic: the bare answer, or `!code message`. */
export function plainTextReply(frame: TerminalFrame): string {
  return frame.type === 'done' ? frame.text : `!${frame.error.code} ${frame.error.message}`;
}
