import { arch, availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { attributeOr, readAttribute } from './tree.ts';

/** What the kernel says about the board it runs on. */
export type Board = {
  /** Device tree's model, for example `Raspberry Pi 5 Model B Rev 1.0`, else the DMI product; null when neither is there. */
  model: string | null;
  /** Device tree's compatible strings, most specific first; empty without a device tree. */
  compatible: string[];
  /** As Node names it: `arm64`, `x64`, … */
  arch: string;
  cores: number;
  memoryBytes: number;
};

export type BoardRoots = {
  /** Normally `/sys`. */
  sysfsRoot: string;
  /** Normally `/proc`. */
  procRoot: string;
};

/** Counts `0-3,8` as five; undefined when the text is no such list. */
export function countCpuList(text: string): number | undefined {
  let count = 0;
  for (const part of text.trim().split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first) return undefined;
    count += last - first + 1;
  }
  return count;
}

/** Text properties of a device tree end in a NUL each. */
function deviceTreeStrings({ sysfsRoot, procRoot }: BoardRoots, name: string): string[] {
  const folders = [
    join(sysfsRoot, 'firmware', 'devicetree', 'base'),
    join(procRoot, 'device-tree'),
  ];
  for (const folder of folders) {
    const strings = attributeOr(join(folder, name), '')
      .split('\0')
      .map((text) => text.trim())
      .filter((text) => text !== '');
    if (strings.length > 0) return strings;
  }
  return [];
}

function dmiModel(sysfsRoot: string): string | null {
  const part = (name: string) => attributeOr(join(sysfsRoot, 'class', 'dmi', 'id', name), '');
  const model = `${part('sys_vendor')} ${part('product_name')}`.trim();
  return model === '' ? null : model;
}

function meminfoBytes(procRoot: string, name: 'MemTotal' | 'MemAvailable'): number | null {
  const read = readAttribute(join(procRoot, 'meminfo'));
  const line = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm');
  const kilobytes = read.ok ? line.exec(read.text)?.[1] : undefined;
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}

/** What programs may still take without swapping, bytes, as the kernel estimates it; null when not told. */
export const availableMemoryBytes = (procRoot: string): number | null =>
  meminfoBytes(procRoot, 'MemAvailable');

/**
 * Reads what board this is; never throws. What the folders do not tell (a bare tree of sensors, say)
 * is taken from the running machine.
 */
export function detectBoard(roots: BoardRoots): Board {
  const [treeModel] = deviceTreeStrings(roots, 'model');
  const present = attributeOr(join(roots.sysfsRoot, 'devices', 'system', 'cpu', 'present'), '');
  return {
    model: treeModel ?? dmiModel(roots.sysfsRoot),
    compatible: deviceTreeStrings(roots, 'compatible'),
    arch: arch(),
    cores: countCpuList(present) ?? availableParallelism(),
    memoryBytes: meminfoBytes(roots.procRoot, 'MemTotal') ?? totalmem(),
  };
}
