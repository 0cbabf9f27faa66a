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

/**
 * Temperature of the SoC in °C: the hottest of its thermal zones under
 * `class/thermal/thermal_zone*`. `zoneTypes` names the zones (device profile); empty guesses them by
 * type. Never throws.
 */
export function readSocTemperature(
  sysfsRoot: string,
  zoneTypes: readonly string[] = [],
): Reading<'c'> {
  const folder = join(sysfsRoot, 'class', 'thermal');
  const zones = listFolder(folder)
    .filter((name) => name.startsWith('thermal_zone'))
    .map((name) => ({ name, type: attributeOr(join(folder, name, 'type'), '') }));
  if (zones.length === 0) return { ok: false, reason: 'no thermal zone found' };
  const chosen = socZones(zones, zoneTypes);
  if (chosen.length === 0) {
    const found = zones.map((zone) => zone.type).join(', ');
    return { ok: false, reason: `no thermal zone of the SoC among ${found}` };
  }
  let hottest: Reading<'c'> | undefined;
  const reasons: string[] = [];
  for (const zone of chosen) {
    const reading = readZone(folder, zone);
    if (!reading.ok) reasons.push(reading.reason);
    else if (hottest?.ok !== true || reading.value > hottest.value) hottest = reading;
  }
  return hottest ?? { ok: false, reason: reasons.join('; ') };
}
