import { join } from 'node:path';
import convict from 'convict';
import { TwowattError } from '../core/index.ts';
import { defaultStateFolder, thisMachinesNodeId } from './machine.ts';
import { holdsSecret, maskValue } from './mask.ts';
import { ConfigError, type ConfigProblem, type Origin } from './problems.ts';
import { relationProblems } from './relations.ts';
import { readOverlay } from './remote.ts';
import { type Config, type ConfigKey, isConfigKey, schema, settings } from './schema.ts';
import {
  type Entry,
  entriesOf,
  readConfigFile,
  readEnvironment,
  readFlags,
  show,
  type SourceContent,
} from './sources.ts';

export type ProfileDefaults = { profile: string; values: object };

export type LoadOptions = {
  /** `--config`: must exist. Without it the usual places are tried. */
  file?: string | undefined;
  /** `--set` flags, `section.key=value`. */
  set?: readonly string[] | undefined;
  env: Readonly<Record<string, string | undefined>>;
  /** Values set over MQTT. Default: `remote-config.json` in the state folder; null reads none. */
  overlayPath?: string | null | undefined;
  /** Finds the device profile for the configured hardware; its values are defaults, nested as in the file. */
  profileDefaults?: ((hardware: Config['hardware']) => ProfileDefaults | undefined) | undefined;
  homeFolder: string;
  /** Where a file is looked for without `file`, first found wins. */
  searchFiles?: readonly string[] | undefined;
};

export type LoadedConfig = {
  values: Config;
  origins: Readonly<Record<ConfigKey, Origin>>;
  /** The file that was read; null when there is none. */
  file: string | null;
  /** The device profile whose defaults are in; null without one. */
  profile: string | null;
  /** Where values set over MQTT are kept; null when they are not. */
  overlayPath: string | null;
  /** What the overlay asks for, good or not; `planChanges` builds on it. */
  overlay: Readonly<Record<string, unknown>>;
  /** Values set over MQTT that no longer fit the schema: ignored, so that a distant board still starts. */
  problems: readonly ConfigProblem[];
};

const OVERLAY_FILE = 'remote-config.json';

/** The usual places of the configuration file. */
const defaultConfigFiles = (homeFolder: string): string[] => [
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
function entryProblem(entry: Entry): ConfigProblem | undefined {
  const known = settings.get(entry.key);
  const wrong = known?.kind.problem(entry.value);
  if (wrong !== undefined) {
    // What is wrong inside a list is named already, and a misplaced key of an endpoint is a secret.
    const scalar = typeof entry.value !== 'object';
    const found = scalar ? `, found ${show(maskValue(entry.key, entry.value))}` : '';
    return { key: entry.key, message: `${wrong}${found}`, origin: entry.origin };
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
  values.hardware.profile_overlay ||= join(state, 'profile-overlay.json');
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

/** Throws for everything that is wrong with what these sources hold. */
function checkSources(contents: readonly SourceContent[]): Entry[] {
  const entries = contents.flatMap((content) => content.entries);
  const bad = entries.map(entryProblem).filter((problem) => problem !== undefined);
  const problems = [...contents.flatMap((content) => content.problems), ...bad];
  if (problems.length > 0) throw new ConfigError(problems);
  return entries;
}

function findProfile(
  options: LoadOptions,
  local: Config,
  origins: Readonly<Record<ConfigKey, Origin>>,
): ProfileDefaults | undefined {
  try {
    return options.profileDefaults?.(local.hardware);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // Whoever looks for profiles does not know where the wish for one came from.
    const placed = error.problems.map(({ key, message, origin }) => ({
      key,
      message,
      origin: isConfigKey(key) ? origins[key] : origin,
    }));
    throw new ConfigError(placed);
  }
}

/**
 * Merges all sources: flags over environment over values set over MQTT over the file over the device
 * profile over defaults. Throws a ConfigError that names every bad key.
 */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const { file, content } = readFiles(options);
  const sources = [content, readEnvironment(options.env), readFlags(options.set ?? [])];
  // What MQTT may not set is decided here: which board this is and where the overlay lies.
  const { values: local, origins } = merge(checkSources(sources), options);
  const profile = findProfile(options, local, origins);
  const overlayPath =
    options.overlayPath === undefined
      ? join(local.node.state_folder, OVERLAY_FILE)
      : options.overlayPath;
  const remote = overlayPath === null ? undefined : readOverlay(overlayPath);

  const profileOrigin: Origin = { source: 'profile', detail: profile?.profile ?? null };
  const fromProfile = checkSources([entriesOf(profile?.values, profileOrigin)]);
  const [fromFile = [], ...stronger] = sources.map((source) => source.entries);
  const build = (remoteEntries: readonly Entry[]) => {
    const merged = merge([fromProfile, fromFile, remoteEntries, ...stronger].flat(), options);
    return { ...merged, relations: relationProblems(merged.values, merged.origins) };
  };

  let built = build(remote?.entries ?? []);
  let ignored = remote?.problems ?? [];
  if (built.relations.length > 0) {
    // A board must not stay down for a value set from afar that the file has since moved away from.
    const withoutRemote = build([]);
    if (withoutRemote.relations.length > 0) throw new ConfigError(withoutRemote.relations);
    ignored = [...ignored, ...built.relations];
    built = withoutRemote;
  }
  return {
    values: built.values,
    origins: built.origins,
    file,
    profile: profile?.profile ?? null,
    overlayPath,
    overlay: remote?.raw ?? {},
    problems: ignored,
  };
}
