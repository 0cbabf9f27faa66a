import type { RouteReason } from '../protocol/index.ts';
import {
  cloudObstacles,
  type NodeState,
  type RoutePolicy,
  type RouteRequest,
  tierFor,
} from './policy.ts';

/** What the engine tells of its own answer. */
export type EdgeSignals = {
  text: string;
  /** exp of the mean log-probability of the answer's tokens, 0 to 1; null when there was no token. */
  confidence: number | null;
  /** Smallest lead of the first over the second token, in probability, 0 to 1. */
  minMargin?: number;
  /** Entropy of the first tokens, nats. */
  firstTokenEntropy?: number;
  /** Mean log-probability of the prompt's own tokens under the edge model, nats (≤ 0). */
  promptLogprob?: number;
};

/** Bounds of one model build: they move with every quantisation, so each build is calibrated. */
export type GateThresholds = {
  confidenceLeast: number;
  minMarginLeast?: number;
  firstTokenEntropyMost?: number;
  promptLogprobLeast?: number;
};

export type GatePolicy = Pick<RoutePolicy, 'policy' | 'difficultyThreshold'> & {
  lowConfidenceAction: 'auto' | 'answer' | 'error';
  thresholds: GateThresholds;
};

export type GateDecision =
  | { action: 'keep'; reasons: RouteReason[] }
  | { action: 'escalate'; tier: number; reasons: RouteReason[] }
  /** The prompt ends with the error `low_confidence`. */
  | { action: 'refuse'; reasons: RouteReason[] };

/** A device would act on it: the answer is a JSON object. */
export function isCommand(text: string): boolean {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{')) return false;
  try {
    const parsed: unknown = JSON.parse(trimmed);
    return typeof parsed === 'object' && parsed !== null;
  } catch {
    return false;
  }
}

/**
 * Whether the signals stay within the build's bounds. An answer without a confidence is not sure;
 * optional signals count where both the value and its bound are known.
 */
export function isConfident(signals: EdgeSignals, thresholds: GateThresholds): boolean {
  const { confidence, minMargin, firstTokenEntropy, promptLogprob } = signals;
  if (confidence === null || !(confidence >= thresholds.confidenceLeast)) return false;
  const below = (value: number | undefined, least: number | undefined) =>
    value !== undefined && least !== undefined && !(value >= least);
  if (below(minMargin, thresholds.minMarginLeast)) return false;
  if (below(promptLogprob, thresholds.promptLogprobLeast)) return false;
  const negated = (value: number | undefined) => (value === undefined ? undefined : -value);
  return !below(negated(firstTokenEntropy), negated(thresholds.firstTokenEntropyMost));
}

/**
 * What becomes of an answer that the board has made. `route: edge` is answered whatever its
 * confidence. `privacy: local` and `router.policy` edge are never escalated, but an unsure answer
 * still meets `router.low_confidence_action`. `mayRestart` is false once a stream cannot be taken
 * back (HTTP after its first chunk).
 */
export function afterEdge(
  request: Pick<RouteRequest, 'route' | 'privacy' | 'modelAt'> & { mayRestart: boolean },
  signals: EdgeSignals,
  difficulty: number,
  cloud: NodeState['cloud'],
  policy: GatePolicy,
): GateDecision {
  if (request.route === 'edge' || isConfident(signals, policy.thresholds)) {
    return { action: 'keep', reasons: [] };
  }
  // A prompt that names the board's model wants that model's answer.
  const mayLeave =
    request.privacy !== 'local' && policy.policy !== 'edge' && request.modelAt !== 'edge';
  const obstacles = cloudObstacles(cloud);
  if (mayLeave && request.mayRestart && obstacles.length === 0) {
    const tier = tierFor(difficulty, policy.difficultyThreshold, cloud.tiers);
    return { action: 'escalate', tier, reasons: ['low_confidence'] };
  }
  const reasons: RouteReason[] = ['low_confidence', ...(mayLeave ? obstacles : [])];
  const { lowConfidenceAction } = policy;
  const refuse =
    lowConfidenceAction === 'error' || (lowConfidenceAction === 'auto' && isCommand(signals.text));
  return { action: refuse ? 'refuse' : 'keep', reasons };
}
