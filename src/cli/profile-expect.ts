import { boardOf, PROFILE_BYTES_PER_TOKEN } from '../daemon/governor-board.ts';
import { type Candidate, neighbours, upperHull } from '../governor/index.ts';
import type { DeviceProfile } from '../hardware/index.ts';
import type { OperatingPoint } from '../protocol/index.ts';

/** What a budget buys for one request after another, decoding. */
export type Expectation = {
  budgetW: number;
  tokensPerS: number;
  joulesPerToken: number;
  /** Watts that are used: less than the budget where the board cannot use it up. */
  watts: number;
  /** The two points that are mixed, each with its share of the time; points of 0 threads are idle. */
  mix: { point: OperatingPoint; share: number }[];
  estimated: boolean;
};

/** Bytes that a token reads of the model that the profile's operating points are for. */
export const bytesPerTokenOf = (profile: DeviceProfile): number =>
  profile.operating_points[0]?.bytes_per_token ?? PROFILE_BYTES_PER_TOKEN;

const pointsFor = (profile: DeviceProfile, bytesPerToken: number): readonly OperatingPoint[] =>
  boardOf(profile, { bytesPerToken }).points;

/** Corners of the hull of watts above idle against decoded tokens per second, idle first. */
export function hullOf(points: readonly OperatingPoint[]): Candidate[] {
  return upperHull(
    points.map((point) => ({ point, watts: point.watts, stepS: 1 / point.decodeTokensPerS })),
  );
}

/**
 * The best mix in time of operating points, idle among them, that draws `budgetW` above idle, before
 * any guard band; null where the profile has no points.
 */
export function expectAt(
  profile: DeviceProfile,
  budgetW: number,
  bytesPerToken = PROFILE_BYTES_PER_TOKEN,
): Expectation | null {
  const points = pointsFor(profile, bytesPerToken);
  if (points.length === 0) return null;
  const { low, high } = neighbours(hullOf(points), budgetW);
  const span = high.watts - low.watts;
  const share = span > 0 ? (budgetW - low.watts) / span : 1;
  const tokensPerS = (1 - share) / low.stepS + share / high.stepS;
  const watts = Math.min(budgetW, high.watts);
  const mix = [
    { point: low.point, share: 1 - share },
    { point: high.point, share },
  ].filter((part) => part.share > 1e-9);
  return {
    budgetW,
    tokensPerS,
    joulesPerToken: watts / tokensPerS,
    watts,
    mix,
    estimated: mix.some(({ point }) => point.estimated),
  };
}

/** As `expectAt`, for the form that fits where the usual one does not; null where there is no need. */
export function expectSmaller(profile: DeviceProfile, budgetW: number): Expectation | null {
  const smaller = profile.model.smaller_form;
  return smaller === undefined ? null : expectAt(profile, budgetW, smaller.bytes_per_token.value);
}
