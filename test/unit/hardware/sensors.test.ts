import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/index.ts';
import {
  type BoardSensors,
  detectBoard,
  loadProfiles,
  matchProfile,
  openSensors,
} from '../../../src/hardware/index.ts';
import { energyBetween } from '../../../src/hardware/sensors/rapl.ts';
import { parseThrottled } from '../../../src/hardware/sensors/throttling.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';
import { fixtureBoards, materialise } from '../../fixtures/sysfs/materialise.ts';

const profiles = loadProfiles();
const clock = createVirtualClock();

let folder: string;
let opened: BoardSensors[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'twowatt-board-'));
  opened = [];
});
afterEach(() => {
  for (const sensors of opened) sensors.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(board: string, useProfile = true) {
  const roots = materialise(board, folder);
  const match = useProfile ? matchProfile(detectBoard(roots), profiles, '') : null;
  const sensors = openSensors({
    ...roots,
    vcgencmd: '',
    profile: match?.profile ?? null,
    clock,
    pid: process.pid,
    logger: silentLogger,
  });
  opened.push(sensors);
  return { ...roots, sensors, profile: match?.profile };
}

/** Watts of each rail that can be read, to the milliwatt. */
const watts = (sensors: BoardSensors) =>
  Object.fromEntries(
    Object.entries(sensors.sample().railsW).map(([name, reading]) => [
      name,
      reading.ok ? Math.round(reading.value * 1000) / 1000 : reading.reason,
    ]),
  );

describe('every board of the fixtures', () => {
  const expected: Record<
    string,
    [profile: string, boardW: number | RegExp, socC: number, kHz: number]
  > = {
    'jetson-agx-orin': ['jetson-agx-orin', 7.7204, 47.312, 1190400],
    'jetson-nano': ['jetson-nano', 1.977, 36.5, 1036800],
    'jetson-orin-nano': ['jetson-orin-nano', 2.471, 47.312, 729600],
    'jetson-orin-nx': ['jetson-orin-nx', 5.095, 47.312, 729600],
    'jetson-xavier-nx': ['jetson-xavier-nx', 3.995, 42.5, 1190400],
    'orange-pi-5': ['rk3588', /no power sensor/, 42.538, 1416000],
    'raspberry-pi-3b-plus': ['raspberry-pi-3b-plus', /no power sensor/, 56.92, 600000],
    'raspberry-pi-4b': ['raspberry-pi-4b', /no power sensor/, 51.608, 600000],
    'raspberry-pi-5': ['raspberry-pi-5', /no power sensor/, 48.85, 1500000],
    'raspberry-pi-cm4': ['raspberry-pi-cm4', 2.243, 44.303, 600000],
    'raspberry-pi-zero-2-w': ['raspberry-pi-zero-2-w', /no power sensor/, 46.16, 600000],
    'x86-rapl': ['generic-x86-64', /single rails/, 43, 1200043],
  };

  it('has an expectation', () => {
    expect(fixtureBoards()).toEqual(Object.keys(expected).sort());
  });

  it.each(Object.entries(expected))('%s', (board, [name, boardW, socC, freqKhz]) => {
    const { sensors, profile } = open(board);
    // Only the guess by processor depends on the machine that runs this test.
    if (board !== 'x86-rapl' || process.arch === 'x64') expect(profile?.name).toBe(name);
    const sample = sensors.sample();
    if (typeof boardW === 'number') {
      expect(sample.boardW).toMatchObject({ ok: true, unit: 'w', quality: 'measured' });
      if (sample.boardW.ok) expect(sample.boardW.value).toBeCloseTo(boardW, 3);
    } else {
      expect(sample.boardW).toMatchObject({ ok: false });
      if (!sample.boardW.ok) expect(sample.boardW.reason).toMatch(boardW);
    }
    expect(sample.socC).toMatchObject({ ok: true, value: socC });
    expect(sample.freqKhz).toBe(freqKhz);
    expect(sample.throttled).toEqual([]);
    expect(sample.throttleEvents).toBe(0);
    expect(sample.treeCpuS).toBeGreaterThan(0);
    expect(sensors.describe().map((fact) => fact.kind)).toContain('cpufreq');
  });
});

describe('rails', () => {
  it('of an Orin Nano are mV × mA, by label, without sums of shunts', () => {
    const { sensors } = open('jetson-orin-nano');
    expect(watts(sensors)).toEqual({ VDD_IN: 2.471, VDD_CPU_GPU_CV: 0.486, VDD_SOC: 0.769 });
    expect(sensors.sample().boardW).toMatchObject({ ageMs: 33 });
  });

  it('of an AGX Orin come from two chips, leave NC out and count no rail twice', () => {
    const { sensors } = open('jetson-agx-orin');
    expect(watts(sensors)).toEqual({
      VDD_GPU_SOC: 3.006,
      VDD_CPU_CV: 0.791,
      VIN_SYS_5V0: 3.923,
      VDDQ_VDD2_1V8AO: 0.474,
    });
  });

  it('of a JetPack 4 board come from its IIO device', () => {
    const { sensors } = open('jetson-nano', false);
    expect(watts(sensors)).toEqual({ POM_5V_IN: 1.977, POM_5V_GPU: 0.04, POM_5V_CPU: 0.479 });
    expect(sensors.sample().boardW).toMatchObject({ ok: true, value: 1.977 });
  });

  it('of an external sensor tell the shunt that they go by', () => {
    const { sensors } = open('raspberry-pi-cm4');
    expect(watts(sensors)).toEqual({ 'ina226@1-0040': 2.243 });
    const notes = sensors
      .describe()
      .find((fact) => fact.kind === 'ina2xx')
      ?.notes.join(' ');
    expect(notes).toContain('shunt of 10 mΩ');
  });

  it.each([
    ['negative power', '-5000000'],
    ['a board that draws nothing', '0'],
    ['a gigawatt', '1000000000000000'],
    ['text', 'nan'],
    ['nothing', ''],
  ])('%s is a reason', (_name, content) => {
    const { sensors, sysfsRoot } = open('raspberry-pi-cm4');
    writeFileSync(join(sysfsRoot, 'class/hwmon/hwmon2/power1_input'), content);
    expect(sensors.sample().boardW).toMatchObject({ ok: false });
  });
});

describe('RAPL', () => {
  const set = (sysfsRoot: string, zone: string, microjoules: number) =>
    writeFileSync(join(sysfsRoot, 'class/powercap', zone, 'energy_uj'), `${microjoules}\n`);

  it('is a difference over time, also when the counter wraps', async () => {
    const { sensors, sysfsRoot } = open('x86-rapl');
    expect(sensors.sample().railsW['package-0']).toMatchObject({ ok: false });
    await clock.advance(100);
    // 0.9 J: 328,850 µJ up to the range, the rest from zero on.
    set(sysfsRoot, 'intel-rapl:0', 900_000 - 328_850);
    set(sysfsRoot, 'intel-rapl:0:0', 101_300_000_000 + 450_000);
    set(sysfsRoot, 'intel-rapl:0:1', 20_400_000_000 + 120_000);
    expect(watts(sensors)).toEqual({ 'package-0': 9, core: 4.5, dram: 1.2 });
    expect(energyBetween(90, 10, 100)).toBe(20);
  });

  it('gives the board’s power where there is a psys zone', async () => {
    const { sensors, sysfsRoot } = open('x86-rapl');
    const zone = join(sysfsRoot, 'class/powercap/intel-rapl:0:0');
    writeFileSync(join(zone, 'name'), 'psys\n');
    await clock.advance(31_000);
    sensors.sample();
    await clock.advance(200);
    set(sysfsRoot, 'intel-rapl:0:0', 101_300_000_000 + 3_000_000);
    expect(sensors.sample().boardW).toMatchObject({ ok: true, value: 15 });
  });

  it('calls a counter that stands still or jumps no power', async () => {
    const { sensors, sysfsRoot } = open('x86-rapl');
    sensors.sample();
    await clock.advance(1_000);
    expect(sensors.sample().railsW['package-0']).toMatchObject({
      reason: expect.stringContaining('stands still') as string,
    });
    await clock.advance(100);
    set(sysfsRoot, 'intel-rapl:0', 100_000_000_000);
    expect(sensors.sample().railsW['package-0']).toMatchObject({
      reason: expect.stringContaining('jumped') as string,
    });
  });
});

describe('throttling', () => {
  it('reads the firmware’s bits and counts what newly happened', () => {
    const { sensors, sysfsRoot } = open('raspberry-pi-3b-plus');
    const file = join(sysfsRoot, 'devices/platform/soc/soc:firmware/get_throttled');
    expect(sensors.sample()).toMatchObject({ underVoltage: false, throttleEvents: 0 });
    writeFileSync(file, 'f000f\n');
    expect(sensors.sample()).toMatchObject({
      throttled: ['freq_capped', 'throttled', 'soft_temp'],
      underVoltage: true,
      throttleEvents: 2,
    });
    expect(sensors.sample().throttleEvents).toBe(0);
    writeFileSync(file, 'garbage\n');
    // The hwmon alarm still speaks.
    expect(sensors.sample()).toMatchObject({ throttled: [], underVoltage: false });
  });

  it.each([
    ['throttled=0x50005\n', 0x50005],
    ['0x8', 8],
    ['0', 0],
    ['', null],
    ['ffffffff', null],
    ['-1', null],
  ])('understands %j', (text, bits) => {
    expect(parseThrottled(text)).toBe(bits);
  });

  it('takes the alarm of rpi_volt for under-voltage', () => {
    const { sensors, sysfsRoot } = open('raspberry-pi-4b');
    writeFileSync(join(sysfsRoot, 'class/hwmon/hwmon1/in0_lcrit_alarm'), '1\n');
    expect(sensors.sample().underVoltage).toBe(true);
  });

  it('counts over-current events by difference, and takes a reset for a new beginning', () => {
    const { sensors, sysfsRoot } = open('jetson-orin-nano');
    const file = join(sysfsRoot, 'class/hwmon/hwmon2/oc2_event_cnt');
    expect(sensors.sample()).toMatchObject({ throttled: [], throttleEvents: 0 });
    writeFileSync(file, '7\n');
    expect(sensors.sample()).toMatchObject({ throttled: ['over_current_2'], throttleEvents: 4 });
    writeFileSync(file, '1\n');
    expect(sensors.sample()).toMatchObject({ throttled: [], throttleEvents: 0 });
    writeFileSync(file, '2\n');
    expect(sensors.sample().throttleEvents).toBe(1);
  });
});

describe('hot-plugging', () => {
  it('names a lost sensor, never reads another chip in its place, and finds it renumbered', async () => {
    const { sensors, sysfsRoot } = open('jetson-orin-nano');
    const hwmon = (number: number) => join(sysfsRoot, `class/hwmon/hwmon${number}`);
    expect(sensors.sample().boardW.ok).toBe(true);
    renameSync(hwmon(1), hwmon(9));
    rmSync(join(sysfsRoot, 'bus'), { recursive: true });
    renameSync(hwmon(2), hwmon(1));
    const lost = sensors.sample();
    expect(lost.boardW).toMatchObject({
      ok: false,
      reason: expect.stringContaining('another chip') as string,
    });
    expect(Object.keys(lost.railsW)).toEqual(['VDD_IN', 'VDD_CPU_GPU_CV', 'VDD_SOC']);
    await clock.advance(3_100);
    expect(sensors.sample().boardW).toMatchObject({ ok: true });
    expect(sensors.describe()[0]?.where).toContain('hwmon9');
    rmSync(hwmon(9));
    expect(sensors.sample().boardW.ok).toBe(false);
    await clock.advance(3_100);
    expect(sensors.sample().boardW).toMatchObject({ ok: false });
    expect(Object.keys(sensors.sample().railsW)).toContain('VDD_IN');
  });

  it('finds a temperature that comes later', async () => {
    const sensors = openSensors({
      sysfsRoot: join(folder, 'sys'),
      procRoot: join(folder, 'proc'),
      vcgencmd: '',
      profile: null,
      clock,
      pid: process.pid,
      logger: silentLogger,
    });
    opened.push(sensors);
    expect(sensors.sample()).toMatchObject({ socC: { ok: false }, boardW: { ok: false } });
    materialise('jetson-orin-nano', folder);
    await clock.advance(3_100);
    expect(sensors.sample()).toMatchObject({ socC: { ok: true }, boardW: { ok: true } });
  });
});
