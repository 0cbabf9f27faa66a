import type { Privacy } from '../protocol/index.ts';
import type { RouteTarget } from './policy.ts';

/** Difficulty by which one prompt moves the threshold. Larger follows sooner and swings wider. */
const STEP = 0.02;

/**
 * Moves a difficulty threshold so that the share of escalated prompts follows a wanted one, whatever
 * the traffic. After each prompt: threshold += step × (escalated − share), stochastic approximation
 * of a quantile (Robbins and Monro 1951). Summed up, the achieved share over n prompts misses the
 * wanted one by at most (threshold's way) / (step × n): after a shift of the traffic that moves the
 * threshold by 0.3, 500 prompts later by less than 3 points.
 */
export type ShareFollower = {
  /** May lie a step outside of 0 to 1, where every prompt or none goes. */
  threshold(): number;
  /** One prompt of `route: auto` that was free to go either way; not those that policy decided. */
  observe(escalated: boolean): void;
};

export function createShareFollower(options: {
  /** Wanted share, 0 to 1. */
  share: number;
  /** Where it starts: `router.difficulty_threshold`. */
  threshold: number;
  step?: number;
}): ShareFollower {
  const { share, step = STEP } = options;
  let threshold = options.threshold;
  return {
    threshold: () => threshold,
    observe(escalated) {
      const moved = threshold + step * ((escalated ? 1 : 0) - share);
      // One step beyond 0 and 1 is as far as difficulties can drive it; forced escalations must not
      // wind it up further.
      threshold = Math.min(1 + step, Math.max(-step, moved));
    },
  };
}

/**
 * Whether a prompt that the board answered is also asked of the cloud, to compare. Only prompts that
 * may leave as they are: neither local nor masked ones. `draw` is a random number of [0, 1).
 */
export function isShadowed(
  prompt: { privacy: Privacy; target: RouteTarget },
  shadowShare: number,
  draw: number,
): boolean {
  return prompt.privacy === 'any' && prompt.target === 'edge' && draw < shadowShare;
}
