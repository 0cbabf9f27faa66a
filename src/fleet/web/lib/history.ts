import type { SeriesField, SeriesResponse } from '../../../protocol/fleet/index.ts';

/** What the charts of a board draw, all columns of one length. */
export const HISTORY_FIELDS = {
  watts: 'power.mean_10s_w',
  budget_w: 'power.budget_w',
  soc_c: 'thermal.soc_c',
  limit_c: 'thermal.limit_c',
  max_freq_khz: 'governor.max_freq_khz',
  tokens_per_s: 'engine.tokens_per_s',
  joules_per_token: 'engine.joules_per_token',
  queue_depth: 'queue.depth',
} as const satisfies Record<string, SeriesField>;

export type HistoryField = keyof typeof HISTORY_FIELDS;
export type Point = Record<HistoryField, number | null>;
export type History = { tMs: number[] } & Record<HistoryField, (number | null)[]>;

const FIELDS = Object.keys(HISTORY_FIELDS) as HistoryField[];

export const HISTORY_QUERY = Object.values(HISTORY_FIELDS).join(',');

export function emptyHistory(): History {
  const history = { tMs: [] } as unknown as History;
  for (const field of FIELDS) history[field] = [];
  return history;
}

/**
 * The server's answer as columns. Where nothing was reported for longer than boards keep silent, a point
 * without values is put in: a line across an outage would claim to know what happened in it.
 */
export function historyOf(series: SeriesResponse): History {
  const history = emptyHistory();
  const silenceMs = Math.max(series.step_ms * 2.5, 2.5 * typicalGap(series.t_ms));
  series.t_ms.forEach((ms, index) => {
    const before = series.t_ms[index - 1];
    if (before !== undefined && silenceMs > 0 && ms - before > silenceMs) {
      push(history, before + 1, null);
    }
    push(history, ms, (field) => series.fields[HISTORY_FIELDS[field]]?.mean[index] ?? null);
  });
  return history;
}

function typicalGap(tMs: readonly number[]): number {
  if (tMs.length < 3) return 0;
  const gaps = tMs.slice(1).map((ms, index) => ms - (tMs[index] ?? ms));
  gaps.sort((a, b) => a - b);
  // Boards report idle every five minutes: the largest usual gap counts, not the middle one.
  return gaps[Math.floor((gaps.length - 1) * 0.9)] ?? 0;
}

function push(
  history: History,
  ms: number,
  valueOf: ((field: HistoryField) => number | null) | null,
): void {
  history.tMs.push(ms);
  for (const field of FIELDS) history[field].push(valueOf === null ? null : valueOf(field));
}

/** A new history with one more point, without what is older than `fromMs`. Points that came before are not repeated. */
export function withPoint(history: History, ms: number, point: Point, fromMs: number): History {
  const last = history.tMs.at(-1) ?? -Infinity;
  if (ms <= last) return history;
  const found = history.tMs.findIndex((at) => at >= fromMs);
  const first = found < 0 ? history.tMs.length : found;
  const next = { tMs: [...history.tMs.slice(first), ms] } as unknown as History;
  for (const field of FIELDS) next[field] = [...history[field].slice(first), point[field]];
  return next;
}
