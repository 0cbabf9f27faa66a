import { realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { attributeOr, listFolder } from '../tree.ts';

/** A chip of the kernel's hardware monitoring. Its number varies from boot to boot; its name does not. */
export type HwmonChip = {
  folder: string;
  name: string;
  /** Name of the device behind it, e.g. `1-0040` (bus and address); null when not told. */
  device: string | null;
};

/** No board has more; a hostile tree may. */
const MOST_CHIPS = 64;

function realpathOr(path: string, otherwise: string): string {
  try {
    return realpathSync(path);
  } catch {
    return otherwise;
  }
}

/** The device of a chip: where its `device` link leads, else the folder above `hwmon/`. */
function deviceOf(folder: string): string | null {
  const device = realpathOr(join(folder, 'device'), '');
  if (device !== '') return basename(device);
  const parts = realpathOr(folder, folder).split('/');
  return parts.at(-2) === 'hwmon' ? (parts.at(-3) ?? null) : null;
}

function chipsIn(folder: string): string[] {
  return listFolder(folder)
    .filter((name) => name.startsWith('hwmon'))
    .slice(0, MOST_CHIPS)
    .map((name) => join(folder, name));
}

/**
 * Chips whose `name` is one of `names`: under `class/hwmon`, and under the I2C driver of the same
 * name, where Jetson kernels show them too. The same chip found twice counts once.
 */
export function findChips(sysfsRoot: string, names: readonly string[]): HwmonChip[] {
  const folders = chipsIn(join(sysfsRoot, 'class', 'hwmon'));
  for (const driver of names) {
    const bus = join(sysfsRoot, 'bus', 'i2c', 'drivers', driver);
    for (const device of listFolder(bus).slice(0, MOST_CHIPS)) {
      folders.push(...chipsIn(join(bus, device, 'hwmon')));
    }
  }
  const found = new Map<string, HwmonChip>();
  for (const folder of folders) {
    const name = attributeOr(join(folder, 'name'), '');
    const real = realpathOr(folder, folder);
    if (!names.includes(name) || found.has(real)) continue;
    found.set(real, { folder, name, device: deviceOf(folder) });
  }
  return [...found.values()];
}

/** Null while the chip is the one that was found; after hot-plugging, its number may be another's. */
export function chipChanged(chip: HwmonChip): string | null {
  const name = attributeOr(join(chip.folder, 'name'), null);
  if (name === chip.name) return null;
  return name === null
    ? `${chip.name}: ${chip.folder} is gone`
    : `${chip.name}: ${chip.folder} is another chip now`;
}
