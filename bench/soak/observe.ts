import { readdirSync, readFileSync } from 'node:fs';

/** One look at a process: resident bytes, and how many descriptors it has open. */
export type Look = { atS: number; residentBytes: number; descriptors: number };

/** Undefined when the process is gone. */
export function lookAt(pid: number, atS: number): Look | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kibibytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
    return {
      atS,
      residentBytes: kibibytes * 1024,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
    };
  } catch {
    return undefined;
  }
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Slope of the least-squares line through resident memory, MB per hour (1 MB = 10^6 bytes). */
export function slopeMbPerHour(looks: Look[]): number {
  const meanS = mean(looks.map(({ atS }) => atS));
  const meanBytes = mean(looks.map(({ residentBytes }) => residentBytes));
  let products = 0;
  let squares = 0;
  for (const { atS, residentBytes } of looks) {
    products += (atS - meanS) * (residentBytes - meanBytes);
    squares += (atS - meanS) ** 2;
  }
  return ((products / squares) * 3600) / 1e6;
}

/** Smallest value that at least `part` of the samples do not exceed. */
export function percentile(samples: number[], part: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}
