import type { Command } from 'commander';
import { createSystemClock } from '../core/index.ts';
import type { Outcomes, ProbeName, Report } from '../doctor/index.ts';
import {
  action,
  CliError,
  type CommonOptions,
  EXIT,
  homeFolder,
  withCommonOptions,
} from './common.ts';
import { createProgressView } from './progress.ts';
import { columns, painter } from './terminal.ts';

type DoctorOptions = CommonOptions & { deep?: boolean; bundle?: string };

/** The configuration first: without it the others look in the wrong places. */
const ALWAYS: readonly ProbeName[] = [
  'config',
  'system',
  'storage',
  'board',
  'model',
  'governor',
  'broker',
  'service',
  'verify',
];

const EXIT_CODES: Record<Report['verdict'], number> = {
  ok: EXIT.ok,
  fail: EXIT.failed,
  unreachable: EXIT.unreachable,
};

async function bundle(path: string, made: Report, outcomes: Outcomes): Promise<string> {
  const { bundleFiles, writeBundle } = await import('../doctor/index.ts');
  const wallMs = Date.parse(made.ts);
  const folder = `twowatt-${made.node ?? 'board'}`;
  const { bytes } = await writeBundle(path, folder, bundleFiles(made, outcomes), wallMs);
  return `support bundle: ${path} (${Math.ceil(bytes / 1000)} kB, no secrets and no prompts in it)\n`;
}

async function doctor(options: DoctorOptions): Promise<void> {
  const { examine, probeProcesses, report } = await import('../doctor/index.ts');
  const clock = createSystemClock();
  const names: ProbeName[] = [
    ...ALWAYS,
    ...(options.bundle === undefined ? [] : (['log'] as const)),
    ...(options.deep === true ? (['deep'] as const) : []),
  ];
  // It takes seconds: a log or a cron mail need not hear of them.
  const progress = process.stderr.isTTY ? createProgressView() : undefined;
  const outcomes = await examine({
    names,
    clock,
    start: probeProcesses({
      ...(options.config === undefined ? {} : { config: options.config }),
      set: options.set,
      homeFolder: homeFolder(),
    }),
    onProbe: (name, done, total) => progress?.update(`looking at: ${name}`, done, total),
  });
  progress?.end();
  const { config } = outcomes;
  if (config?.ok === false && config.invalid === true) {
    throw new CliError(EXIT.usage, config.reason);
  }

  const made = report(outcomes, clock.wallMs());
  if (options.json === true) process.stdout.write(`${JSON.stringify(made, null, 2)}\n`);
  else {
    const { doctorScreen } = await import('./doctor-screen.ts');
    process.stdout.write(doctorScreen(made, columns(process.stdout), painter(process.stdout)));
  }
  process.exitCode = EXIT_CODES[made.verdict];
  if (options.bundle !== undefined) {
    process.stderr.write(await bundle(options.bundle, made, outcomes));
  }
}

export function addDoctorCommand(program: Command): void {
  withCommonOptions(
    program
      .command('doctor')
      .description('what was found on this board, what is wrong, what to do')
      .option('--deep', 'also let the model answer one real prompt, and tell its speed')
      .option('--bundle <file>', 'pack a support bundle (tar.gz) without secrets or prompts'),
  )
    .addHelpText(
      'after',
      `
Reads only: no setting, clock or file is changed, and without --deep no model is loaded.

Exit codes: 0 nothing fails, 1 something fails, 2 wrong usage or configuration, 3 only the broker
is unreachable.

Examples:
  sudo twowatt doctor                            as the service sees the board
  twowatt doctor --json | jq '.findings[] | select(.status == "fail")'
  twowatt doctor --bundle board.tar.gz           to send to somebody who helps`,
    )
    .action(action(doctor));
}
