import type { OperatingPoint } from '../protocol/index.ts';

/** What a point does under the learnt figures. */
export type Candidate = { point: OperatingPoint; watts: number; stepS: number };

/** Steps per second that `budgetW` buys at this point when it is mixed with idle. */
export function stepsPerSecond({ watts, stepS }: Candidate, budgetW: number): number {
  if (!(budgetW > 0) || !(watts > 0) || !(stepS > 0)) return 0;
  return Math.min(1, budgetW / watts) / stepS;
}

/**
 * The corners of the upper hull of watts against steps per second, idle (0, 0) first. Under a cap the
 * best mix in time is always of two neighbouring corners: a linear programme with one constraint.
 */
export function upperHull(candidates: readonly Candidate[]): Candidate[] {
  const idle: Candidate = { point: IDLE_POINT, watts: 0, stepS: Infinity };
  const sorted = [...candidates]
    .filter(({ watts, stepS }) => watts > 0 && stepS > 0 && Number.isFinite(watts + stepS))
    .sort((a, b) => a.watts - b.watts || a.stepS - b.stepS);
  const hull: Candidate[] = [idle];
  const slope = (a: Candidate, b: Candidate) =>
    (1 / b.stepS - 1 / a.stepS) / Math.max(1e-12, b.watts - a.watts);
  for (const candidate of sorted) {
    while (hull.length > 1 && slope(at(hull, -2), candidate) >= slope(at(hull, -2), at(hull, -1))) {
      hull.pop();
    }
    if (slope(at(hull, -1), candidate) > 0) hull.push(candidate);
  }
  return hull;
}

/** The neighbouring corners around the budget; the same one twice at the top end. */
export function neighbours(
  hull: readonly Candidate[],
  budgetW: number,
): { low: Candidate; high: Candidate } {
  const above = hull.findIndex(({ watts }) => watts > budgetW);
  if (above === -1) return { low: at(hull, -1), high: at(hull, -1) };
  return { low: at(hull, Math.max(0, above - 1)), high: at(hull, above) };
}

export const IDLE_POINT: OperatingPoint = {
  threads: 0,
  freqKhz: null,
  batch: 1,
  decodeTokensPerS: 0,
  prefillTokensPerS: null,
  watts: 0,
  estimated: false,
};

function at<T>(list: readonly T[], index: number): T {
  return list.at(index) as T;
}
