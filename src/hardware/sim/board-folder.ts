import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isErrno } from '../../core/index.ts';
import type { DeviceProfile } from '../profile-schema.ts';
import type { PlantParameters } from './parameters.ts';
import type { Plant } from './plant.ts';

/** Supply of the board's input rail, millivolts. */
const SUPPLY_MV = 5000;
/** Nodes of a folder that files are prepared in; no kernel has it, and no reader looks there. */
const STAGING = '.staging';
const POLICY = 'devices/system/cpu/cpufreq/policy0';
const PI_THROTTLED = 'devices/platform/soc/soc:firmware/get_throttled';

export type BoardFolder = {
  /** Puts the plant's present readings into the files. */
  publish(plant: Plant): void;
  /** What somebody wrote into `scaling_max_freq`, kHz; null when it cannot be read as a number. */
  maxFreqKhz(): number | null;
};

/** Channels of a Jetson's INA3221 and the watts that pass each. */
function jetsonRails(plant: Plant, sensedW: number): number[] {
  const parts = plant.trueParts();
  // The sensor's own error shows on the input; the rails behind it are taken to share it.
  const error = sensedW / Math.max(1e-9, plant.trueW());
  return [
    sensedW,
    (parts.coresW + 0.1 * parts.idleW) * error,
    (parts.dramW + 0.2 * parts.idleW) * error,
  ];
}

/**
 * A folder that looks like the board's /sys: power sensor, thermal zone, cpufreq, firmware's throttle
 * signs and the device tree. Every file is put in place by a rename, so no reader ever sees half of one.
 */
export function createBoardFolder(
  folder: string,
  parameters: PlantParameters,
  profile: DeviceProfile,
): BoardFolder {
  mkdirSync(join(folder, STAGING), { recursive: true });
  const known = new Map<string, string>();
  let serial = 0;
  const put = (path: string, text: string) => {
    if (known.get(path) === text) return;
    const target = join(folder, path);
    if (!known.has(path)) mkdirSync(dirname(target), { recursive: true });
    serial += 1;
    const staged = join(folder, STAGING, String(serial % 64));
    writeFileSync(staged, text);
    renameSync(staged, target);
    known.set(path, text);
  };
  const line = (path: string, value: number | string) => put(path, `${value}\n`);

  const khz = parameters.steps.map(({ freqKhz }) => freqKhz);
  const [lowest = 0] = khz;
  const highest = khz.at(-1) ?? lowest;
  line('devices/system/cpu/present', `0-${parameters.cores - 1}`);
  line(`${POLICY}/scaling_available_frequencies`, khz.join(' '));
  line(`${POLICY}/cpuinfo_min_freq`, lowest);
  line(`${POLICY}/cpuinfo_max_freq`, highest);
  line(`${POLICY}/scaling_min_freq`, lowest);
  line(`${POLICY}/scaling_max_freq`, highest);
  line(`${POLICY}/scaling_governor`, 'ondemand');
  line(`${POLICY}/related_cpus`, [...Array(parameters.cores).keys()].join(' '));
  line('class/thermal/thermal_zone0/type', profile.thermal.zones[0] ?? 'cpu-thermal');
  const ending = '\0';
  put('firmware/devicetree/base/model', `${modelName(profile)}${ending}`);
  put(
    'firmware/devicetree/base/compatible',
    profile.detect.compatible
      .slice(0, 1)
      .map((name) => name + ending)
      .join(''),
  );

  const jetson = parameters.sensor.kind === 'ina3221';
  const chip = jetson
    ? 'bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1'
    : 'devices/platform/soc/i2c-1/1-0040/hwmon/hwmon1';
  const labels = ['VDD_IN', 'VDD_CPU_GPU_CV', 'VDD_SOC'];
  line(`${chip}/name`, jetson ? 'ina3221' : 'ina219');
  if (jetson) labels.forEach((label, index) => line(`${chip}/in${index + 1}_label`, label));
  else line(`${chip}/shunt_resistor`, 10_000);
  link(folder, 'class/hwmon/hwmon1', chip);
  if (jetson) {
    const soctherm = 'class/hwmon/hwmon2';
    line(`${soctherm}/name`, 'soctherm_oc');
    for (const number of [1, 2, 3]) line(`${soctherm}/oc${number}_event_cnt`, 0);
  } else {
    line('class/hwmon/hwmon0/name', 'rpi_volt');
  }

  let sinceBoot = 0;
  return {
    publish(plant) {
      const { watts } = plant.sensed();
      if (jetson) {
        jetsonRails(plant, watts).forEach((railW, index) => {
          line(`${chip}/in${index + 1}_input`, SUPPLY_MV);
          line(`${chip}/curr${index + 1}_input`, Math.round((railW * 1e6) / SUPPLY_MV));
        });
        line('class/hwmon/hwmon2/oc3_event_cnt', plant.throttleEvents());
      } else {
        line(`${chip}/in1_input`, SUPPLY_MV);
        line(`${chip}/curr1_input`, Math.round((watts * 1e6) / SUPPLY_MV));
        line(`${chip}/power1_input`, Math.round(watts * 1e6));
        const now = throttledBits(plant);
        sinceBoot |= now << 16;
        line(PI_THROTTLED, (now | sinceBoot).toString(16));
        line('class/hwmon/hwmon0/in0_lcrit_alarm', plant.underVoltage() ? 1 : 0);
      }
      line('class/thermal/thermal_zone0/temp', Math.round(plant.socC() * 2) * 500);
      line(`${POLICY}/scaling_cur_freq`, plant.freqKhz());
    },
    maxFreqKhz() {
      try {
        const text = readFileSync(join(folder, POLICY, 'scaling_max_freq'), 'utf8').trim();
        return /^\d{1,9}$/.test(text) ? Number(text) : null;
      } catch {
        return null;
      }
    },
  };
}

/** A file of the class folder is a link into the device's own, as in a real tree. */
function link(folder: string, from: string, to: string): void {
  const path = join(folder, from);
  mkdirSync(dirname(path), { recursive: true });
  const up = '../'.repeat(from.split('/').length - 1);
  try {
    symlinkSync(`${up}${to}`, path);
  } catch (error) {
    // A second start in the same folder finds its own link.
    if (!isErrno(error, 'EEXIST')) throw error;
  }
}

/** Bits 0 to 3 of the firmware's `get_throttled`. */
function throttledBits(plant: Plant): number {
  const names = plant.throttled();
  return (
    (plant.underVoltage() ? 1 : 0) |
    (names.includes('freq_capped') ? 2 : 0) |
    (names.includes('throttled') ? 4 : 0) |
    (names.includes('soft_temp') ? 8 : 0)
  );
}

/** A model that the profile's own pattern accepts, or its title. */
function modelName(profile: DeviceProfile): string {
  const plain = profile.detect.model
    .map((pattern) => pattern.replaceAll(/^\^|\$$/g, '').trim())
    .find((text) => /^[\w ,.+-]+$/.test(text));
  return `${plain ?? profile.title} (simulated)`;
}
