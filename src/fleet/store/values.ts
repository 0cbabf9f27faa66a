import type { Telemetry } from '../../protocol/index.ts';
import { SERIES_FIELD_NAMES, SERIES_FIELDS } from '../../protocol/fleet/index.ts';

const PATHS = SERIES_FIELD_NAMES.map((name) => name.split('.') as [string, string]);

/** A telemetry message as numbers in the order of SERIES_FIELD_NAMES; anything that is no number is null. */
export function sampleValues(telemetry: Telemetry): (number | null)[] {
  const groups = telemetry as unknown as Record<string, Record<string, unknown> | undefined>;
  return PATHS.map(([group, field]) => {
    const value = groups[group]?.[field];
    if (typeof value === 'number') return Number.isFinite(value) ? value : null;
    if (typeof value === 'boolean') return value ? 1 : 0;
    return Array.isArray(value) ? Number(value.length > 0) : null;
  });
}

/** Resolution of each field, in the order of SERIES_FIELD_NAMES. */
export const STEPS: readonly number[] = SERIES_FIELD_NAMES.map((name) => SERIES_FIELDS[name].step);

/** A step finer than a whole number as its inverse, so that 1.1 W comes back as 1.1 and not 1.1000000000000001. */
const SCALES = STEPS.map((step) => (step < 1 ? Math.round(1 / step) : 0));

/** The value as a whole multiple of the field's step. */
export function quantise(value: number, field: number): number {
  const scale = SCALES[field] ?? 0;
  return Math.round(scale > 0 ? value * scale : value / (STEPS[field] ?? 1));
}

export function restore(multiple: number, field: number): number {
  const scale = SCALES[field] ?? 0;
  return scale > 0 ? multiple / scale : multiple * (STEPS[field] ?? 1);
}

export const KINDS = SERIES_FIELD_NAMES.map((name) => SERIES_FIELDS[name].kind);
