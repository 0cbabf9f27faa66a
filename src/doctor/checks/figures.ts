import type { Reading } from '../../protocol/index.ts';

/** Bytes as people read them, three digits at most. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 99.5 || unit === 0 ? Math.round(value) : Number(value.toPrecision(2))} ${units[unit]}`;
}

const UNITS = { w: ['W', 2], c: ['°C', 1] } as const;

export function readingText(reading: Reading<'w'> | Reading<'c'>): string {
  if (!reading.ok) return reading.reason;
  const [name, digits] = UNITS[reading.unit];
  return `${reading.value.toFixed(digits)} ${name}`;
}

export const clockText = (khz: number | null): string =>
  khz === null ? '?' : `${(khz / 1e6).toFixed(2)} GHz`;

export const shortDigest = (digest: string): string => digest.slice(0, 12);

/** A path for a shell, quoted only where it must be. */
export const shellPath = (path: string): string =>
  /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
