/**
 * What a sensor says: a value with its unit, its age and how it came about, or the reason why there
 * is none. There is no magic number for "unknown": whoever decides must handle the reason, and an
 * unknown temperature or power always means less work, never more.
 */
export type Reading<Unit extends string = string> =
  | { ok: true; value: number; unit: Unit; ageMs: number; quality: ReadingQuality; source: string }
  | { ok: false; reason: string };

/** `measured` by a sensor of the quantity itself, or `estimated` from others and a device profile. */
type ReadingQuality = 'measured' | 'estimated';
