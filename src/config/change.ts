import { isDeepStrictEqual } from 'node:util';
import type { LoadedConfig } from './load.ts';
import type { Origin } from './problems.ts';
import { relationProblems } from './relations.ts';
import { type Config, type ConfigKey, isConfigKey, settings, valueAt } from './schema.ts';

/** What a change of the configuration comes to in a daemon that runs. */
export type ConfigChange = {
  /** Keys that take effect at once. */
  applied: ConfigKey[];
  /** Keys that take effect after a restart. */
  restart: ConfigKey[];
};

export function splitByEffect(keys: readonly ConfigKey[]): ConfigChange {
  const isLive = (key: ConfigKey) => settings.get(key)?.live === true;
  return {
    applied: keys.filter(isLive),
    restart: keys.filter((key) => !isLive(key)),
  };
}

/** A copy with one more value. */
export function withValue(values: Config, key: ConfigKey, value: unknown): Config {
  const copy = structuredClone(values);
  const levels = key.split('.');
  const last = levels.pop() ?? key;
  const parent = (levels.length === 0 ? copy : valueAt(copy, levels.join('.'))) as Record<
    string,
    unknown
  >;
  parent[last] = value;
  return copy;
}

/** The running configuration with new values for `keys`; the others keep theirs. */
export function takeValues(
  current: LoadedConfig,
  keys: readonly ConfigKey[],
  source: { value(key: ConfigKey): unknown; origin(key: ConfigKey): Origin },
): LoadedConfig {
  let values = current.values;
  const origins = { ...current.origins };
  for (const key of keys) {
    values = withValue(values, key, source.value(key));
    origins[key] = source.origin(key);
  }
  return { ...current, values, origins };
}

/**
 * What a configuration that was read anew changes. In `config` live keys have their new values; a key
 * that needs a restart keeps the old one, so that every later reload names it again until then.
 */
export function planReload(
  current: LoadedConfig,
  next: LoadedConfig,
): { change: ConfigChange; config: LoadedConfig } {
  const source = {
    value: (key: ConfigKey) => valueAt(next.values, key),
    origin: (key: ConfigKey) => next.origins[key],
  };
  const changed = [...settings.keys()]
    .filter(isConfigKey)
    .filter((key) => !isDeepStrictEqual(valueAt(current.values, key), source.value(key)));
  const change = splitByEffect(changed);
  // New live values may not go with old ones that stay: then they too wait for the restart.
  const taken = takeValues(current, change.applied, source);
  for (const conflict of relationProblems(taken.values, taken.origins)) {
    const section = `${conflict.key.split('.')[0]}.`;
    const held = change.applied.filter((key) => key.startsWith(section));
    change.applied = change.applied.filter((key) => !held.includes(key));
    change.restart.push(...held);
  }
  const keptOverlay = next.overlayPath === current.overlayPath ? next.overlay : current.overlay;
  return {
    change,
    config: {
      ...takeValues(current, change.applied, source),
      overlay: keptOverlay,
      problems: next.problems,
    },
  };
}
