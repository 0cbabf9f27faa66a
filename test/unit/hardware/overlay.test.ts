import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, it, onTestFinished } from 'vitest';
import { boardOf } from '../../../src/daemon/governor-board.ts';
import { keepOnlyTheDay } from '../../../src/governor/index.ts';
import {
  type Calibration,
  choosePoints,
  drawHull,
  overlayOf,
  type PhaseFigures,
} from '../../../src/hardware/calibration/index.ts';
import { checkOverlay, chooseProfile, readProfile } from '../../../src/hardware/index.ts';
import { applyOverlay } from '../../../src/hardware/profile-overlay.ts';
import { profileSchema } from '../../../src/hardware/profile-schema.ts';
import { bundledProfiles } from '../../../src/hardware/profile.ts';

const jetson = readProfile(join(bundledProfiles(), 'jetson-orin-nano.json'));
const PI5 = join(import.meta.dirname, '../../fixtures/sysfs/raspberry-pi-5');

const figures = (tokensPerS: number, watts: number): PhaseFigures => ({
  tokensPerS,
  watts,
  noiseW: 0.01,
  spread: 0.02,
  windows: [],
});

const calibration: Calibration = {
  idle: { watts: 2.34567, noiseW: 0.01, rails: { VDD_IN: 2.34567, VDD_SOC: 0.7, odd: 1 } },
  points: [
    { threads: 2, freqKhz: 729_600, decode: figures(9, 1.1), prefill: figures(60, 1.2), socC: 45 },
    { threads: 4, freqKhz: null, decode: figures(15, 3.3), prefill: figures(90, 3.5), socC: 55 },
  ],
  meter: 'ina3221',
  wholeBoard: true,
  notes: ['a note'],
};
const model = { id: 'nano', digest: 'd1', form: 'int8', bytesPerToken: 12_000_000 } as const;
const at = '2026-11-26T10:00:00.000Z';
const overlay = overlayOf(calibration, { profile: jetson, model, at, version: '1.2.3' });

