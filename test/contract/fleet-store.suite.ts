import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FleetStore, Sample } from '../../src/fleet/store/index.ts';
import {
  type BoardRecord,
  type FleetSettings,
  SERIES_FIELD_NAMES,
  type SeriesField,
} from '../../src/protocol/fleet/index.ts';

const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
/** An hour's beginning, and the moment that the store takes for now. */
const T0 = Date.UTC(2026, 5, 1, 6);
const NOW = T0 + 5 * DAY;

const SETTINGS: FleetSettings = { raw_days: 30, minute_days: 60, hour_days: 365, forget_days: 0 };

const sample = (
  node: string,
  tMs: number,
  fields: Partial<Record<SeriesField, number>>,
): Sample => ({
  node,
  tMs,
  values: SERIES_FIELD_NAMES.map((name) => fields[name] ?? null),
});

const record = (node: string): BoardRecord => ({
  node,
  status: 'online',
  status_since_ms: 1,
  seen_ms: 2,
  telemetry_ms: 3,
  clock_skew_ms: 4,
  state: { state: 'online', since: null, instance: 'a' },
  info: null,
  health: [],
  telemetry: null,
});

async function rollUpAll(store: FleetStore, nowMs: number, settings = SETTINGS): Promise<void> {
  for (let calls = 0; calls < 400; calls += 1) {
    const { rolledUp } = await store.maintain(nowMs, settings);
    if (rolledUp === 0 && calls > 0) return;
  }
  throw new Error('the store never finished rolling up');
}

