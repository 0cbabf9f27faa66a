import { TwowattError } from '../core/index.ts';
import type { Privacy, PromptRoute, RouteReason } from '../protocol/index.ts';

export type RouteTarget = 'edge' | 'cloud';

/** What the decision needs to know of a prompt; none of its text. */
export type RouteRequest = {
  route: PromptRoute;
  /** The strictest of message, session, topic and default. */
  privacy: Privacy;
  /** The side that serves the model which the prompt names; null when it names none. */
  modelAt: RouteTarget | null;
  /** Tokens of prompt and history; null while they are not counted. */
  promptTokens: number | null;
  /** What is left of it; null without a deadline. */
  deadlineMs: number | null;
  /** Where the session's last turn was answered; null for the first turn and without a session. */
  sessionTarget: RouteTarget | null;
};

export type NodeState = {
  edge: {
    available: boolean;
    /** Longest prompt that leaves room for an answer, tokens. */
    promptTokensMost: number;
    /** How long a prompt waits before it runs, seconds. */
    waitS: number;
    /** Time until its answer would be whole, milliseconds; null while unknown. */
    answerMs: number | null;
    /** What stops the engine's steps; null while they may run. */
    pausedBy: 'power' | 'thermal' | null;
  };
  cloud: {
    /** Tiers of the configured endpoints, ascending; empty: no cloud. */
    tiers: readonly number[];
    /** Some endpoint's breaker is closed and no network fault is known. */
    reachable: boolean;
    budgetLeft: boolean;
    /** Time until a cloud answer would be whole, milliseconds; null while unknown. */
    answerMs: number | null;
  };
};

/** The keys `router.*` of the configuration that the decision goes by. */
export type RoutePolicy = {
  policy: 'auto' | 'edge' | 'cloud';
  difficultyThreshold: number;
  queuePressureS: number;
};

export type RouteDecision = {
  target: RouteTarget;
  /** Tier of endpoints to ask first; null on the board. */
  tier: number | null;
  /** Why, the weightiest first. Never empty. */
  reasons: RouteReason[];
  difficulty: number;
};

/** What keeps prompts that may leave from leaving; empty when nothing does. */
export function cloudObstacles({
  tiers,
  reachable,
  budgetLeft,
}: NodeState['cloud']): RouteReason[] {
  if (tiers.length === 0) return ['cloud_unavailable'];
  if (!budgetLeft) return ['cloud_budget_exhausted'];
  return reachable ? [] : ['cloud_unavailable', 'offline_fallback'];
}

/** What speaks against the board for this prompt, in the order of weight. */
function edgeObstacles(
  request: RouteRequest,
  state: NodeState,
  policy: RoutePolicy,
): RouteReason[] {
  const { edge, cloud } = state;
  const { promptTokens, deadlineMs } = request;
  const reasons: RouteReason[] = [];
  if (promptTokens !== null && promptTokens > edge.promptTokensMost)
    reasons.push('context_too_long');
  const late = (answerMs: number | null) =>
    deadlineMs !== null && answerMs !== null && answerMs > deadlineMs;
  // A cloud that would be late as well is no way out.
  if (late(edge.answerMs) && !late(cloud.answerMs)) reasons.push('deadline');
  if (!edge.available) reasons.push('edge_unavailable');
  if (edge.pausedBy !== null) reasons.push(`${edge.pausedBy}_limited`);
  if (edge.waitS > policy.queuePressureS) reasons.push('queue_pressure');
  return reasons;
}

/** Tiers share the range from the threshold to 1 evenly: the hardest prompts go to the last one. */
export function tierFor(difficulty: number, threshold: number, tiers: readonly number[]): number {
  const above = threshold < 1 ? Math.max(0, (difficulty - threshold) / (1 - threshold)) : 0;
  const index = Math.min(tiers.length - 1, Math.floor(above * tiers.length));
  return tiers[index] ?? 1;
}

/**
 * Where a prompt is answered. Hard policy comes first: privacy, an explicit wish, what the board
 * cannot do; then the session's habit; difficulty decides what is left. Throws `privacy_blocked` for
 * a local prompt that insists on the cloud. Invariants: `privacy: local` never yields `cloud`,
 * `route: cloud` never `edge`, `route: edge` never `cloud`.
 */
export function decide(
  request: RouteRequest,
  difficulty: number,
  state: NodeState,
  policy: RoutePolicy,
): RouteDecision {
  const edge = (...reasons: RouteReason[]): RouteDecision => ({
    target: 'edge',
    tier: null,
    reasons,
    difficulty,
  });
  const cloud = (...reasons: RouteReason[]): RouteDecision => ({
    target: 'cloud',
    tier: tierFor(difficulty, policy.difficultyThreshold, state.cloud.tiers),
    reasons,
    difficulty,
  });

  if (request.privacy === 'local') {
    if (request.route === 'cloud') {
      throw new TwowattError(
        'privacy_blocked',
        'the prompt is local, so route cloud cannot serve it',
        { param: 'privacy' },
      );
    }
    return edge('privacy_local');
  }
  const obstacles = cloudObstacles(state.cloud);
  const usable = obstacles.length === 0;
  const wish = request.route === 'auto' ? request.modelAt : request.route;
  // An insisting prompt waits for the cloud, so nothing falls back.
  if (wish === 'cloud')
    return cloud('explicit', ...obstacles.filter((r) => r !== 'offline_fallback'));
  if (wish === 'edge' || policy.policy === 'edge') return edge('explicit');
  if (policy.policy === 'cloud') return usable ? cloud('explicit') : edge('explicit', ...obstacles);

  const pushes = edgeObstacles(request, state, policy);
  if (pushes.length > 0) return usable ? cloud(...pushes) : edge(...pushes, ...obstacles);
  if (request.sessionTarget === 'edge') return edge('session_sticky');
  if (request.sessionTarget === 'cloud' && usable) return cloud('session_sticky');
  if (difficulty <= policy.difficultyThreshold) return edge('low_difficulty');
  return usable ? cloud('high_difficulty') : edge('high_difficulty', ...obstacles);
}

/**
 * The way of a prompt whose cloud call failed: the board answers, except for a prompt that insists on
 * the cloud (null: it waits for its deadline, then ends with `cloud_unavailable`).
 */
export function afterCloudFailure(
  request: Pick<RouteRequest, 'route' | 'modelAt'>,
  decision: RouteDecision,
): RouteDecision | null {
  const insists =
    request.route === 'cloud' || (request.route === 'auto' && request.modelAt === 'cloud');
  if (insists) return null;
  const reasons = [...new Set<RouteReason>([...decision.reasons, 'offline_fallback'])];
  return { ...decision, target: 'edge', tier: null, reasons };
}
