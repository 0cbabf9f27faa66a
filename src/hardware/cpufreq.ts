import { join } from 'node:path';
import { attributeOr, listFolder } from './tree.ts';
import { type Bounds, readWhole } from './sensors/whole-number.ts';

/** No core that runs Node clocks below 10 MHz or above 10 GHz. */
export const CLOCK_KHZ: Bounds = { lowest: 10_000, highest: 10_000_000, unit: 'kHz' };

/** More clusters than any processor of ours has; a hostile tree may offer thousands. */
const MOST_POLICIES = 64;

/** A group of cores that share a clock. Frequencies in kHz; null where the kernel does not say. */
export type CpufreqPolicy = {
  name: string;
  folder: string;
  currentKhz: number | null;
  /** Rising; empty where the driver has no table (then any clock between the hardware's ends will do). */
  availableKhz: number[];
  /** Bounds that are set now. */
  minKhz: number | null;
  maxKhz: number | null;
  /** What the hardware can do. */
  hardwareMinKhz: number | null;
  hardwareMaxKhz: number | null;
};

/** One clock in kHz, or null. Never throws. */
export function readKhz(folder: string, attribute: string): number | null {
  const read = readWhole(join(folder, attribute), CLOCK_KHZ);
  return read.ok ? read.value : null;
}

function readTable(folder: string): number[] {
  const words = attributeOr(join(folder, 'scaling_available_frequencies'), '').split(/\s+/);
  const steps = words
    .filter((word) => /^\d{4,9}$/.test(word))
    .map(Number)
    .filter((khz) => khz >= CLOCK_KHZ.lowest && khz <= CLOCK_KHZ.highest);
  return [...new Set(steps)].sort((a, b) => a - b);
}

/** Every policy under `devices/system/cpu/cpufreq`, in the order of their numbers. Never throws. */
export function readCpufreq(sysfsRoot: string): CpufreqPolicy[] {
  const root = join(sysfsRoot, 'devices', 'system', 'cpu', 'cpufreq');
  return listFolder(root)
    .filter((name) => /^policy\d{1,4}$/.test(name))
    .slice(0, MOST_POLICIES)
    .map((name) => {
      const folder = join(root, name);
      return {
        name,
        folder,
        currentKhz: readKhz(folder, 'scaling_cur_freq'),
        availableKhz: readTable(folder),
        minKhz: readKhz(folder, 'scaling_min_freq'),
        maxKhz: readKhz(folder, 'scaling_max_freq'),
        hardwareMinKhz: readKhz(folder, 'cpuinfo_min_freq'),
        hardwareMaxKhz: readKhz(folder, 'cpuinfo_max_freq'),
      };
    });
}

/** Fastest clock that a policy can be driven to, as far as known. */
const topKhz = (policy: CpufreqPolicy): number =>
  policy.hardwareMaxKhz ?? policy.availableKhz.at(-1) ?? policy.maxKhz ?? 0;

/** The policy of the fastest cores: where the engine's threads end up, and what power goes by. */
export function fastestPolicy(policies: readonly CpufreqPolicy[]): CpufreqPolicy | undefined {
  return policies.reduce<CpufreqPolicy | undefined>(
    (best, policy) => (best === undefined || topKhz(policy) > topKhz(best) ? policy : best),
    undefined,
  );
}
