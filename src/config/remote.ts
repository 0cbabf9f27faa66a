import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno, writeFileAtomic } from '../core/index.ts';
import { type ConfigChange, splitByEffect, takeValues, withValue } from './change.ts';
import type { LoadedConfig } from './load.ts';
import { type ConfigProblem, nearestKey, type Origin, originText } from './problems.ts';
import { relationProblems } from './relations.ts';
import { type ConfigKey, isConfigKey, settings, valueAt } from './schema.ts';
import { type Entry, show } from './sources.ts';

/** What `config.set` would do. Nothing has been changed yet. */
export type ChangePlan = ConfigChange & {
  refused: { key: string; reason: string }[];
  /** The whole overlay with the accepted keys in it, for `saveOverlay`. */
  overlay: Record<string, unknown>;
};

/** Why a value may not come over MQTT at all, whatever it is; undefined when it may. */
function refusedByKey(key: string): string | undefined {
  const known = settings.get(key);
  if (known === undefined) {
    const nearest = nearestKey(key);
    return `no such setting${nearest === undefined ? '' : `; did you mean ${nearest}?`}`;
  }
  return known.remote ? undefined : 'can only be changed on the board';
}

/** Reads the overlay file, an object of dotted keys. What does not fit the schema is reported, not thrown. */
export function readOverlay(
  path: string,
): { raw: Record<string, unknown>; entries: Entry[]; problems: ConfigProblem[] } | undefined {
  const origin: Origin = { source: 'remote', detail: path };
  const unusable = (message: string) => ({
    raw: {},
    entries: [],
    problems: [{ key: path, message, origin }],
  });
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    return unusable(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    return unusable(`expected an object of settings, found ${show(parsed)}`);
  }
  const raw = parsed as Record<string, unknown>;
  const entries: Entry[] = [];
  const problems: ConfigProblem[] = [];
  for (const [key, value] of Object.entries(raw)) {
    const wrong = refusedByKey(key) ?? settings.get(key)?.kind.problem(value);
    if (wrong === undefined) entries.push({ key, value, origin });
    else problems.push({ key, message: wrong, origin });
  }
  return { raw, entries, problems };
}

/** Writes the overlay so that a power cut leaves the old or the new one whole. */
export function saveOverlay(path: string, overlay: Readonly<Record<string, unknown>>): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileAtomic(path, `${JSON.stringify(overlay, null, 2)}\n`);
}

/** Why the value may not be taken over MQTT; undefined when it may. */
function refusal(current: LoadedConfig, key: ConfigKey, wanted: unknown): string | undefined {
  const known = settings.get(key);
  const wrong = known?.kind.problem(wanted);
  if (wrong !== undefined) return `${wrong}, found ${show(wanted)}`;
  const origin = current.origins[key];
  if (origin.source === 'environment' || origin.source === 'flag') {
    return `fixed on the board by ${originText(origin)}, which is stronger`;
  }
  return known?.refuseRemote(valueAt(current.values, key), wanted);
}

/**
 * Checks a `config.set` against the schema, the keys that MQTT may not touch, privacy (which may only
 * become stricter) and what stronger sources have fixed. A refused key does not keep the others from
 * being planned; whoever wants all or nothing looks at `refused`.
 */
export function planChanges(
  current: LoadedConfig,
  patch: Readonly<Record<string, unknown>>,
): ChangePlan {
  const refused: ChangePlan['refused'] = [];
  const accepted = new Map<ConfigKey, unknown>();
  for (const [key, wanted] of Object.entries(patch)) {
    const byKey = refusedByKey(key);
    const reason = byKey ?? (isConfigKey(key) ? refusal(current, key, wanted) : undefined);
    if (reason !== undefined) refused.push({ key, reason });
    else if (isConfigKey(key)) accepted.set(key, wanted);
  }
  let values = current.values;
  for (const [key, wanted] of accepted) values = withValue(values, key, wanted);
  for (const conflict of relationProblems(values, current.origins)) {
    const section = `${conflict.key.split('.')[0]}.`;
    for (const key of accepted.keys()) {
      if (!key.startsWith(section)) continue;
      accepted.delete(key);
      refused.push({ key, reason: `${conflict.key}: ${conflict.message}` });
    }
  }
  return {
    ...splitByEffect([...accepted.keys()]),
    refused,
    overlay: { ...current.overlay, ...Object.fromEntries(accepted) },
  };
}

/**
 * The configuration after a plan, as far as it takes effect without a restart: live keys have their
 * new values, the others only stand in the overlay.
 */
export function applyLive(current: LoadedConfig, plan: ChangePlan): LoadedConfig {
  const taken = takeValues(current, plan.applied, {
    value: (key) => plan.overlay[key],
    origin: () => ({ source: 'remote', detail: current.overlayPath }),
  });
  return { ...taken, overlay: plan.overlay };
}
