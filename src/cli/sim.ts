import { extname } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { LoadedConfig } from '../config/index.ts';
import { createSystemClock, TwowattError, writeFileAtomic } from '../core/index.ts';
import { action, CliError, type CommonOptions, EXIT, withCommonOptions } from './common.ts';
import { loadConfigForCli } from './config.ts';
import { createProgressView } from './progress.ts';

type SimOptions = CommonOptions & {
  board?: string;
  seconds?: number;
  seed?: number;
  ambient?: number;
  list?: boolean;
  budget?: number;
  baselines?: boolean;
  chart?: string;
  live?: string;
  pid?: number;
  log?: string;
};

const DEFAULT_SCENARIO = 'budget-steps';
const DEFAULT_BOARD = 'raspberry-pi-5';

/** Options that mean something only with, or only without, `--live`. */
const LIVE_ONLY = ['pid', 'log'] as const;
const RUN_ONLY = ['list', 'budget', 'baselines', 'chart'] as const;

/** What a person typed and the room below refuses is wrong usage. */
async function asUsage<Value>(call: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof TwowattError && error.code === 'invalid_request') {
      throw new CliError(EXIT.usage, error.message);
    }
    throw error;
  }
}

const numberOption = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  if (text.trim() !== '' && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`expected a number from ${least} to ${most}`);
};

const wholeOption = (least: number, most: number) => (text: string) => {
  const value = numberOption(least, most)(text);
  if (Number.isInteger(value)) return value;
  throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}`);
};

const NUMBERS: readonly [flags: string, about: string, parse: (text: string) => number][] = [
  ['--budget <watts>', 'this budget all the time, above idle', numberOption(0, 1_000)],
  ['--seconds <s>', 'another duration; with --live, end after so long', numberOption(1, 86_400)],
  ['--seed <n>', 'other noise of the sensor', wholeOption(0, 2 ** 31)],
  ['--ambient <c>', 'this ambient temperature all the time', numberOption(-40, 125)],
  ['--pid <pid>', 'with --live: the daemon', wholeOption(1, 2 ** 22)],
];

function chartOption(file: string): string {
  if (['.svg', '.png'].includes(extname(file).toLowerCase())) return file;
  throw new InvalidArgumentError('expected a file that ends in .svg or .png');
}

async function writeChart(file: string, svg: string): Promise<void> {
  const png = extname(file).toLowerCase() === '.png';
  const content = png ? await (await import('./chart/png.ts')).pngFrom(svg) : svg;
  try {
    writeFileAtomic(file, content, 0o644);
  } catch (error) {
    throw new CliError(
      EXIT.failed,
      `cannot write ${file}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

async function list(json: boolean): Promise<void> {
  const { boardNames, loadScenarios } = await import('../hardware/sim/index.ts');
  const scenarios = loadScenarios();
  const boards = boardNames();
  if (json) {
    const rows = scenarios.map(({ name, title, duration_s }) => ({ name, title, duration_s }));
    process.stdout.write(`${JSON.stringify({ scenarios: rows, boards }, null, 2)}\n`);
    return;
  }
  const width = Math.max(...scenarios.map(({ name }) => name.length));
  for (const { name, title, duration_s: seconds } of scenarios) {
    process.stdout.write(`${name.padEnd(width)}  ${title}, ${seconds} s\n`);
  }
  process.stdout.write(`\nboards: ${boards.join(', ')}\n`);
}

/** `--board`, else what the configuration says. */
const boardOf = (options: SimOptions, loaded: LoadedConfig): string | undefined =>
  options.board ?? (loaded.values.hardware.profile || undefined);

