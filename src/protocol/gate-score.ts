import type { ConfidenceSignals, GenerationResult } from './generation.ts';
import type { ModelForm } from './model-manifest.ts';

/** `gate.json`, beside a model's weights or in its converted folder: the gate fitted to that build. */
export const GATE_FILE = 'gate.json';
export const GATE_FORMAT = 1;

/**
 * A logistic over four kinds of evidence: 1 / (1 + exp(−bias − Σ weight · evidence)). No weight is
 * negative, so the score never falls when a signal speaks for the answer.
 */
export type GateModel = {
  bias: number;
  weights: { prompt: number; answer: number; margin: number; entropy: number };
};

/** A place in the answer from which a score below the bar is reason enough to give it up. */
export type GatePoint = { answerTokens: number; escalateBelow: number; model: GateModel };

export type GateStages = {
  /**
   * For a whole answer; the score is the product, and 0.5 the bar. With the prompt's score there are two:
   * does the model know such prompts, and is this answer right. A sure answer to a strange prompt must
   * not pass, and in one logistic the one would make up for the other.
   */
  final: GateModel[];
  /** The product that counts as 0.5: halfway between what general prompts reach and an even chance. */
  bar: number;
  /** From the first to the last; they use what is known by then. */
  early: GatePoint[];
};

export type GateFit = {
  format: typeof GATE_FORMAT;
  /** The build: `sourceDigest` and `form` of its manifest. */
  sourceDigest: string;
  form: ModelForm;
  /** With the prompt's own log-probability; null where the build's graph cannot tell it. */
  scored: GateStages | null;
  unscored: GateStages;
};

/** The bar that scores are made for; the default of `router.confidence_threshold`. */
const MIDDLE = 0.5;

/** Below these a token is as good as certain, in nats; and their logarithm stays finite. */
const CERTAIN_NATS = 1e-4;
/** Beyond these a signal says nothing more, and one odd token must not outweigh everything else. */
const STRANGEST_PROMPT_NATS = 8;
const WIDEST_MARGIN_NATS = 8;

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** −ln of an amount of uncertainty: between 0.1 and 0.001 nats lies as much as between 1 and 0.01. */
const certainty = (nats: number) => -Math.log(Math.max(nats, CERTAIN_NATS));

export type GateEvidence = GateModel['weights'];

/** Signals as the logistic takes them; each rises with how much it speaks for the answer, unknown ones are 0. */
export function gateEvidence(signals: ConfidenceSignals): GateEvidence {
  const { promptLogprob, answerLogprob, smallestMargin, firstEntropy } = signals;
  return {
    prompt: promptLogprob === null ? 0 : clamp(promptLogprob, -STRANGEST_PROMPT_NATS, 0),
    answer: answerLogprob === null ? 0 : certainty(-answerLogprob),
    margin: smallestMargin === null ? 0 : clamp(smallestMargin, 0, WIDEST_MARGIN_NATS),
    entropy: firstEntropy === null ? 0 : certainty(firstEntropy),
  };
}

function logit({ bias, weights }: GateModel, evidence: GateEvidence): number {
  return (
    bias +
    weights.prompt * evidence.prompt +
    weights.answer * evidence.answer +
    weights.margin * evidence.margin +
    weights.entropy * evidence.entropy
  );
}

const logistic = (x: number) => 1 / (1 + Math.exp(-x));

/** The stages for what these signals hold. */
function stagesFor(signals: ConfidenceSignals, fit: GateFit): GateStages {
  return signals.promptLogprob !== null && fit.scored !== null ? fit.scored : fit.unscored;
}

/**
 * How far a whole answer may be trusted, 0 to 1; below 0.5 it should not be. Null for an answer without
 * tokens. Rises with every signal that speaks for the answer.
 */
export function gateScore(signals: ConfidenceSignals, fit: GateFit): number | null {
  if (signals.answerLogprob === null) return null;
  const evidence = gateEvidence(signals);
  const { final, bar } = stagesFor(signals, fit);
  const product = final.reduce((sum, model) => sum * logistic(logit(model, evidence)), 1);
  // Its odds over the bar's odds, as a probability again.
  const odds = (product / (1 - product)) * ((1 - bar) / bar);
  return Number.isFinite(odds) ? odds / (1 + odds) : 1;
}

/** The gate's score where the build has a fit and the engine signals; else the answer's confidence. */
export function answerScore(
  { confidence, signals }: Pick<GenerationResult, 'confidence' | 'signals'>,
  fit: GateFit | null,
): number | null {
  return fit === null || signals === undefined ? confidence : gateScore(signals, fit);
}

/**
 * Whether a growing answer should be given up now, judged at the last point it has passed. Points are
 * set so that hardly any right answer is lost; what they let pass `gateScore` judges at the end.
 * @param threshold `router.confidence_threshold`: moves the points as it moves the bar at the end
 */
export function earlyGate(signals: ConfidenceSignals, fit: GateFit, threshold = MIDDLE): boolean {
  const point = stagesFor(signals, fit).early.findLast(
    ({ answerTokens }) => answerTokens <= signals.answerTokens,
  );
  if (point === undefined) return false;
  if (threshold <= 0 || threshold >= 1) return threshold >= 1;
  const moved = Math.log(threshold / (1 - threshold));
  return logistic(logit(point.model, gateEvidence(signals)) - moved) < point.escalateBelow;
}
