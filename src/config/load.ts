import { join } from 'node:path';
import convict from 'convict';
import { TwowattError } from '../core/index.ts';
import { defaultStateFolder, thisMachinesNodeId } from './machine.ts';
import { holdsSecret, maskValue } from './mask.ts';
import { ConfigError, type ConfigProblem, type Origin } from './problems.ts';
import { relationProblems } from './relations.ts';
import { readOverlay } from './remote.ts';
import { type Config, type ConfigKey, schema, settings } from './schema.ts';
import {
  type Entry,
  entriesOf,
  readConfigFile,
  readEnvironment,
  readFlags,
  show,
  type SourceContent,
} from './sources.ts';

export type LoadOptions = {
  /** `--config`: must exist. Without it the usual places are tried. */
  file?: string | undefined;
  /** `--set` flags, `section.key=value`. */
  set?: readonly string[] | undefined;
  env: Readonly<Record<string, string | undefined>>;
  /** Values set over MQTT. Default: `remote-config.json` in the state folder; null reads none. */
  overlayPath?: string | null | undefined;
  /** Defaults that a device profile brings, nested as in the file. */
  profileDefaults?: { profile: string; values: object } | undefined;
  homeFolder: string;
  /** Where a file is looked for without `file`, first found wins. */
  searchFiles?: readonly string[] | undefined;
};

export type LoadedConfig = {
  values: Config;
  origins: Readonly<Record<ConfigKey, Origin>>;
  /** The file that was read; null when there is none. */
  file: string | null;
  /** Where values set over MQTT are kept; null when they are not. */
  overlayPath: string | null;
  /** What the overlay asks for, good or not; `planChanges` builds on it. */
  overlay: Readonly<Record<string, unknown>>;
  /** Values set over MQTT that no longer fit the schema: ignored, so that a distant board still starts. */
  problems: readonly ConfigProblem[];
};

const OVERLAY_FILE = 'remote-config.json';

/** The usual places of the configuration file. */
export const defaultConfigFiles = (homeFolder: string): string[] => [
  '/etc/twowatt/config.yaml',
  join(homeFolder, '.config', 'twowatt', 'config.yaml'),
];

function readFiles(options: LoadOptions): { file: string | null; content: SourceContent } {
  if (options.file !== undefined) {
    const content = readConfigFile(options.file);
    if (content !== undefined) return { file: options.file, content };
    throw new ConfigError([
      {
        key: options.file,
        message: 'there is no such file',
        origin: { source: 'flag', detail: '--config' },
      },
    ]);
  }
  for (const file of options.searchFiles ?? defaultConfigFiles(options.homeFolder)) {
    const content = readConfigFile(file);
    if (content !== undefined) return { file, content };
  }
  return { file: null, content: { entries: [], problems: [] } };
}

/** What is wrong with a value for a known key; undefined when nothing is. */
export function entryProblem(entry: Entry): ConfigProblem | undefined {
  const known = settings.get(entry.key);
  const wrong = known?.kind.problem(entry.value);
  if (wrong !== undefined) {
    const found = show(maskValue(entry.key, entry.value));
    return { key: entry.key, message: `${wrong}, found ${found}`, origin: entry.origin };
  }
  if (entry.origin.source === 'flag' && holdsSecret(entry.key, entry.value)) {
    const message = 'passwords do not belong on a command line, where every user can read them';
    return { key: entry.key, message, origin: entry.origin };
  }
  return undefined;
}

function expandHome(value: unknown, homeFolder: string): unknown {
  if (typeof value !== 'string') return value;
  return value.startsWith('~/') ? join(homeFolder, value.slice(2)) : value;
}

/** Values whose default depends on this machine or on other values. */
function fillIn(values: Config, options: LoadOptions): void {
  values.node.id ||= thisMachinesNodeId();
  values.node.state_folder ||= defaultStateFolder(options.env, options.homeFolder);
  const state = values.node.state_folder;
  values.queue.path ||= join(state, 'queue.sqlite');
  values.model.cache_path ||= join(state, 'models');
  values.fleet.store ||= join(state, 'fleet.sqlite');
}

/** The last good value of each key, in rising precedence. */
function merge(entries: readonly Entry[], options: LoadOptions) {
  const origins: Record<string, Origin> = {};
  for (const key of settings.keys()) origins[key] = { source: 'default', detail: null };
  // convict would read process.env and process.argv by itself.
  const store = convict(schema as unknown as convict.Schema<Config>, { env: {}, args: [] });
  for (const { key, value, origin } of entries) {
    const isPath = settings.get(key)?.kind.isPath === true;
    store.set(key, isPath ? expandHome(value, options.homeFolder) : value);
    origins[key] = origin;
  }
  try {
    store.validate({ allowed: 'strict' });
  } catch (error) {
    throw new TwowattError('internal', 'the configuration passed our checks but not convict', {
      cause: error,
    });
  }
  const values = store.getProperties();
  fillIn(values, options);
  return { values, origins: origins as Record<ConfigKey, Origin> };
}

/**
 * Merges all sources: flags over environment over values set over MQTT over the file over the device
 * profile over defaults. Throws a ConfigError that names every bad key.
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const { file, content: fromFile } = readFiles(options);
  const profile = options.profileDefaults;
  const fromProfile = entriesOf(profile?.values, {
    source: 'profile',
    detail: profile?.profile ?? null,
  });
  const local = [fromProfile, fromFile, readEnvironment(options.env), readFlags(options.set ?? [])];

  const problems = local.flatMap((content) => content.problems);
  for (const { entries } of local) {
    for (const entry of entries) {
      const problem = entryProblem(entry);
      if (problem !== undefined) problems.push(problem);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);

  // Where the overlay lies cannot be set over MQTT, so the local sources decide it.
  const localEntries = local.flatMap((content) => content.entries);
  const stateFolder = merge(localEntries, options).values.node.state_folder;
  const overlayPath =
    options.overlayPath === undefined ? join(stateFolder, OVERLAY_FILE) : options.overlayPath;
  const remote = overlayPath === null ? undefined : readOverlay(overlayPath);

  const build = (remoteEntries: readonly Entry[]) => {
    const [profileContent, fileContent, ...stronger] = local.map((content) => content.entries);
    const ordered = [profileContent, fileContent, remoteEntries, ...stronger];
    return merge(
      ordered.flatMap((entries) => entries ?? []),
      options,
    );
  };
  let merged = build(remote?.entries ?? []);
  let relations = relationProblems(merged.values, merged.origins);
  let ignored = remote?.problems ?? [];
  if (relations.length > 0 && remote !== undefined && remote.entries.length > 0) {
    // The file may have changed since; a board must not stay down for a value set from afar.
    const without = build([]);
    const stillWrong = relationProblems(without.values, without.origins);
    if (stillWrong.length === 0) {
      ignored = [...ignored, ...relations];
      merged = without;
    }
    relations = stillWrong;
  }
  if (relations.length > 0) throw new ConfigError(relations);
  return { ...merged, file, overlayPath, overlay: remote?.raw ?? {}, problems: ignored };
}
