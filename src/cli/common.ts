import { homedir } from 'node:os';
import { type Command, Option } from 'commander';
import { isErrno, TwowattError, toTwowattError } from '../core/index.ts';

/** 0 fine; 1 it failed; 2 wrong usage or configuration; 3 a needed thing is unreachable; 130 interrupted. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

export type CommonOptions = { config?: string; set: string[]; json?: boolean };

/** Every command takes `--config`, `--set` and, where it prints data, `--json`. */
export function withCommonOptions(command: Command, { json = true } = {}): Command {
  command
    .option('--config <file>', 'configuration file (YAML or JSON)')
    .addOption(
      new Option('--set <section.key=value>', 'override one setting (repeatable)')
        .argParser((value: string, all: string[]) => [...all, value])
        .default([], 'none'),
    );
  if (json) command.option('--json', 'print JSON');
  return command;
}

/** The user's home; the root folder for users without one, such as systemd's dynamic users. */
export function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return '/';
  }
}

/** An error that ends the command with a certain exit code. */
export class CliError extends Error {
  readonly exitCode: number;
  constructor(exitCode: number, message: string) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

/** Wraps a command's body: errors become one line on stderr and an exit code, never a stack trace. */
export function action<Arguments extends unknown[]>(
  body: (...args: Arguments) => Promise<void> | void,
): (...args: Arguments) => Promise<void> {
  return async (...args) => {
    try {
      await body(...args);
    } catch (error) {
      if (isErrno(error, 'EPIPE')) return;
      if (error instanceof CliError) {
        process.stderr.write(`twowatt: ${error.message}\n`);
        process.exitCode = error.exitCode;
        return;
      }
      const coded = toTwowattError(error);
      const name = error instanceof TwowattError ? `${coded.code}: ` : '';
      process.stderr.write(`twowatt: ${name}${coded.message}\n`);
      process.exitCode = EXIT.failed;
    }
  };
}
