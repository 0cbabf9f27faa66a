import type { Kind } from './kinds.ts';

export type SettingFlags<T> = {
  /** A change takes effect without a restart. */
  live?: boolean;
  /** May be set over MQTT (`config.set`). */
  remote?: boolean;
  /** Why this change may not be made over MQTT although the key may; undefined lets it pass. */
  refuseRemote?(current: T, wanted: T): string | undefined;
  /** May hold a secret: masked wherever it is shown. */
  sensitive?: boolean;
};

/** One key of the schema. convict reads `doc`, `default`, `format` and `sensitive`; the rest is ours. */
export type Setting<T> = {
  doc: string;
  default: T;
  format(value: unknown): void;
  sensitive: boolean;
  live: boolean;
  remote: boolean;
  refuseRemote(current: T, wanted: T): string | undefined;
  kind: Kind<T>;
};

/** `doc` tells unit and consequence, and in parentheses what the default means where that is not plain. */
export function setting<T>(
  kind: Kind<T>,
  standard: NoInfer<T>,
  doc: string,
  flags: SettingFlags<NoInfer<T>> = {},
): Setting<T> {
  return {
    doc,
    default: standard,
    format(value) {
      const problem = kind.problem(value);
      if (problem !== undefined) throw new Error(problem);
    },
    sensitive: flags.sensitive ?? false,
    live: flags.live ?? false,
    remote: flags.remote ?? false,
    refuseRemote: (current, wanted) => flags.refuseRemote?.(current, wanted),
    kind,
  };
}

export function isSetting(value: unknown): value is Setting<unknown> {
  return typeof value === 'object' && value !== null && 'kind' in value && 'format' in value;
}