describe('an overlay', () => {
  it('replaces just what it holds, and leaves a profile that the schema takes', () => {
    const merged = applyOverlay(jetson, overlay);
    expect(v.safeParse(profileSchema, merged).success).toBe(true);
    expect(merged.power.idle_w).toEqual({ value: 2.346, source: 'calibration-2026-11-26' });
    const rails = merged.power.sensors[0]?.rails ?? [];
    expect(rails.find(({ name }) => name === 'VDD_SOC')?.idle_w?.value).toBe(0.7);
    expect(rails.map(({ name }) => name)).toEqual(
      jetson.power.sensors[0]?.rails.map(({ name }) => name),
    );
    expect(merged.operating_points).toEqual(overlay.operating_points);
    expect(merged.operating_points[1]).toMatchObject({ freq_khz: null, prefill_watts: 3.5 });
    expect({ ...merged, power: 0, operating_points: 0, sources: 0 }).toEqual({
      ...jetson,
      power: 0,
      operating_points: 0,
      sources: 0,
    });
    expect(merged.sources['calibration-2026-11-26']).toMatch(/2026-11-26 with nano .*ina3221/);
    // Modelled points have gone, and with them the word on their model.
    expect(merged.sources).not.toHaveProperty('scaled');
  });

  it('holds no board’s watts where only rails were read', () => {
    const rails = { ...calibration, wholeBoard: false };
    const partly = overlayOf(rails, { profile: jetson, model, at, version: '1' });
    expect(partly.power?.idle_w).toBeUndefined();
    expect(applyOverlay(jetson, partly).power.idle_w).toEqual(jetson.power.idle_w);
  });

  it('reaches the governor as measured for its model, scaled and estimated for others', () => {
    const merged = applyOverlay(jetson, overlay);
    const own = boardOf(merged, { bytesPerToken: 12_000_000 });
    expect(own.points[0]).toEqual({
      threads: 2,
      freqKhz: 729_600,
      batch: 1,
      decodeTokensPerS: 9,
      prefillTokensPerS: 60,
      watts: 1.1,
      prefillWatts: 1.2,
      estimated: false,
    });
    const larger = boardOf(merged, { bytesPerToken: 24_000_000 });
    expect(larger.points[0]).toMatchObject({ decodeTokensPerS: 4.5, estimated: true });
    expect(own.idleW).toBe(2.346);
    expect(own.idleRailW?.['VDD_SOC']).toBe(0.7);
  });

  it.each([
    [{ ...overlay, v: 2 }, /^v:/],
    [{ ...overlay, colour: 'red' }, /colour/],
    [{ ...overlay, measured: { ...overlay.measured, at: 'today' } }, /measured\.at/],
    [{ ...overlay, operating_points: [] }, /operating_points/],
    [{ ...overlay, power: { idle_w: { value: -1, source: 'x' } } }, /power\.idle_w\.value/],
    [{ ...overlay, sources: {} }, /no calibration-2026-11-26/],
    [null, /whole file/],
  ])('is refused with the field that is wrong', (value, why) => {
    const checked = checkOverlay(value);
    expect(checked.ok ? '' : checked.why).toMatch(why);
  });

  it('is used from its file, or ignored with the reason', () => {
    const folder = mkdtempSync(join(tmpdir(), 'twowatt-overlay-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'overlay.json');
    const use = () =>
      chooseProfile({
        sysfs_root: join(PI5, 'sys'),
        proc_root: join(PI5, 'proc'),
        vcgencmd: '',
        profile: '',
        profile_overlay: file,
      }).match;
    expect(use()?.overlay).toEqual({ state: 'none', file });
    writeFileSync(file, JSON.stringify(overlay));
    expect(use()?.overlay).toMatchObject({
      state: 'ignored',
      why: 'it was measured on jetson-orin-nano, and this board is raspberry-pi-5',
    });
    writeFileSync(file, '{"v":1');
    expect(use()).toMatchObject({ profile: { revision: 3 }, overlay: { state: 'ignored' } });
    writeFileSync(file, JSON.stringify({ ...overlay, profile: 'raspberry-pi-5' }));
    expect(use()?.overlay.state).toBe('applied');
    expect(use()?.profile.power.idle_w.value).toBe(2.346);
    expect(use()?.why).toContain('compatible raspberrypi,5-model-b');
  });
});

describe('the points of a calibration', () => {
  const clockSteps = [600, 700, 800, 900, 1000, 1100].map((mhz) => mhz * 1000);

  it('are threads times clocks spread over the range', () => {
    const points = choosePoints({ cores: 4, clockSteps });
    expect(points).toHaveLength(16);
    expect([...new Set(points.map(({ freqKhz }) => freqKhz))]).toEqual([
      600_000, 800_000, 900_000, 1_100_000,
    ]);
    const many = choosePoints({ cores: 12, clockSteps: [] });
    expect(many.map(({ threads }) => threads)).toEqual([1, 2, 3, 4, 6, 8, 10, 12]);
    expect(many[0]?.freqKhz).toBeNull();
    expect(choosePoints({ cores: 1, clockSteps: [5] })).toEqual([{ threads: 1, freqKhz: 5 }]);
  });

  it('are those that were asked for, if the board has them', () => {
    const wish = { cores: 4, clockSteps, threads: [3, 3, 1], clocks: [900_000, 600_000] };
    expect(choosePoints(wish).map(({ threads, freqKhz }) => `${threads}@${freqKhz}`)).toEqual([
      '1@600000',
      '1@900000',
      '3@600000',
      '3@900000',
    ]);
    expect(() => choosePoints({ ...wish, threads: [5] })).toThrow(/5 are more than 4 cores/);
    expect(() => choosePoints({ ...wish, clocks: [1] })).toThrow(/no step of 1 kHz; 600000, 7/);
    expect(() => choosePoints({ ...wish, clockSteps: [] })).toThrow(/none can be set here/);
  });
});

it('the chart holds every point, the hull, and no markup of the title', () => {
  const svg = drawHull('<b> & co', calibration, [
    { watts: 0, tokensPerS: 0 },
    { watts: 1.1, tokensPerS: 9 },
  ]);
  expect(svg).toContain('&lt;b&gt; &amp; co');
  // A mark for each point and one for each count of threads.
  expect(svg.match(/<circle/g)).toHaveLength(4);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
});

it('learnt ratios go with the figures they are ratios to; the day’s energy stays', () => {
  const day = { elapsedMs: 5, usedJ: 7 };
  const state = {
    version: 1,
    steps: { paces: { a: { factor: 2, seen: 1, strays: 0 } }, powers: {} },
    idle: { board: 1.1 },
    trim: 0.1,
    day,
  };
  expect(keepOnlyTheDay(state)).toEqual({
    version: 1,
    steps: { paces: {}, busy: {}, powers: {} },
    idle: {},
    trim: 0,
    day,
  });
  expect(keepOnlyTheDay('garbage')).toBeUndefined();
});
