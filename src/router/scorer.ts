import coefficients from './coefficients.json' with { type: 'json' };
import { type Feature, FEATURES, featuresOf } from './features.ts';

/** Standard deviations beyond which a feature says no more: prompts unlike the labels stay bounded. */
const FARTHEST = 4;

export type Coefficients = {
  /** Score that becomes difficulty 0.5. */
  centre: number;
  /** Score from there to difficulty 0.73. */
  spread: number;
  features: Record<Feature, { mean: number; scale: number; weight: number }>;
};

export type FeatureContribution = {
  feature: Feature;
  value: number;
  /** What it adds to the score, in units of `spread`: +1 moves difficulty from 0.5 to 0.73. */
  contribution: number;
};

export type Score = {
  /** 0 to 1; above 0.5 are the hardest three tenths of the labels that it was fitted on. */
  difficulty: number;
  contributions: FeatureContribution[];
};

const fitted: Coefficients = coefficients;

/** Standardised value of a feature, clamped; shared with the fit so that both see the same numbers. */
export function standardised(value: number, mean: number, scale: number): number {
  return Math.max(-FARTHEST, Math.min(FARTHEST, (value - mean) / scale));
}

/**
 * How hard a prompt looks: a linear score of lexical features through a logistic. Deterministic; no
 * model, no I/O. The weights come from `bench/router/train.ts`; docs/routing.md has their figures.
 */
export function scorePrompt(prompt: string): Score {
  const values = featuresOf(prompt);
  let sum = 0;
  const contributions = FEATURES.map((feature) => {
    const { mean, scale, weight } = fitted.features[feature];
    const value = values[feature];
    const contribution = (weight * standardised(value, mean, scale)) / fitted.spread;
    sum += contribution;
    return { feature, value, contribution };
  });
  return { difficulty: 1 / (1 + Math.exp(fitted.centre / fitted.spread - sum)), contributions };
}
