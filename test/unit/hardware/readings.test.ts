import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHostFacts, detectBoard, readSocTemperature } from '../../../src/hardware/index.ts';
import { countCpuList } from '../../../src/hardware/board.ts';
import { busyPercent } from '../../../src/hardware/host-facts.ts';

const PI5 = join(import.meta.dirname, '../../fixtures/sysfs/raspberry-pi-5');

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'twowatt-sysfs-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function zone(number: number, type: string, temperature: string | null): void {
  const folder = join(root, 'class', 'thermal', `thermal_zone${number}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'type'), `${type}\n`);
  if (temperature !== null) writeFileSync(join(folder, 'temp'), `${temperature}\n`);
}

describe('temperature', () => {
  it('reads a Pi 5 as its kernel offers it', () => {
    expect(readSocTemperature(join(PI5, 'sys'), ['cpu-thermal'])).toEqual({
      ok: true,
      value: 48.85,
      unit: 'c',
      ageMs: 0,
      quality: 'measured',
      source: 'cpu-thermal',
    });
  });

  it('takes the hottest zone of the SoC and leaves others alone', () => {
    zone(0, 'acpitz', '99000');
    zone(1, 'CPU-therm', '51500');
    zone(2, 'GPU-therm', '60250');
    zone(10, 'PMIC-Die', '100000');
    expect(readSocTemperature(root)).toMatchObject({ ok: true, value: 60.25, source: 'GPU-therm' });
    expect(readSocTemperature(root, ['CPU-therm'])).toMatchObject({ value: 51.5 });
  });

  it('goes on with the zones that can be read', () => {
    zone(0, 'cpu-thermal', '-256000');
    zone(1, 'soc-thermal', '42000');
    expect(readSocTemperature(root)).toMatchObject({ ok: true, value: 42 });
  });

  it.each([
    ['an unpowered Jetson zone', '-256000', /not plausible/],
    ['an absurd value', '9999999', /not plausible/],
    ['text', 'nan', /no temperature/],
    ['an empty file', '', /no temperature/],
    ['a huge number', '1000000000000', /no temperature/],
    ['a missing file', null, /does not exist/],
  ])('has a reason for %s', (_name, content, reason) => {
    zone(0, 'cpu-thermal', content);
    const reading = readSocTemperature(root);
    expect(reading.ok).toBe(false);
    expect(reading).toMatchObject({ reason: expect.stringMatching(reason) as string });
  });

  it('has a reason without zones, without the right zone, and in a loop of links', () => {
    expect(readSocTemperature(root)).toEqual({ ok: false, reason: 'no thermal zone found' });
    zone(0, 'wifi', '40000');
    expect(readSocTemperature(root)).toMatchObject({
      ok: false,
      reason: expect.stringContaining('wifi') as string,
    });
    zone(1, 'cpu-thermal', null);
    const loop = join(root, 'class', 'thermal', 'thermal_zone1', 'temp');
    symlinkSync(loop, loop);
    expect(readSocTemperature(root)).toMatchObject({ ok: false });
  });

  it('gives a plausible value or a reason for any content', () => {
    zone(0, 'cpu-thermal', null);
    const file = join(root, 'class', 'thermal', 'thermal_zone0', 'temp');
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String)),
        (content) => {
          writeFileSync(file, content);
          const reading = readSocTemperature(root);
          expect(
            reading.ok ? reading.value >= -40 && reading.value <= 150 : reading.reason !== '',
          ).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('board', () => {
  it('falls back to the machine it runs on in a bare folder', () => {
    const board = detectBoard({ sysfsRoot: root, procRoot: root });
    expect(board).toMatchObject({ model: null, compatible: [], arch: process.arch });
    expect(board.cores).toBeGreaterThan(0);
    expect(board.memoryBytes).toBeGreaterThan(0);
  });

  it('reads DMI where there is no device tree', () => {
    const dmi = join(root, 'class', 'dmi', 'id');
    mkdirSync(dmi, { recursive: true });
    writeFileSync(join(dmi, 'sys_vendor'), 'ACME\n');
    writeFileSync(join(dmi, 'product_name'), 'Box 3\n');
    expect(detectBoard({ sysfsRoot: root, procRoot: root }).model).toBe('ACME Box 3');
  });

  it.each([
    ['0-3', 4],
    ['0-3,8,10-11', 7],
    ['0', 1],
    ['', undefined],
    ['3-0', undefined],
    ['all', undefined],
  ])('counts the processors in %j', (list, expected) => {
    expect(countCpuList(list)).toBe(expected);
  });
});

describe('host facts', () => {
  it('are plausible, and the CPU share comes with the second reading', async () => {
    const read = createHostFacts({ diskPath: root });
    const first = await read();
    expect(first.cpuPct).toBeNull();
    expect(first.memTotalBytes).toBeGreaterThan(64 * 1024 * 1024);
    expect(first.memUsedBytes).toBeGreaterThan(0);
    expect(first.memUsedBytes).toBeLessThan(first.memTotalBytes ?? 0);
    expect(first.diskFreeBytes).toBeGreaterThan(0);
    expect(first.load1).toBeGreaterThanOrEqual(0);
  });

  it('are null where nothing can be read', async () => {
    const facts = await createHostFacts({ diskPath: join(root, 'none') })();
    expect(facts.diskFreeBytes).toBeNull();
  });

  it('share of busy time', () => {
    expect(busyPercent({ busy: 10, all: 100 }, { busy: 35, all: 200 })).toBe(25);
    expect(busyPercent({ busy: 10, all: 100 }, { busy: 10, all: 100 })).toBeNull();
    expect(busyPercent(undefined, { busy: 1, all: 2 })).toBeNull();
    // Counters of a core that went offline may run backwards.
    expect(busyPercent({ busy: 50, all: 100 }, { busy: 40, all: 200 })).toBe(0);
  });
});
