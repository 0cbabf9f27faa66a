import type { GateEvidence, GateModel } from '../../src/protocol/index.ts';

export type Sample = { evidence: GateEvidence; trusted: boolean; weight: number };

type Kind = keyof GateEvidence;

/** On weights of standardised evidence: keeps a cleanly separable set from driving them to infinity. */
const RIDGE = 3e-3;
const STEPS = 20_000;

/**
 * Weighted logistic regression with weights that are at least 0, by projected gradient descent from 0:
 * convex, so the end does not depend on the start, and the same samples give the same fit. Evidence
 * kinds that are not listed get weight 0.
 */
export function fitLogistic(samples: readonly Sample[], kinds: readonly Kind[]): GateModel {
  const total = samples.reduce((sum, { weight }) => sum + weight, 0);
  const scales = kinds.map((kind) => {
    const mean =
      samples.reduce((sum, { evidence, weight }) => sum + weight * evidence[kind], 0) / total;
    const variance =
      samples.reduce(
        (sum, { evidence, weight }) => sum + weight * (evidence[kind] - mean) ** 2,
        0,
      ) / total;
    return { mean, deviation: Math.sqrt(variance) || 1 };
  });
  const rows = samples.map(({ evidence, trusted, weight }) => ({
    x: kinds.map((kind, k) => {
      const { mean, deviation } = scales[k] as (typeof scales)[number];
      return (evidence[kind] - mean) / deviation;
    }),
    y: trusted ? 1 : 0,
    weight: weight / total,
  }));
  // The loss's curvature is at most (1 + number of standardised kinds) / 4, plus the ridge.
  const rate = 1 / ((1 + kinds.length) / 4 + RIDGE);
  let bias = 0;
  const weights = kinds.map(() => 0);
  for (let step = 0; step < STEPS; step++) {
    let biasSlope = 0;
    const slopes = weights.map((weight) => RIDGE * weight);
    for (const { x, y, weight } of rows) {
      const logit = x.reduce((sum, value, k) => sum + value * (weights[k] as number), bias);
      const error = weight * (1 / (1 + Math.exp(-logit)) - y);
      biasSlope += error;
      x.forEach((value, k) => {
        slopes[k] = (slopes[k] as number) + error * value;
      });
    }
    bias -= rate * biasSlope;
    slopes.forEach((slope, k) => {
      weights[k] = Math.max(0, (weights[k] as number) - rate * slope);
    });
  }
  const model: GateModel = { bias, weights: { prompt: 0, answer: 0, margin: 0, entropy: 0 } };
  kinds.forEach((kind, k) => {
    const { mean, deviation } = scales[k] as (typeof scales)[number];
    const weight = (weights[k] as number) / deviation;
    model.weights[kind] = weight;
    model.bias -= weight * mean;
  });
  return model;
}
