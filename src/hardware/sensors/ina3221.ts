import { join } from 'node:path';
import type { Reading } from '../reading.ts';
import { attributeOr, listFolder } from '../tree.ts';
import { chipChanged, findChips, type HwmonChip } from './hwmon.ts';
import {
  createRailSource,
  isRailName,
  plausibleBoard,
  type PowerSource,
  type Rail,
  sumOfRails,
} from './power-source.ts';
import { type Bounds, readWhole } from './whole-number.ts';

/** The chip's bus converter ends at 32.76 V (12 bit of 8 mV). A negative voltage is a broken driver. */
const VOLTAGE: Bounds = { lowest: 0, highest: 32_760, unit: 'mV' };
/**
 * 163.8 mV full scale over Jetson's smallest shunt (5 mΩ) is 33 A. An idle rail may read a few steps
 * (8 mA each) below zero, by the converter's offset.
 */
const CURRENT: Bounds = { lowest: -80, highest: 33_000, unit: 'mA' };
/** JetPack 4 gives power itself; no rail of a Jetson carries more than the largest supply (100 W). */
const POWER: Bounds = { lowest: -400, highest: 100_000, unit: 'mW' };
/** A conversion of all channels takes at most seconds, with the most averaging. */
const UPDATE_INTERVAL: Bounds = { lowest: 0, highest: 10_000, unit: 'ms' };

/**
 * Rails through which all of the module's power comes, by board: one input rail, or (AGX) the rails
 * that the input splits into. Other rails hang behind these and must not be counted twice.
 */
const INPUT_RAILS: readonly (readonly string[])[] = [
  ['VDD_IN'],
  ['POM_5V_IN'],
  ['VDD_GPU_SOC', 'VDD_CPU_CV', 'VIN_SYS_5V0'],
  ['GPU', 'CPU', 'SOC', 'CV', 'VDDRQ', 'SYS5V'],
];

/** Not connected, or a driver's own sum over shunts, which is no power. */
const isNoRail = (label: string): boolean =>
  /(^|[^a-z])nc([^a-z]|$)/i.test(label) || /sum of shunt voltages/i.test(label);

function railReading(milliwatts: number, source: string, ageMs: number): Reading<'w'> {
  const value = Math.max(0, milliwatts / 1000);
  return { ok: true, value, unit: 'w', ageMs, quality: 'measured', source };
}

function hwmonRails(chip: HwmonChip): Rail[] {
  const interval = readWhole(join(chip.folder, 'update_interval'), UPDATE_INTERVAL);
  // Each read fetches the last conversion: at worst one whole round old.
  const ageMs = interval.ok ? interval.value : 0;
  const rails: Rail[] = [];
  for (const channel of [1, 2, 3]) {
    const name = attributeOr(join(chip.folder, `in${channel}_label`), '');
    if (!isRailName(name) || isNoRail(name)) continue;
    const voltage = join(chip.folder, `in${channel}_input`);
    const current = join(chip.folder, `curr${channel}_input`);
    rails.push({
      name,
      where: voltage,
      notes: [],
      read() {
        const changed = chipChanged(chip);
        if (changed !== null) return { ok: false, reason: changed };
        const millivolts = readWhole(voltage, VOLTAGE);
        if (!millivolts.ok) return millivolts;
        const milliamperes = readWhole(current, CURRENT);
        if (!milliamperes.ok) return milliamperes;
        return railReading(
          (millivolts.value * milliamperes.value) / 1000,
          `ina3221 ${name}`,
          ageMs,
        );
      },
    });
  }
  return rails;
}

/** JetPack 4's driver shows the chip as an IIO device: `rail_name_N`, `in_powerN_input` in mW. */
function iioRails(folder: string): Rail[] {
  const rails: Rail[] = [];
  for (const channel of [0, 1, 2]) {
    const label = join(folder, `rail_name_${channel}`);
    const name = attributeOr(label, '');
    if (!isRailName(name) || isNoRail(name)) continue;
    const power = join(folder, `in_power${channel}_input`);
    rails.push({
      name,
      where: power,
      notes: [],
      read() {
        if (attributeOr(label, null) !== name) {
          return { ok: false, reason: `ina3221x: ${label} is gone` };
        }
        const milliwatts = readWhole(power, POWER);
        return milliwatts.ok ? railReading(milliwatts.value, `ina3221 ${name}`, 0) : milliwatts;
      },
    });
  }
  return rails;
}

function iioFolders(sysfsRoot: string): string[] {
  const driver = join(sysfsRoot, 'bus', 'i2c', 'drivers', 'ina3221x');
  return listFolder(driver)
    .slice(0, 16)
    .flatMap((device) =>
      listFolder(join(driver, device))
        .filter((name) => name.startsWith('iio:device'))
        .slice(0, 16)
        .map((name) => join(driver, device, name)),
    );
}

/** The first set of input rails of which all are there; undefined when none is. */
function inputRails(names: (name: string) => boolean): readonly string[] | undefined {
  return INPUT_RAILS.find((set) => set.every(names));
}

/**
 * Jetson's INA3221 power monitors: watts by rail (in mV × mA), and the board's power where its input
 * rails are known. `boardRail` names the input rail of other boards (device profile).
 */
export function createIna3221(options: {
  sysfsRoot: string;
  boardRail: string | null;
}): PowerSource {
  const { sysfsRoot, boardRail } = options;
  const inputs = (has: (name: string) => boolean) =>
    inputRails(has) ?? (boardRail === null ? undefined : [boardRail]);
  return createRailSource({
    kind: 'ina3221',
    find: () => [
      ...findChips(sysfsRoot, ['ina3221']).flatMap(hwmonRails),
      ...iioFolders(sysfsRoot).flatMap(iioRails),
    ],
    board(rails) {
      if (rails.size === 0) return null;
      const names = inputs((name) => rails.has(name));
      if (names === undefined) return null;
      return plausibleBoard(sumOfRails(rails, names, `ina3221 ${names.join(' + ')}`));
    },
    covers: (rails) =>
      inputs((name) => rails.some((rail) => rail.name === name)) === undefined ? 'rails' : 'board',
    notes: (rails) =>
      inputs((name) => rails.some((rail) => rail.name === name)) === undefined
        ? ['none of its rails is known to carry the whole board']
        : ['power of the module; the carrier board’s own loads may lie before the sensor'],
  });
}
