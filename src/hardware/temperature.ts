import { join } from 'node:path';
import type { Reading } from './reading.ts';
import { attributeOr, listFolder, readAttribute } from './tree.ts';

/** Zones whose type tells that they measure the SoC, where no profile says which they are. */
const SOC_ZONES = [/^cpu/i, /^soc/i, /^x86_pkg_temp$/, /^tj/i, /^gpu/i];

/** Silicon outside of this is broken or not being measured; Jetson's unpowered zones say −256 °C. */
const LOWEST_PLAUSIBLE_C = -40;
const HIGHEST_PLAUSIBLE_C = 150;

type Zone = { name: string; type: string };

function socZones(zones: readonly Zone[], types: readonly string[]): Zone[] {
  if (types.length > 0) return zones.filter((zone) => types.includes(zone.type));
  return zones.filter((zone) => SOC_ZONES.some((pattern) => pattern.test(zone.type)));
}

function readZone(folder: string, zone: Zone): Reading<'c'> {
  const read = readAttribute(join(folder, zone.name, 'temp'));
  if (!read.ok) return { ok: false, reason: `${zone.type}: ${read.reason}` };
  const text = read.text.trim();
  // The kernel prints whole thousandths of a degree; "", "nan" and "1e9" come from broken drivers.
  if (!/^-?\d{1,7}$/.test(text)) {
    return {
      ok: false,
      reason: `${zone.type}: ${JSON.stringify(text.slice(0, 20))} is no temperature`,
    };
  }
  const value = Number(text) / 1000;
  if (value < LOWEST_PLAUSIBLE_C || value > HIGHEST_PLAUSIBLE_C) {
    return { ok: false, reason: `${zone.type}: ${value} °C is not plausible` };
  }
  return { ok: true, value, unit: 'c', ageMs: 0, quality: 'measured', source: zone.type };
}

/** No board has more; a hostile tree may. */
const MOST_ZONES = 64;

/** A type is a word or two; what is longer or odd is no name that anybody could configure. */
const ZONE_TYPE = /^[\w .-]{1,40}$/;

const findZones = (folder: string): Zone[] =>
  listFolder(folder)
    .filter((name) => name.startsWith('thermal_zone'))
    .slice(0, MOST_ZONES)
    .map((name) => ({ name, type: attributeOr(join(folder, name, 'type'), '') }))
    .filter((zone) => ZONE_TYPE.test(zone.type));

/**
 * The SoC's thermal zones under `class/thermal/thermal_zone*`, found once and then only read.
 * `zoneTypes` names them (device profile); empty, or where the board has none of these, they are
 * guessed by type. Never throws.
 */
export function createSocTemperature(sysfsRoot: string, zoneTypes: readonly string[] = []) {
  const folder = join(sysfsRoot, 'class', 'thermal');
  let chosen: Zone[] = [];
  let nothing = 'no thermal zone found';

  function discover(): void {
    const zones = findZones(folder);
    const found = socZones(zones, zoneTypes);
    // A zone once chosen stays: one that is gone is a missing reading, not a board without it.
    if (found.length === 0 && chosen.length > 0) return;
    chosen = found;
    nothing =
      zones.length === 0
        ? 'no thermal zone found'
        : `no thermal zone of the SoC among ${zones.map((zone) => zone.type).join(', ')}`;
  }

  function read(): Reading<'c'> {
    let hottest: Reading<'c'> | undefined;
    const reasons: string[] = [];
    for (const zone of chosen) {
      const reading = readZone(folder, zone);
      if (!reading.ok) reasons.push(reading.reason);
      else if (hottest?.ok !== true || reading.value > hottest.value) hottest = reading;
    }
    return hottest ?? { ok: false, reason: reasons.join('; ') || nothing };
  }

  discover();
  return { discover, read, zones: (): readonly string[] => chosen.map((zone) => zone.type) };
}

/** One thermal zone; `soc` tells whether the SoC's temperature goes by it. */
export type ThermalZone = Zone & { soc: boolean; reading: Reading<'c'> };

/** Every thermal zone with its reading, for people; `zoneTypes` as for createSocTemperature. Never throws. */
export function readThermalZones(
  sysfsRoot: string,
  zoneTypes: readonly string[] = [],
): ThermalZone[] {
  const folder = join(sysfsRoot, 'class', 'thermal');
  const zones = findZones(folder);
  const soc = new Set(socZones(zones, zoneTypes));
  return zones.map((zone) => ({
    name: zone.name,
    type: zone.type,
    soc: soc.has(zone),
    reading: readZone(folder, zone),
  }));
}

/** Temperature of the SoC in °C, once: the hottest of its zones. */
export const readSocTemperature = (
  sysfsRoot: string,
  zoneTypes: readonly string[] = [],
): Reading<'c'> => createSocTemperature(sysfsRoot, zoneTypes).read();
