export type Column = { tMs: readonly number[]; values: readonly (number | null)[] };

/**
 * Series of several boards on one axis of time. Boards report when they like, so each moment takes the
 * last value that is not older than a board may be silent; older ones are gaps.
 */
export function alignSeries(columns: readonly Column[]): {
  tMs: number[];
  values: (number | null)[][];
} {
  const tMs = [...new Set(columns.flatMap((column) => column.tMs))].sort((a, b) => a - b);
  return { tMs, values: columns.map((column) => onto(tMs, column)) };
}

const MOST_SILENCE_MS = 330_000;

function onto(tMs: readonly number[], column: Column): (number | null)[] {
  let next = 0;
  let value: number | null = null;
  let heard = -Infinity;
  return tMs.map((ms) => {
    while (next < column.tMs.length && (column.tMs[next] ?? Infinity) <= ms) {
      value = column.values[next] ?? null;
      heard = column.tMs[next] ?? heard;
      next += 1;
    }
    return ms - heard > MOST_SILENCE_MS ? null : value;
  });
}
