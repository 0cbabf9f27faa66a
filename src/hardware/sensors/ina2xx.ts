import { join } from 'node:path';
import { attributeOr } from '../tree.ts';
import { chipChanged, findChips, type HwmonChip } from './hwmon.ts';
import {
  createRailSource,
  isRailName,
  plausibleBoard,
  type PowerSource,
  type Rail,
} from './power-source.ts';
import { type Bounds, readWhole } from './whole-number.ts';

/** Names that the kernel's ina2xx, ina238 and ina260 drivers give their chips. */
const CHIPS = 'ina219 ina220 ina226 ina228 ina230 ina231 ina237 ina238 ina260'.split(' ');

/** Boards of ours hang behind such a chip with at most a 150 W supply. The register has no sign. */
const POWER: Bounds = { lowest: 0, highest: 150_000_000, unit: 'µW' };
/** From 0.1 mΩ (large currents) to 10 Ω (tiny ones). */
const SHUNT: Bounds = { lowest: 100, highest: 10_000_000, unit: 'µΩ' };
const UPDATE_INTERVAL: Bounds = { lowest: 0, highest: 10_000, unit: 'ms' };

function railOf(chip: HwmonChip): Rail {
  const label = attributeOr(join(chip.folder, 'power1_label'), '');
  const place = chip.device === null ? chip.name : `${chip.name}@${chip.device}`;
  const name = isRailName(label) ? label : isRailName(place) ? place : chip.name;
  const shunt = readWhole(join(chip.folder, 'shunt_resistor'), SHUNT);
  const interval = readWhole(join(chip.folder, 'update_interval'), UPDATE_INTERVAL);
  const power = join(chip.folder, 'power1_input');
  return {
    name,
    where: power,
    notes: [
      shunt.ok
        ? `goes by a shunt of ${shunt.value / 1000} mΩ: a wrong one scales all watts`
        : 'does not say which shunt it goes by',
    ],
    read() {
      const changed = chipChanged(chip);
      if (changed !== null) return { ok: false, reason: changed };
      const microwatts = readWhole(power, POWER);
      if (!microwatts.ok) return microwatts;
      return {
        ok: true,
        value: microwatts.value / 1e6,
        unit: 'w',
        ageMs: interval.ok ? interval.value : 0,
        quality: 'measured',
        source: name,
      };
    },
  };
}

/**
 * External INA219/226/260 on an I2C bus. One of them is taken to feed the whole board; where there
 * are several, `boardRail` (device profile) says which, else none is.
 */
export function createIna2xx(options: {
  sysfsRoot: string;
  boardRail: string | null;
}): PowerSource {
  const { sysfsRoot, boardRail } = options;
  const feeds = (names: readonly string[]): string | undefined => {
    if (boardRail !== null && names.includes(boardRail)) return boardRail;
    return names.length === 1 ? names[0] : undefined;
  };
  return createRailSource({
    kind: 'ina2xx',
    find: () => findChips(sysfsRoot, CHIPS).map(railOf),
    board(rails) {
      const name = feeds([...rails.keys()]);
      const reading = name === undefined ? undefined : rails.get(name);
      return reading === undefined ? null : plausibleBoard(reading);
    },
    covers: (rails) => (feeds(rails.map((rail) => rail.name)) === undefined ? 'rails' : 'board'),
    notes: (rails) =>
      feeds(rails.map((rail) => rail.name)) === undefined
        ? ['several sensors: the device profile has to name the one that feeds the board']
        : ['taken to feed the whole board'],
  });
}