/** What every store keeps to (src/fleet/store/types.ts). */
export function describeFleetStore(
  name: string,
  open: (
    now: () => number,
  ) => Promise<{ store: FleetStore; reopen(): Promise<FleetStore>; cleanUp(): Promise<void> }>,
): void {
  describe(`a fleet store on ${name}`, () => {
    let store: FleetStore;
    let opened: Awaited<ReturnType<typeof open>>;
    beforeEach(async () => {
      opened = await open(() => NOW);
      store = opened.store;
    });
    afterEach(async () => {
      await store.close();
      await opened.cleanUp();
    });

    const series = (node: string, field: SeriesField, fromMs: number, toMs: number, stepMs = 0) =>
      store.series({ node, fields: [field], fromMs, toMs, stepMs });

    it('gives back what was written, in the order of time, to the resolution of the field', async () => {
      await store.write([
        sample('b', T0 + 2000, { 'power.mean_10s_w': 1.2344 }),
        sample('b', T0, { 'power.mean_10s_w': 1.1, 'thermal.soc_c': -3.26 }),
        sample('other', T0 + 1000, { 'power.mean_10s_w': 9 }),
      ]);
      const got = await store.series({
        node: 'b',
        fields: ['power.mean_10s_w', 'thermal.soc_c'],
        fromMs: T0,
        toMs: T0 + MINUTE,
        stepMs: 0,
      });
      expect(got.t_ms).toEqual([T0, T0 + 2000]);
      expect(got.step_ms).toBe(0);
      const watts = got.fields['power.mean_10s_w']?.mean ?? [];
      expect(watts[0]).toBeCloseTo(1.1, 3);
      expect(watts[1]).toBeCloseTo(1.234, 3);
      const celsius = got.fields['thermal.soc_c']?.mean ?? [];
      expect(celsius[0]).toBeCloseTo(-3.26, 0);
      expect(celsius[1]).toBeNull();
    });

    it('takes the same sample twice for once', async () => {
      const one = sample('b', T0, { 'queue.depth': 3 });
      await store.write([one]);
      await store.write([one, sample('b', T0, { 'queue.depth': 8 })]);
      const got = await series('b', 'queue.depth', T0, T0 + 1);
      expect(got.fields['queue.depth']?.mean).toEqual([3]);
    });

    it('takes the range from its beginning up to, and without, its end', async () => {
      await store.write([0, 1000, 2000].map((ms) => sample('b', T0 + ms, { 'queue.depth': ms })));
      expect((await series('b', 'queue.depth', T0, T0 + 2000)).t_ms).toEqual([T0, T0 + 1000]);
    });

    it('answers for a board that it does not know with no point', async () => {
      expect((await series('nobody', 'queue.depth', T0, T0 + HOUR)).t_ms).toEqual([]);
    });

    it('bins into steps: mean, least and greatest of a gauge, the greatest of a counter, the share of a flag', async () => {
      await store.write([
        sample('b', T0, { 'thermal.soc_c': 40, 'engine.tokens_total': 10, 'thermal.throttled': 0 }),
        sample('b', T0 + 5000, {
          'thermal.soc_c': 50,
          'engine.tokens_total': 20,
          'thermal.throttled': 1,
        }),
        sample('b', T0 + 10_000, { 'thermal.soc_c': 60 }),
      ]);
      const fields: SeriesField[] = ['thermal.soc_c', 'engine.tokens_total', 'thermal.throttled'];
      const got = await store.series({
        node: 'b',
        fields,
        fromMs: T0,
        toMs: T0 + MINUTE,
        stepMs: 10_000,
      });
      expect(got.t_ms).toEqual([T0, T0 + 10_000]);
      expect(got.fields['thermal.soc_c']).toEqual({ mean: [45, 60], min: [40, 60], max: [50, 60] });
      expect(got.fields['engine.tokens_total']?.mean).toEqual([20, null]);
      expect(got.fields['thermal.throttled']?.mean).toEqual([0.5, null]);
    });

    it('rolls up: the same means, extremes and counts by the minute and by the hour', async () => {
      const samples: Sample[] = [];
      for (let at = 0; at < 3 * HOUR; at += 20_000) {
        samples.push(
          sample('b', T0 + at, {
            'thermal.soc_c': 40 + ((at / 20_000) % 30),
            'engine.tokens_total': at / 1000,
          }),
        );
      }
      await store.write(samples);
      const before = await series('b', 'thermal.soc_c', T0, T0 + 3 * HOUR, HOUR);
      await rollUpAll(store, NOW);
      for (const stepMs of [HOUR, MINUTE]) {
        const after = await series('b', 'thermal.soc_c', T0, T0 + 3 * HOUR, stepMs);
        expect(after.source).toBe(stepMs === HOUR ? 'hour' : 'minute');
        expect(after.t_ms).toHaveLength((3 * HOUR) / stepMs);
        expect(after.fields['thermal.soc_c']?.min[0]).toBe(40);
      }
      const after = await series('b', 'thermal.soc_c', T0, T0 + 3 * HOUR, HOUR);
      expect(after.fields['thermal.soc_c']?.max).toEqual(before.fields['thermal.soc_c']?.max);
      for (const [index, mean] of (before.fields['thermal.soc_c']?.mean ?? []).entries()) {
        expect(after.fields['thermal.soc_c']?.mean[index]).toBeCloseTo(mean ?? 0, 0);
      }
      const tokens = await series('b', 'engine.tokens_total', T0, T0 + 3 * HOUR, HOUR);
      expect(tokens.fields['engine.tokens_total']?.mean).toEqual([3580, 7180, 10_780]);
      // What came as it was is still there.
      expect((await series('b', 'thermal.soc_c', T0, T0 + HOUR)).t_ms).toHaveLength(180);
    });

    it('fills the newest part of a long range from what is not rolled up yet', async () => {
      await store.write([sample('b', T0, { 'queue.depth': 1 })]);
      await rollUpAll(store, T0 + 2 * HOUR);
      await store.write([sample('b', T0 + 2 * HOUR, { 'queue.depth': 2 })]);
      const got = await series('b', 'queue.depth', T0, T0 + 3 * HOUR, HOUR);
      expect(got.t_ms).toEqual([T0, T0 + 2 * HOUR]);
      expect(got.fields['queue.depth']?.mean).toEqual([1, 2]);
    });

    it('rolls up again what came late', async () => {
      await store.write([sample('b', T0, { 'thermal.soc_c': 40 })]);
      await rollUpAll(store, NOW);
      await store.write([sample('b', T0 + 30_000, { 'thermal.soc_c': 60 })]);
      await rollUpAll(store, NOW);
      for (const stepMs of [MINUTE, HOUR]) {
        const got = await series('b', 'thermal.soc_c', T0, T0 + HOUR, stepMs);
        expect(got.fields['thermal.soc_c']).toEqual({ mean: [50], min: [40], max: [60] });
      }
      expect((await series('b', 'thermal.soc_c', T0, T0 + HOUR)).t_ms).toHaveLength(2);
    });

    it('drops what is too old, and answers from the coarser level where the finer is gone', async () => {
      for (const day of [0, 1, 2, 3, 4]) {
        await store.write([sample('b', T0 + day * DAY, { 'queue.depth': day })]);
      }
      await rollUpAll(store, NOW);
      const settings = { ...SETTINGS, raw_days: 2 };
      await rollUpAll(store, NOW, settings);
      const got = await series('b', 'queue.depth', T0, T0 + DAY, 1000);
      expect(got.fields['queue.depth']?.mean).toEqual([0]);
      expect(got.t_ms).toEqual([T0]);
      // A year and the longest part in which a store may drop, 56 days, are over.
      await rollUpAll(store, NOW + 430 * DAY, SETTINGS);
      expect((await series('b', 'queue.depth', T0, T0 + 5 * DAY, HOUR)).t_ms).toEqual([]);
    });

    it('never answers with more points than a page can draw', async () => {
      const samples = Array.from({ length: 6000 }, (_, i) =>
        sample('b', T0 + i * 1000, { 'queue.depth': i }),
      );
      await store.write(samples);
      const got = await series('b', 'queue.depth', T0, T0 + 6_000_000);
      expect(got.t_ms.length).toBeLessThanOrEqual(5000);
      expect(got.step_ms).toBeGreaterThan(0);
      expect(got.fields['queue.depth']?.max.at(-1)).toBe(5999);
    });

    it('keeps samples, records and documents over a restart', async () => {
      await store.write([sample('b', T0, { 'queue.depth': 1 })]);
      await store.saveBoards([record('b'), record('c')]);
      await store.putDocument('rule', 'r', { name: 'x' }, 5);
      await store.close();
      store = await opened.reopen();
      expect((await store.loadBoards()).map(({ node }) => node).sort()).toEqual(['b', 'c']);
      expect((await store.loadBoards()).find(({ node }) => node === 'b')).toEqual(record('b'));
      expect((await series('b', 'queue.depth', T0, T0 + 1)).t_ms).toEqual([T0]);
      expect(await store.document('rule', 'r')).toEqual({
        id: 'r',
        updatedMs: 5,
        body: { name: 'x' },
      });
    });

    it('forgets a board whole, and begins anew when it comes back', async () => {
      await store.write([sample('b', T0, { 'queue.depth': 1 })]);
      await store.saveBoards([record('b')]);
      await rollUpAll(store, NOW);
      await store.removeBoard('b');
      expect(await store.loadBoards()).toEqual([]);
      expect((await series('b', 'queue.depth', T0, T0 + HOUR, HOUR)).t_ms).toEqual([]);
      await store.write([sample('b', T0 + 1000, { 'queue.depth': 2 })]);
      expect((await series('b', 'queue.depth', T0, T0 + HOUR)).t_ms).toEqual([T0 + 1000]);
    });

    it('lists documents by their last change, newest first', async () => {
      await store.putDocument('alert', 'a', { n: 1 }, 10);
      await store.putDocument('alert', 'b', { n: 2 }, 20);
      await store.putDocument('rule', 'c', { n: 3 }, 30);
      await store.putDocument('alert', 'a', { n: 4 }, 40);
      const ids = async (options = {}) =>
        (await store.documents('alert', options)).map(({ id }) => id);
      expect(await ids()).toEqual(['a', 'b']);
      expect(await ids({ limit: 1 })).toEqual(['a']);
      expect(await ids({ sinceMs: 20 })).toEqual(['a']);
      expect((await store.document('alert', 'a'))?.body).toEqual({ n: 4 });
      expect(await store.deleteDocument('alert', 'a')).toBe(true);
      expect(await store.deleteDocument('alert', 'a')).toBe(false);
      expect(await store.expireDocuments('alert', 21)).toBe(1);
      expect(await ids()).toEqual([]);
      expect((await store.documents('rule')).map(({ id }) => id)).toEqual(['c']);
    });

    it('keeps the audit log in order, page by page', async () => {
      for (const text of ['one', 'two', 'three']) {
        await store.appendAudit({
          at_ms: 1,
          user: 'u',
          from: '127.0.0.1',
          what: 'login',
          text,
          detail: { text },
        });
      }
      const [first, second] = await store.audit({ limit: 2 });
      expect([first?.text, second?.text]).toEqual(['three', 'two']);
      expect(first?.detail).toEqual({ text: 'three' });
      const older = await store.audit({ limit: 2, beforeId: second?.id ?? 0 });
      expect(older.map(({ text }) => text)).toEqual(['one']);
    });

    it('keeps the course of the whole fleet', async () => {
      for (const [index, watts] of [10, 20, 40].entries()) {
        await store.writeFleet({
          tMs: T0 + index * 30_000,
          online: 5,
          offline: 1,
          stale: 0,
          watts,
          tokensPerS: 3,
        });
      }
      const got = await store.fleetSeries({ fromMs: T0, toMs: T0 + HOUR, stepMs: MINUTE });
      expect(got.t_ms).toEqual([T0, T0 + MINUTE]);
      expect(got.watts).toEqual([15, 40]);
      expect(got.online).toEqual([5, 5]);
    });

    it('knows how large it is and leads when it is alone', async () => {
      expect(await store.sizeBytes()).toBeGreaterThan(0);
      expect(await store.leads()).toBe(true);
      expect(await store.leads()).toBe(true);
    });
  });
}
