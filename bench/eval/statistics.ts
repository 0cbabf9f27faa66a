/** Normal quantile of a two-sided 95 % interval. */
const Z = 1.96;

export type Interval = { low: number; high: number };

/** Wilson's score interval of a share (Wilson 1927); sound for counts near zero as well. */
export function wilson(count: number, n: number): Interval {
  const share = count / n;
  const centre = share + (Z * Z) / (2 * n);
  const spread = Z * Math.sqrt((share * (1 - share)) / n + (Z * Z) / (4 * n * n));
  const scale = 1 + (Z * Z) / n;
  return { low: Math.max(0, (centre - spread) / scale), high: (centre + spread) / scale };
}

/**
 * Area under the ROC curve: the chance that a positive scores above a negative, ties counted half. The
 * interval is Hanley and McNeil's (1982), which needs no assumption of normal scores.
 */
export function auroc(
  positives: readonly number[],
  negatives: readonly number[],
): { area: number } & Interval {
  const p = positives.length;
  const n = negatives.length;
  let wins = 0;
  for (const positive of positives) {
    for (const negative of negatives) {
      wins += positive > negative ? 1 : positive === negative ? 0.5 : 0;
    }
  }
  const area = wins / (p * n);
  const q1 = area / (2 - area);
  const q2 = (2 * area * area) / (1 + area);
  const variance =
    (area * (1 - area) + (p - 1) * (q1 - area * area) + (n - 1) * (q2 - area * area)) / (p * n);
  const spread = Z * Math.sqrt(Math.max(0, variance));
  return { area, low: Math.max(0, area - spread), high: Math.min(1, area + spread) };
}
