import type { LoadedConfig } from './load.ts';
import { maskValue } from './mask.ts';
import type { Origin } from './problems.ts';
import { type ConfigKey, isConfigKey, settings, valueAt } from './schema.ts';

export type ConfigRow = { key: ConfigKey; value: unknown; origin: Origin };

/** Every setting with its value (secrets masked) and where that came from, in the order of the schema. */
export function describeConfig(loaded: Pick<LoadedConfig, 'values' | 'origins'>): ConfigRow[] {
  return [...settings.keys()].filter(isConfigKey).map((key) => ({
    key,
    value: maskValue(key, valueAt(loaded.values, key)),
    origin: loaded.origins[key],
  }));
}

export type SettingFacts = {
  key: ConfigKey;
  default: unknown;
  doc: string;
  expected: string;
  live: boolean;
  remote: boolean;
};

/** What docs/configuration.md says of every setting. */
export function describeSchema(): SettingFacts[] {
  return [...settings]
    .map(([key, known]) => ({ key, known }))
    .filter((entry): entry is typeof entry & { key: ConfigKey } => isConfigKey(entry.key))
    .map(({ key, known }) => ({
      key,
      default: known.default,
      doc: known.doc,
      expected: known.kind.expected,
      live: known.live,
      remote: known.remote,
    }));
}
