import type { Command } from 'commander';
import {
  ConfigError,
  describeConfig,
  type LoadedConfig,
  loadConfig,
  originText,
  problemText,
} from '../config/index.ts';
import { profileDefaultsFor } from '../hardware/index.ts';
import {
  action,
  CliError,
  type CommonOptions,
  EXIT,
  homeFolder,
  withCommonOptions,
} from './common.ts';

/** The configuration that a command's options ask for. Throws a ConfigError for a bad one. */
export const loadConfigOf = (options: CommonOptions): LoadedConfig =>
  loadConfig({
    file: options.config,
    set: options.set,
    env: process.env,
    homeFolder: homeFolder(),
    profileDefaults: profileDefaultsFor,
  });

/** The same; a bad one ends the command with exit code 2 and every bad key named. */
export function loadConfigForCli(options: CommonOptions): LoadedConfig {
  try {
    return loadConfigOf(options);
  } catch (error) {
    if (error instanceof ConfigError) throw new CliError(EXIT.usage, error.message);
    throw error;
  }
}

function printable(value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : JSON.stringify(value);
}

function printTable(loaded: LoadedConfig): void {
  const rows = describeConfig(loaded).map((row) => [
    row.key,
    printable(row.value),
    originText(row.origin),
  ]);
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const [keyWidth, valueWidth] = [width(0), Math.min(48, width(1))];
  for (const [key = '', value = '', origin = ''] of rows) {
    process.stdout.write(`${key.padEnd(keyWidth)}  ${value.padEnd(valueWidth)}  ${origin}\n`);
  }
}

function printJson(loaded: LoadedConfig): void {
  const settings = describeConfig(loaded).map(({ key, value, origin }) => [
    key,
    { value, origin: origin.source, ...(origin.detail === null ? {} : { detail: origin.detail }) },
  ]);
  const body = {
    file: loaded.file,
    overlay: loaded.overlayPath,
    settings: Object.fromEntries(settings) as Record<string, unknown>,
    ignored: loaded.problems.map(problemText),
  };
  process.stdout.write(`${JSON.stringify(body, null, 2)}\n`);
}

export function addConfigCommand(program: Command): void {
  withCommonOptions(
    program
      .command('config')
      .description('print the merged configuration and where each value came from'),
  ).action(
    action((options: CommonOptions) => {
      const loaded = loadConfigForCli(options);
      if (options.json === true) return printJson(loaded);
      printTable(loaded);
      for (const problem of loaded.problems) {
        process.stderr.write(`twowatt: ignored ${problemText(problem)}\n`);
      }
    }),
  );
}
