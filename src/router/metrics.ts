/** One labelled prompt: quality of the weak (board) and the strong (cloud) answer, 0 to 1, and its score. */
export type Labelled = { weak: number; strong: number; score: number };

/** Quality reached when this share of the prompts, the highest scores first, goes to the strong model. */
export type CurvePoint = { share: number; quality: number; pgr: number; threshold: number };

/**
 * Quality against cloud share, from share 0 to 1. Equal scores move together: between two points the
 * curve is straight, which is what a random order among equals gives. `pgr` (performance gap
 * recovered) is (quality − weak) / (strong − weak): Ong et al., "RouteLLM" (2024), equation 3.
 * NaN where weak and strong are equally good. Prompts whose score is above `threshold` go.
 */
export function qualityCurve(rows: readonly Labelled[]): CurvePoint[] {
  if (rows.length === 0) throw new RangeError('a curve needs at least one labelled row');
  const sorted = rows.toSorted((a, b) => b.score - a.score);
  const weak = rows.reduce((sum, row) => sum + row.weak, 0);
  const gap = rows.reduce((sum, row) => sum + row.strong - row.weak, 0);
  const points: CurvePoint[] = [];
  let gained = 0;
  const point = (taken: number, threshold: number) =>
    points.push({
      share: taken / rows.length,
      quality: (weak + gained) / rows.length,
      pgr: gap === 0 ? NaN : gained / gap,
      threshold,
    });
  point(0, 1);
  for (const [index, row] of sorted.entries()) {
    gained += row.strong - row.weak;
    const next = sorted[index + 1];
    if (next === undefined) point(index + 1, 0);
    else if (next.score !== row.score) point(index + 1, next.score);
  }
  return points;
}

/** Average performance gap recovered: the area under `pgr` over the share (RouteLLM 2024, equation 4). Random order: 0.5. */
export function apgr(rows: readonly Labelled[]): number {
  const curve = qualityCurve(rows);
  return curve.reduce((area, point, index) => {
    const before = curve[index - 1];
    if (before === undefined) return area;
    return area + ((point.share - before.share) * (point.pgr + before.pgr)) / 2;
  }, 0);
}

/** Call-performance threshold: the smallest share of strong calls with `pgr` of at least `wanted` (RouteLLM 2024, section 3); null if none. */
export function cpt(rows: readonly Labelled[], wanted: number): number | null {
  let before: CurvePoint | undefined;
  for (const point of qualityCurve(rows)) {
    if (point.pgr >= wanted) {
      if (before === undefined || point.pgr === before.pgr) return point.share;
      const part = (wanted - before.pgr) / (point.pgr - before.pgr);
      return before.share + part * (point.share - before.share);
    }
    before = point;
  }
  return null;
}

/**
 * Area under the ROC curve: the chance that a positive scores above a negative, ties counting half
 * (Mann and Whitney 1947; Hanley and McNeil 1982). NaN when one kind is missing.
 */
export function auroc(rows: readonly { positive: boolean; score: number }[]): number {
  const sorted = rows.toSorted((a, b) => a.score - b.score);
  const positives = rows.filter(({ positive }) => positive).length;
  const negatives = rows.length - positives;
  if (positives === 0 || negatives === 0) return NaN;
  let rankSum = 0;
  for (let start = 0; start < sorted.length;) {
    let end = start;
    while (end < sorted.length && sorted[end]?.score === sorted[start]?.score) end += 1;
    const rank = (start + 1 + end) / 2;
    for (let at = start; at < end; at += 1) if (sorted[at]?.positive === true) rankSum += rank;
    start = end;
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/**
 * Share of the all-cloud cost that routing saves. `edgeCost` is the cost of an answer on the board
 * in cost of a cloud answer; with `triedFirst` the board's failed work on escalated prompts counts too.
 */
export function saving(
  share: number,
  { edgeCost = 0, triedFirst = false }: { edgeCost?: number; triedFirst?: boolean } = {},
): number {
  return 1 - share - edgeCost * (triedFirst ? 1 : 1 - share);
}

/** Difficulty above which `share` of these scores lie: the setting for a wanted cloud share. */
export function thresholdForShare(scores: readonly number[], share: number): number {
  if (scores.length === 0) throw new RangeError('a threshold needs at least one score');
  const sorted = scores.toSorted((a, b) => b - a);
  const taken = Math.round(share * sorted.length);
  if (taken >= sorted.length) return 0;
  if (taken <= 0) return 1;
  return ((sorted[taken - 1] as number) + (sorted[taken] as number)) / 2;
}
