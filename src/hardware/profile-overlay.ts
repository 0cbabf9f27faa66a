import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { isErrno } from '../core/index.ts';
import {
  type DeviceProfile,
  figure,
  operatingPointSchema,
  profileSchema,
  text,
} from './profile-schema.ts';

/**
 * Numbers measured on one board, laid over its device profile. Every part has the profile's own form,
 * sources included, and stands in the profile's place; what is absent stays the profile's.
 */
export const overlaySchema = v.strictObject({
  v: v.literal(1),
  /** Name of the profile that it lies over. */
  profile: text,
  measured: v.strictObject({
    /** RFC 3339, by the board's wall clock. */
    at: v.pipe(v.string(), v.isoTimestamp()),
    model: v.strictObject({
      id: text,
      digest: text,
      form: text,
      bytes_per_token: v.pipe(v.number(), v.integer(), v.minValue(1)),
    }),
    /** What read the power. */
    meter: text,
    /** Version of the program that measured. */
    twowatt: text,
    /** What limits the figures, for people. */
    notes: v.array(text),
  }),
  power: v.optional(
    v.strictObject({
      idle_w: v.optional(figure('Board at idle, the engine loaded.')),
      /** Idle watts of rails, by name. */
      rails: v.optional(v.record(v.string(), figure('Rail at idle, the engine loaded.'))),
    }),
  ),
  /**
   * The whole table, not single rows: a modelled row left among measured ones would be chosen for
   * nothing but the optimism of its model.
   */
  operating_points: v.optional(v.pipe(v.array(operatingPointSchema), v.minLength(1))),
  sources: v.record(v.string(), text),
});

export type ProfileOverlay = v.InferOutput<typeof overlaySchema>;

/** What came of an overlay file: `none` (no file), `applied`, or `ignored` with the reason. */
export type OverlayUse =
  | { state: 'none'; file: string }
  | { state: 'applied'; file: string; overlay: ProfileOverlay }
  | { state: 'ignored'; file: string; why: string };

/** Checks an overlay; the reason names the field. */
export function checkOverlay(
  value: unknown,
): { ok: true; overlay: ProfileOverlay } | { ok: false; why: string } {
  const result = v.safeParse(overlaySchema, value);
  if (!result.success) {
    const [issue] = result.issues;
    return { ok: false, why: `${v.getDotPath(issue) ?? 'whole file'}: ${issue.message}` };
  }
  const overlay = result.output;
  const lost = namedSources(overlay).find((source) => overlay.sources[source] === undefined);
  return lost === undefined
    ? { ok: true, overlay }
    : { ok: false, why: `sources: there is no ${lost}, which a number names` };
}

/** Every `source` that a number in `node` names. */
function namedSources(node: unknown): string[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) =>
    name === 'source' && typeof value === 'string' ? [value] : namedSources(value),
  );
}

/** The profile with the overlay's numbers in their places. The result has the profile's schema again. */
export function applyOverlay(profile: DeviceProfile, overlay: ProfileOverlay): DeviceProfile {
  const rails = overlay.power?.rails ?? {};
  const merged: DeviceProfile = {
    ...profile,
    power: {
      ...profile.power,
      idle_w: overlay.power?.idle_w ?? profile.power.idle_w,
      sensors: profile.power.sensors.map((sensor) => ({
        ...sensor,
        rails: sensor.rails.map((rail) => {
          const idle = rails[rail.name];
          return idle === undefined ? rail : { ...rail, idle_w: idle };
        }),
      })),
    },
    operating_points: overlay.operating_points ?? profile.operating_points,
  };
  // The sources of what was replaced go with it.
  const named = new Set(namedSources(merged));
  const sources = Object.entries({ ...profile.sources, ...overlay.sources }).filter(([name]) =>
    named.has(name),
  );
  return v.parse(profileSchema, { ...merged, sources: Object.fromEntries(sources) });
}

/** Lays the file over the profile; a file that does not fit is ignored with a reason, never thrown. */
export function useOverlay(
  profile: DeviceProfile,
  file: string,
): { profile: DeviceProfile; use: OverlayUse } {
  const ignored = (why: string) => ({ profile, use: { state: 'ignored', file, why } }) as const;
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return { profile, use: { state: 'none', file } };
    return ignored(error instanceof Error ? error.message : String(error));
  }
  const checked = checkOverlay(parsed);
  if (!checked.ok) return ignored(checked.why);
  const { overlay } = checked;
  if (overlay.profile !== profile.name) {
    return ignored(`it was measured on ${overlay.profile}, and this board is ${profile.name}`);
  }
  return {
    profile: applyOverlay(profile, overlay),
    use: { state: 'applied', file, overlay },
  };
}
