import { describe, expect, it } from 'vitest';
import { readPlace, writePlace } from '../../../src/fleet/web/lib/address.ts';
import { alignSeries } from '../../../src/fleet/web/lib/align.ts';
import { answerToDecision, readDecisions } from '../../../src/fleet/web/lib/decision.ts';
import { cellAt, gridOf, shadeOf } from '../../../src/fleet/web/lib/mosaic.ts';
import { reconnectWaitMs } from '../../../src/fleet/web/lib/reconnect.ts';
import { extend, NOTHING, toggle, toggleAll } from '../../../src/fleet/web/lib/selection.ts';
import { scrollToShow, visibleWindow } from '../../../src/fleet/web/lib/window.ts';
import { calm } from './boards.ts';

describe('the window of a long list', () => {
  const base = { viewHeight: 100, rowHeight: 10, count: 1000, overscan: 2 };
  it('holds what is in view and a little more', () => {
    expect(visibleWindow({ ...base, scrollTop: 500 })).toEqual({ first: 48, end: 62 });
    expect(visibleWindow({ ...base, scrollTop: 0 })).toEqual({ first: 0, end: 12 });
    expect(visibleWindow({ ...base, scrollTop: 9900 })).toEqual({ first: 988, end: 1000 });
  });
  it('is empty below the end of a list that became short', () => {
    expect(visibleWindow({ ...base, count: 3, scrollTop: 9900 })).toEqual({ first: 3, end: 3 });
  });
  it('scrolls no further than it must', () => {
    const view = { scrollTop: 100, viewHeight: 100, rowHeight: 10 };
    expect(scrollToShow({ ...view, index: 12 })).toBe(100);
    expect(scrollToShow({ ...view, index: 5 })).toBe(50);
    expect(scrollToShow({ ...view, index: 20 })).toBe(110);
  });
});

describe('a selection', () => {
  const order = ['a', 'b', 'c', 'd'];
  it('extends from its anchor in the order that is seen, either way', () => {
    const one = toggle(NOTHING, 'c');
    expect([...extend(one, 'a', order).ids].sort()).toEqual(['a', 'b', 'c']);
    expect([...extend(one, 'd', order).ids]).toEqual(['c', 'd']);
    expect([...extend(NOTHING, 'b', order).ids]).toEqual(['b']);
  });
  it('takes all, then none', () => {
    const all = toggleAll(NOTHING, order);
    expect(all.ids.size).toBe(4);
    expect(toggleAll(all, order).ids.size).toBe(0);
    expect([...toggleAll(all, ['a', 'b']).ids]).toEqual(['c', 'd']);
  });
});

describe('the address', () => {
  it('comes back as it was written', () => {
    const place = { view: 'boards', id: 'a/b c', query: { q: 'soc_c>75 -x', look: 'hot' } };
    expect(readPlace(writePlace(place))).toEqual(place);
    expect(readPlace('')).toEqual({ view: 'overview', id: null, query: {} });
  });
  it('survives being cut off', () => {
    expect(readPlace('#/boards/%E4%B8')).toMatchObject({ view: 'boards', id: '%E4%B8' });
  });
});

it('tries to reconnect ever more slowly, and not all at once', () => {
  expect(reconnectWaitMs(0, 0)).toBe(250);
  expect(reconnectWaitMs(1, 1)).toBe(1000);
  expect(reconnectWaitMs(50, 0)).toBe(7500);
  expect(reconnectWaitMs(50, 1)).toBe(15_000);
});

it('aligned series hold the last value for as long as a board may be silent', () => {
  const { tMs, values } = alignSeries([
    { tMs: [0, 600_000], values: [1, 2] },
    { tMs: [100_000], values: [5] },
  ]);
  expect(tMs).toEqual([0, 100_000, 600_000]);
  expect(values).toEqual([
    [1, 1, 2],
    [null, 5, null],
  ]);
});

describe('the mosaic', () => {
  it('has a cell for every board, and finds it again', () => {
    for (const count of [1, 400, 10_000]) {
      const grid = gridOf({ count, width: 640, height: 190 });
      const last = count - 1;
      const x = (last % grid.columns) * grid.size + 1;
      const y = Math.floor(last / grid.columns) * grid.size + 1;
      expect(x).toBeLessThan(640);
      expect(y).toBeLessThan(grid.height);
      expect(cellAt(grid, x, y)).toBe(last);
    }
    expect(cellAt(gridOf({ count: 4, width: 640, height: 190 }), 639.9, 5)).toBe(-1);
  });
  it('marks what is wrong by form, and leaves the ordinary grey', () => {
    expect(shadeOf(calm({ soc_c: 40, limit_c: 80 }), 'heat')).toMatchObject({
      share: 0,
      marked: false,
    });
    expect(shadeOf(calm({ soc_c: 81, limit_c: 80, governor: 'hot' }), 'heat')).toMatchObject({
      share: 1,
      marked: true,
    });
    expect(shadeOf(calm({ status: 'offline' }), 'power')).toMatchObject({ hollow: true });
  });
});

it('a decision that tells less than this version does is shown as far as it goes', () => {
  const [sparse, ...more] = readDecisions([{ id: 'a', target: 'edge', joules: null }, 'nonsense']);
  expect(sparse).toMatchObject({ id: 'a', target: 'edge', reasons: [], cost: null, error: null });
  expect(more).toEqual([]);
});

it('an answer that a board tells of becomes a decision, also one that failed', () => {
  const done = answerToDecision(
    {
      id: 'x',
      route: {
        target: 'cloud',
        endpoint: 'hq',
        reasons: ['high_difficulty'],
        difficulty: 0.9,
        escalated: true,
      },
      energy: { joules: 3 },
      timing: { total_ms: 5 },
    },
    0,
  );
  expect(done).toMatchObject({ target: 'cloud', joules: 3, total_ms: 5, error: null });
  expect(answerToDecision({ id: 'y', error: { code: 'expired' } }, 0)).toMatchObject({
    target: null,
    error: 'expired',
    reasons: [],
  });
});
