import { join } from 'node:path';
import type { Reading } from '../reading.ts';
import { attributeOr, listFolder } from '../tree.ts';
import {
  createRailSource,
  isRailName,
  MOST_MACHINE_W,
  plausibleBoard,
  type PowerSource,
  type Rail,
} from './power-source.ts';
import { type Bounds, readWhole } from './whole-number.ts';

/** Counters are 32 bit of at most 2^-10 J; kernels that widen them end below 2^52 µJ. */
const ENERGY: Bounds = { lowest: 0, highest: 2 ** 52, unit: 'µJ' };
const RANGE: Bounds = { lowest: 1, highest: 2 ** 52, unit: 'µJ' };
/** The counter moves about once a millisecond: shorter differences are mostly rounding. */
const SHORTEST_MS = 20;
/** Within this no package wraps twice (262 kJ at 1 kW last over four minutes). */
const LONGEST_MS = 60_000;
/** A package that runs us draws power: a counter that stands still for so long is not driven (virtual machines). */
const STANDSTILL_MS = 100;

type Mark = { atMs: number; microjoules: number };

/** Microjoules from one count to the next of a counter that returns to 0 after `range`. */
export function energyBetween(before: number, after: number, range: number): number {
  return after >= before ? after - before : after + range - before;
}

function railOf(folder: string, name: string): Rail {
  const counter = join(folder, 'energy_uj');
  let before: Mark | undefined;
  let last: { atMs: number; watts: number } | undefined;

  function difference(atMs: number, start: Mark, microjoules: number): Reading<'w'> {
    const elapsedMs = atMs - start.atMs;
    const refuse = (reason: string): Reading<'w'> => ({
      ok: false,
      reason: `rapl ${name}: ${reason}`,
    });
    if (microjoules === start.microjoules) {
      return elapsedMs < STANDSTILL_MS
        ? refuse('waiting for the counter')
        : refuse('the energy counter stands still');
    }
    const range = readWhole(join(folder, 'max_energy_range_uj'), RANGE);
    if (!range.ok && microjoules < start.microjoules) return range;
    const spent = energyBetween(start.microjoules, microjoules, range.ok ? range.value : 0);
    const watts = spent / 1000 / elapsedMs;
    if (spent < 0 || watts > MOST_MACHINE_W) return refuse('the energy counter jumped');
    last = { atMs, watts };
    return reading(0);
  }

  function reading(ageMs: number): Reading<'w'> {
    if (last === undefined) return { ok: false, reason: `rapl ${name}: watts need two readings` };
    const source = `rapl ${name}`;
    return { ok: true, value: last.watts, unit: 'w', ageMs, quality: 'measured', source };
  }

  return {
    name,
    where: counter,
    notes: [],
    read(atMs) {
      if (before !== undefined && atMs - before.atMs < SHORTEST_MS && atMs >= before.atMs) {
        return reading(last === undefined ? 0 : atMs - last.atMs);
      }
      const now = readWhole(counter, ENERGY);
      if (!now.ok) {
        before = undefined;
        last = undefined;
        return now;
      }
      const start = before;
      // A counter that has not moved yet keeps its mark, so that standing still is noticed.
      if (now.value !== start?.microjoules) before = { atMs, microjoules: now.value };
      if (start === undefined || atMs < start.atMs || atMs - start.atMs > LONGEST_MS) {
        before = { atMs, microjoules: now.value };
        last = undefined;
        return reading(0);
      }
      return difference(atMs, start, now.value);
    },
  };
}

/** Zones of one package that are part of its figure, or of none: `intel-rapl:0:0` and the like. */
function findZones(sysfsRoot: string): Rail[] {
  const folder = join(sysfsRoot, 'class', 'powercap');
  const rails: Rail[] = [];
  // intel-rapl-mmio shows the same packages a second time.
  for (const zone of listFolder(folder).filter((name) => /^intel-rapl:\d+(:\d+)?$/.test(name))) {
    const name = attributeOr(join(folder, zone, 'name'), '');
    if (!isRailName(name)) continue;
    const parent = /^intel-rapl:(\d+):\d+$/.exec(zone)?.[1];
    const full = parent === undefined || parent === '0' ? name : `package-${parent}/${name}`;
    rails.push(railOf(join(folder, zone), full));
  }
  return rails;
}

/**
 * RAPL energy counters of x86 machines: watts are differences over the time between two readings.
 * Only a `psys` zone sees the whole machine; without it the rails are all there is, because packages
 * and memory less the machine's idle power would be no figure of anything.
 */
export function createRapl(options: { sysfsRoot: string }): PowerSource {
  const seesAll = (rails: readonly Rail[]) => rails.some((rail) => rail.name === 'psys');
  return createRailSource({
    kind: 'rapl',
    find: () => findZones(options.sysfsRoot),
    board(rails) {
      const platform = rails.get('psys');
      return platform === undefined ? null : plausibleBoard(platform, MOST_MACHINE_W);
    },
    covers: (rails) => (seesAll(rails) ? 'board' : 'rails'),
    notes: (rails) =>
      seesAll(rails) ? [] : ['sees processor packages and memory, not the rest of the machine'],
  });
}
