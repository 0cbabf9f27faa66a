import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import { isErrno } from '../core/index.ts';
import { type ConfigProblem, nearestKey, type Origin } from './problems.ts';
import { settings } from './schema.ts';

/** One value that a source gives for a key; whether it is a good one is not known yet. */
export type Entry = { key: string; value: unknown; origin: Origin };

/** What a source holds: values for known keys, and what is wrong with the rest of it. */
export type SourceContent = { entries: Entry[]; problems: ConfigProblem[] };

/** Every key with its explanation fits a dozen times; the parser needs a hundred times as much memory. */
const LONGEST_FILE = 256 * 1024;

const ENVIRONMENT_PREFIX = 'TWOWATT_';

const environmentName = (key: string): string =>
  ENVIRONMENT_PREFIX + key.toUpperCase().replaceAll('.', '__');

const isSection = (key: string): boolean =>
  [...settings.keys()].some((known) => known.startsWith(`${key}.`));

function unknownKey(key: string, origin: Origin): ConfigProblem {
  const suggestion = nearestKey(key);
  return {
    key,
    message: 'no such setting',
    origin,
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The settings in a nested object (or one with dotted keys). An empty value (`password_file:` in
 * YAML) means "not set".
 */
export function entriesOf(tree: unknown, origin: Origin, prefix = ''): SourceContent {
  const content: SourceContent = { entries: [], problems: [] };
  if (tree === null || tree === undefined) return content;
  if (!isObject(tree)) {
    content.problems.push({
      key: prefix === '' ? '(whole file)' : prefix,
      message: `expected ${prefix === '' ? 'sections' : 'settings'} with names, found ${show(tree)}`,
      origin,
    });
    return content;
  }
  for (const [name, value] of Object.entries(tree)) {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    if (settings.has(key)) {
      if (value !== null) content.entries.push({ key, value, origin });
    } else if (isSection(key)) {
      const inner = entriesOf(value, origin, key);
      content.entries.push(...inner.entries);
      content.problems.push(...inner.problems);
    } else {
      content.problems.push(unknownKey(key, origin));
    }
  }
  return content;
}

/** A value as people should see it in a message: short, and JSON so that "2" and 2 differ. */
export function show(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 60 ? `${json.slice(0, 57)}…` : json;
}

// A board without a configuration file never pays for the YAML parser.
const loadYaml = (): typeof Yaml => createRequire(import.meta.url)('yaml') as typeof Yaml;

/** Reads a YAML or JSON file; undefined when there is none. */
export function readConfigFile(file: string): SourceContent | undefined {
  const origin: Origin = { source: 'file', detail: file };
  const broken = (message: string): SourceContent => ({
    entries: [],
    problems: [{ key: file, message, origin }],
  });
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    return broken(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (text.length > LONGEST_FILE) {
    return broken(`has ${text.length} characters; expected at most ${LONGEST_FILE}`);
  }
  try {
    // Also what the parser throws: nesting that is too deep for its stack, for one.
    const document = loadYaml().parseDocument(text, { prettyErrors: true });
    const [error] = document.errors;
    if (error !== undefined) {
      const at = error.linePos?.[0];
      const where = at === undefined ? '' : ` at line ${at.line}, column ${at.col}`;
      return broken(`not valid YAML or JSON${where}: ${error.message.split('\n')[0] ?? ''}`);
    }
    return entriesOf(document.toJS({ maxAliasCount: 20 }), origin);
  } catch (thrown) {
    return broken(`not usable: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

/** `TWOWATT_MQTT__TLS__CA_FILE` sets `mqtt.tls.ca_file`; lists and objects are JSON. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): SourceContent {
  const content: SourceContent = { entries: [], problems: [] };
  const oneUnderscore = new Map(
    [...settings.keys()].map((key) => [environmentName(key).replaceAll('__', '_'), key]),
  );
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || text === undefined) continue;
    const origin: Origin = { source: 'environment', detail: name };
    const key = name.slice(ENVIRONMENT_PREFIX.length).toLowerCase().replaceAll('__', '.');
    const found = settings.get(key);
    if (found !== undefined) {
      content.entries.push({ key, value: found.kind.fromText(text), origin });
      continue;
    }
    const meant = oneUnderscore.get(name.replaceAll('__', '_'));
    if (meant !== undefined) {
      const suggestion = environmentName(meant);
      content.problems.push({ key, message: 'no such setting', origin, suggestion });
    } else if (name.includes('__')) {
      content.problems.push(unknownKey(key, origin));
    }
    // Other variables (TWOWATT_DEMO and the like) may belong to scripts around the daemon.
  }
  return content;
}

/** `--set section.key=value`; what follows the first equals sign is the value. */
export function readFlags(flags: readonly string[]): SourceContent {
  const content: SourceContent = { entries: [], problems: [] };
  for (const flag of flags) {
    const origin: Origin = { source: 'flag', detail: '--set' };
    const at = flag.indexOf('=');
    if (at <= 0) {
      content.problems.push({ key: flag, message: 'expected section.key=value', origin });
      continue;
    }
    const key = flag.slice(0, at).trim();
    const found = settings.get(key);
    if (found === undefined) content.problems.push(unknownKey(key, origin));
    else {
      content.entries.push({ key, value: found.kind.fromText(flag.slice(at + 1)), origin });
    }
  }
  return content;
}
