import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import * as v from 'valibot';
import { type Config, ConfigError, type ProfileDefaults } from '../config/index.ts';
import { TwowattError } from '../core/index.ts';
import { type Board, detectBoard } from './board.ts';
import { type OverlayUse, useOverlay } from './profile-overlay.ts';
import { type DeviceProfile, profileSchema } from './profile-schema.ts';
import { listFolder } from './tree.ts';

/** Where the profiles of this package lie, seen from `src/` and from `dist/` alike. */
export const bundledProfiles = (): string => resolve(import.meta.dirname, '../../device-profiles');

/** Reads one profile; throws `invalid_request` that names the file and the field. */
export function readProfile(file: string): DeviceProfile {
  const refuse = (why: string, cause?: unknown) =>
    new TwowattError('invalid_request', `device profile ${file}: ${why}`, { param: file, cause });
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error), error);
  }
  const result = v.safeParse(profileSchema, parsed);
  if (!result.success) {
    const [issue] = result.issues;
    throw refuse(`${v.getDotPath(issue) ?? 'whole file'}: ${issue.message}`);
  }
  const profile = result.output;
  if (`${profile.name}.json` !== basename(file)) {
    throw refuse(`name: expected ${basename(file, '.json')}, the file's own name`);
  }
  return profile;
}

/** Every profile in a folder, in the order of their names. */
export function loadProfiles(folder: string = bundledProfiles()): DeviceProfile[] {
  return listFolder(folder)
    .filter((name) => name.endsWith('.json') && name !== 'schema.json')
    .map((name) => readProfile(join(folder, name)));
}

type Fit = { score: number; why: string };
const NO_FIT: Fit = { score: 0, why: '' };

/** How surely a profile fits; score 0 when it does not. A compatible string beats a name, a name beats a guess. */
function fit(profile: DeviceProfile, board: Board): Fit {
  const { compatible, model, arch, generic, min_memory_bytes, max_memory_bytes } = profile.detect;
  if (board.memoryBytes < (min_memory_bytes ?? 0)) return NO_FIT;
  if (board.memoryBytes > (max_memory_bytes ?? Infinity)) return NO_FIT;
  // The device tree lists the most specific name first.
  const place = board.compatible.findIndex((name) => compatible.includes(name));
  const name = board.model;
  if (place >= 0) {
    const found = name === null ? '' : `found ${name}: `;
    return {
      score: 1000 - Math.min(place, 500),
      why: `${found}its device tree says compatible ${board.compatible[place]}`,
    };
  }
  const pattern = name === null ? undefined : model.find((one) => new RegExp(one).test(name));
  if (pattern !== undefined) return { score: 100, why: `found ${name}: the name fits ${pattern}` };
  // A simulated board has its own device tree on any processor, so only the guess looks at that.
  if (generic !== true || arch !== board.arch) return NO_FIT;
  const unknown = name ?? board.compatible[0] ?? 'a board without a name';
  return { score: 1, why: `found ${unknown}, which no profile names: a board of ${arch}` };
}

export type ProfileMatch = { profile: DeviceProfile; why: string };

/**
 * The profile that was asked for (`hardware.profile`), else the one that fits best. Null when none
 * fits; throws a ConfigError when there is none of the wanted name.
 */
export function matchProfile(
  board: Board,
  profiles: readonly DeviceProfile[],
  wanted: string,
): ProfileMatch | null {
  if (wanted !== '') {
    const profile = profiles.find((candidate) => candidate.name === wanted);
    if (profile !== undefined) return { profile, why: 'set by hardware.profile' };
    const names = profiles.map((candidate) => candidate.name).join(', ');
    throw new ConfigError([
      {
        key: 'hardware.profile',
        message: `there is no profile ${wanted}; expected one of ${names}`,
        origin: { source: 'default', detail: null },
      },
    ]);
  }
  let best: (Fit & { profile: DeviceProfile }) | undefined;
  for (const profile of profiles) {
    const { score, why } = fit(profile, board);
    if (score > (best?.score ?? 0)) best = { profile, score, why };
  }
  return best === undefined ? null : { profile: best.profile, why: best.why };
}

/** A board's profile with what was measured on it laid over. */
export type ChosenProfile = ProfileMatch & { overlay: OverlayUse };

/** Detects the board under the configured roots and finds its profile, calibration included. */
export function chooseProfile(
  hardware: Config['hardware'],
  folder: string = bundledProfiles(),
): { board: Board; match: ChosenProfile | null } {
  const board = detectBoard({ sysfsRoot: hardware.sysfs_root, procRoot: hardware.proc_root });
  const match = matchProfile(board, loadProfiles(folder), hardware.profile);
  if (match === null) return { board, match };
  const { profile, use } = useOverlay(match.profile, hardware.profile_overlay);
  return { board, match: { ...match, profile, overlay: use } };
}

/** What `loadConfig` takes as `profileDefaults`. */
export function profileDefaultsFor(hardware: Config['hardware']): ProfileDefaults | undefined {
  const { match } = chooseProfile(hardware);
  return match === null
    ? undefined
    : { profile: match.profile.name, values: match.profile.defaults };
}
