import { execFile } from 'node:child_process';
import { CliError, EXIT } from './common.ts';

/** Longest that a command of the service manager may take; a start waits for READY, at most 90 s. */
const COMMAND_MS = 150_000;

export type CommandResult = { code: number; stdout: string; stderr: string };

/** Runs a program to its end. Throws for one that is not there (exit code 3) or does not end. */
export function runCommand(command: string, args: readonly string[]): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const options = { timeout: COMMAND_MS, maxBuffer: 16 * 1024 * 1024 };
    execFile(command, [...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve({ code: 0, stdout, stderr });
      if (error.code === 'ENOENT') {
        return reject(new CliError(EXIT.unreachable, `${command} is not installed here`));
      }
      if (typeof error.code !== 'number') {
        const why = error.killed === true ? `did not end within ${COMMAND_MS / 1000} s` : 'failed';
        return reject(new CliError(EXIT.failed, `${command} ${args.join(' ')} ${why}`));
      }
      resolve({ code: error.code, stdout, stderr });
    });
  });
}

/** One thing that an install or uninstall does; printed, and with `--dry-run` only printed. */
export type Step = { what: string; run: () => Promise<void> };

export function commandStep(command: string, ...args: string[]): Step {
  const what = [command, ...args].join(' ');
  return {
    what,
    async run() {
      const { code, stdout, stderr } = await runCommand(command, args);
      if (code === 0) return;
      const told = (stderr.trim() || stdout.trim()).slice(-2000);
      throw new CliError(EXIT.failed, `\`${what}\` ended with exit code ${code}\n${told}`);
    },
  };
}

export type StepOptions = { dryRun?: boolean; json?: boolean };

/** Runs the steps in order and tells of each; stops at the first that fails. */
export async function runSteps(
  steps: readonly Step[],
  notes: readonly string[],
  options: StepOptions,
): Promise<void> {
  const say = (line: string) => {
    if (options.json !== true) process.stdout.write(`${line}\n`);
  };
  for (const step of steps) {
    say(options.dryRun === true ? `would: ${step.what}` : step.what);
    if (options.dryRun !== true) await step.run();
  }
  for (const note of notes) say(note);
  if (options.json === true) {
    const done = { dry_run: options.dryRun === true, steps: steps.map(({ what }) => what), notes };
    process.stdout.write(`${JSON.stringify(done)}\n`);
  }
}