async function simulate(nameOrFile: string | undefined, options: SimOptions): Promise<void> {
  const loaded = loadConfigForCli(options);
  const { changeScenario, profileNamed, scenarioNamed } = await import('../hardware/sim/index.ts');
  // A scenario brings its own limits; those in the board's own file are not meant for it.
  const flagged = (key: 'budget_w' | 'temperature_limit_c') =>
    loaded.origins[`governor.${key}`].source === 'flag' ? loaded.values.governor[key] : undefined;
  const { scenario, board } = await asUsage(() => {
    const asked = scenarioNamed(nameOrFile ?? DEFAULT_SCENARIO);
    return {
      scenario: changeScenario(asked, {
        budgetW: options.budget ?? flagged('budget_w'),
        temperatureLimitC: flagged('temperature_limit_c'),
        seconds: options.seconds,
        seed: options.seed,
        ambientC: options.ambient,
      }),
      board: profileNamed(boardOf(options, loaded) ?? asked.boards?.[0] ?? DEFAULT_BOARD).name,
    };
  });
  const { runSimulation } = await import('./sim-run.ts');
  const progress = createProgressView();
  const { simulation, chart } = await runSimulation({
    scenario,
    board,
    compare: options.baselines === true,
    onProgress: (share) => progress.update('simulating', share, 1),
  });
  progress.end();
  if (options.chart !== undefined) await writeChart(options.chart, chart());
  const { simulationJson, simulationText } = await import('./sim-report.ts');
  const text =
    options.json === true
      ? JSON.stringify(simulationJson(simulation), null, 2)
      : simulationText(simulation);
  process.stdout.write(`${text}\n`);
}

async function live(folder: string, options: SimOptions): Promise<void> {
  const loaded = loadConfigForCli(options);
  const { pid } = options;
  if (pid === undefined) {
    throw new CliError(EXIT.usage, '--live needs --pid, the process that the load comes from');
  }
  const { simulateLive } = await import('./sim-live.ts');
  const board = boardOf(options, loaded) ?? DEFAULT_BOARD;
  await asUsage(() => simulateLive({ ...options, folder, board, pid }, createSystemClock()));
}

/** Refuses options that have no meaning together, before anything runs. */
function checkTogether(nameOrFile: string | undefined, options: SimOptions): void {
  const isLive = options.live !== undefined;
  const wrong = (isLive ? RUN_ONLY : LIVE_ONLY).find((name) => options[name] !== undefined);
  if (wrong !== undefined) {
    const why = isLive ? 'has no meaning with --live' : 'belongs to --live';
    throw new CliError(EXIT.usage, `--${wrong} ${why}`);
  }
  if (isLive && nameOrFile !== undefined) {
    throw new CliError(EXIT.usage, 'with --live the load comes from a process, not a scenario');
  }
}

async function sim(nameOrFile: string | undefined, options: SimOptions): Promise<void> {
  checkTogether(nameOrFile, options);
  if (options.list === true) return list(options.json === true);
  if (options.live !== undefined) return live(options.live, options);
  return simulate(nameOrFile, options);
}

export function addSimCommand(program: Command): void {
  const command = program
    .command('sim')
    .description('run the power governor against a simulated board')
    .argument(
      '[scenario]',
      `a bundled scenario or the path of a scenario file (default: ${DEFAULT_SCENARIO})`,
    )
    .option('--list', 'list the bundled scenarios and the boards')
    .option(
      '--board <profile>',
      `device profile to simulate (default: hardware.profile, else ${DEFAULT_BOARD})`,
    )
    .option(
      '--baselines',
      'the same trace without a governor, with powersave, fixed duty, bang-bang',
    )
    .option('--chart <file>', 'draw the run; the ending says how: .svg or .png', chartOption);
  for (const [flags, about, parse] of NUMBERS) {
    command.addOption(new Option(flags, about).argParser(parse));
  }
  command
    .option('--live <folder>', 'keep a simulated board as a folder for a running daemon')
    .option('--log <file.csv>', 'with --live: write the board’s true power and temperature');
  withCommonOptions(command)
    .addHelpText(
      'after',
      `
All figures are simulated from device profiles, not measured. With --set, governor.budget_w and
governor.temperature_limit_c count as well. docs/simulation.md has the form of a scenario file.

Examples:
  twowatt sim --list
  twowatt sim budget-steps --board raspberry-pi-4b --baselines --chart steps.svg
  twowatt sim ./mine.json --budget 1.5 --json
  twowatt run --set hardware.sysfs_root=/tmp/sys --set hardware.profile=raspberry-pi-5 &
  twowatt sim --live /tmp/sys --board raspberry-pi-5 --pid $!`,
    )
    .action(action(sim));
}
