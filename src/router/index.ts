/**
 * router: decides where a prompt is answered, and whether the board's answer is sure enough. Pure: no
 * network, no I/O, no clock; the same inputs give the same decision. Promises: a local prompt never
 * leaves, a prompt that insists on the cloud is never answered here, every decision carries reasons
 * of the protocol's list, and scoring takes bounded time on prompts of any length.
 */
export { type Feature, FEATURES } from './features.ts';
export { createShareFollower, isShadowed, type ShareFollower } from './follow.ts';
export {
  afterEdge,
  type EdgeSignals,
  type GateDecision,
  type GatePolicy,
  type GateThresholds,
  isCommand,
  isConfident,
} from './gate.ts';
export { parseLabels, type LabelledPrompt } from './labels.ts';
export * from './metrics.ts';
export {
  afterCloudFailure,
  decide,
  type NodeState,
  type RouteDecision,
  type RoutePolicy,
  type RouteRequest,
  type RouteTarget,
} from './policy.ts';
export { type FeatureContribution, type Score, scorePrompt } from './scorer.ts';
