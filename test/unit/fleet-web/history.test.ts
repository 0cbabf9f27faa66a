import { describe, expect, it } from 'vitest';
import type { SeriesResponse } from '../../../src/protocol/fleet/index.ts';
import {
  emptyHistory,
  historyOf,
  type Point,
  withPoint,
} from '../../../src/fleet/web/lib/history.ts';

const series = (t_ms: number[], step_ms = 0): SeriesResponse => ({
  node: 'pi',
  from_ms: 0,
  to_ms: 1e6,
  step_ms,
  source: 'raw',
  t_ms,
  fields: { 'thermal.soc_c': { mean: t_ms.map(() => 50), min: [], max: [] } },
});
const point: Point = {
  watts: 1,
  budget_w: 2,
  soc_c: 55,
  limit_c: 80,
  max_freq_khz: 1,
  tokens_per_s: 2,
  joules_per_token: 3,
  queue_depth: 4,
};

describe('a history', () => {
  it('has a gap where the board was silent', () => {
    const history = historyOf(series([0, 10_000, 20_000, 200_000, 210_000], 10_000));
    expect(history.soc_c).toEqual([50, 50, 50, null, 50, 50]);
    expect(history.tMs[3]).toBe(20_001);
  });

  it('has none between reports that come every five minutes', () => {
    const history = historyOf(series([0, 300_000, 600_000, 900_000]));
    expect(history.soc_c).toEqual([50, 50, 50, 50]);
  });

  it('holds null for what was never reported', () => {
    expect(historyOf(series([0, 1])).watts).toEqual([null, null]);
  });

  it('grows at its end and forgets its beginning', () => {
    let history = emptyHistory();
    for (const ms of [10, 20, 30]) history = withPoint(history, ms, point, 0);
    expect(withPoint(history, 40, point, 20)).toMatchObject({
      tMs: [20, 30, 40],
      soc_c: [55, 55, 55],
    });
  });

  it('takes no point twice and none that is older', () => {
    const history = withPoint(emptyHistory(), 20, point, 0);
    expect(withPoint(history, 20, point, 0)).toBe(history);
    expect(withPoint(history, 10, point, 0)).toBe(history);
  });

  it('keeps the new point when all others are too old', () => {
    const history = withPoint(emptyHistory(), 20, point, 0);
    expect(withPoint(history, 1000, point, 900).tMs).toEqual([1000]);
  });
});
