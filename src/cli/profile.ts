import { type Command, InvalidArgumentError, Option } from 'commander';
import { chooseProfile, loadProfiles, matchProfile } from '../hardware/index.ts';
import { action, CliError, type CommonOptions, EXIT, withCommonOptions } from './common.ts';
import { loadConfigForCli } from './config.ts';
import type { CalibrateCommandOptions } from './profile-calibrate.ts';

type ListOptions = CommonOptions & { markdown?: boolean };

async function list(options: ListOptions): Promise<void> {
  loadConfigForCli(options);
  const { listJson, listMarkdown, listText } = await import('./profile-list.ts');
  const render =
    options.json === true ? listJson : options.markdown === true ? listMarkdown : listText;
  process.stdout.write(render(loadProfiles()));
}

async function show(name: string | undefined, options: CommonOptions): Promise<void> {
  const { hardware, governor } = loadConfigForCli(options).values;
  const { board, match: own } = chooseProfile(hardware);
  if (name === undefined && own === null) {
    throw new CliError(EXIT.failed, 'no device profile fits this board; `profile list` names all');
  }
  // Another board's profile is shown as it comes: what was measured here says nothing of it.
  const isOwn = name === undefined || name === own?.profile.name;
  const profiles = loadProfiles();
  if (name !== undefined && !profiles.some((profile) => profile.name === name)) {
    const names = profiles.map((profile) => profile.name).join(', ');
    throw new CliError(EXIT.usage, `there is no profile ${name}; expected one of ${names}`);
  }
  const shown = isOwn ? own : matchProfile(board, profiles, name);
  if (shown === null) return;
  const overlay = isOwn ? (own?.overlay ?? null) : null;
  const { showJson, showText } = await import('./profile-show.ts');
  const render = options.json === true ? showJson : showText;
  process.stdout.write(render(shown.profile, overlay, governor.budget_w));
}

async function detect(options: CommonOptions): Promise<void> {
  const { detectProfile } = await import('./profile-detect.ts');
  await detectProfile(loadConfigForCli(options).values.hardware, options.json === true);
}

async function calibrate(options: CalibrateCommandOptions): Promise<void> {
  const { calibrateProfile } = await import('./profile-calibrate.ts');
  await calibrateProfile(options);
}

const numberFrom =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= least && value <= most)) {
      throw new InvalidArgumentError(`expected a number from ${least} to ${most}`);
    }
    return value;
  };

function wholeNumbers(text: string): number[] {
  const values = text.split(',').map(Number);
  if (!values.every((value) => Number.isSafeInteger(value) && value > 0)) {
    throw new InvalidArgumentError('expected whole numbers above 0 such as 1,2,4');
  }
  return values;
}

function addCalibrate(profile: Command): void {
  withCommonOptions(
    profile
      .command('calibrate')
      .description('measure this board’s operating points; stop the daemon first'),
  )
    .option('--model <folder>', 'model to measure with (default: the configured one)')
    .option('--meter', 'ask for the values of a wall meter, point by point')
    .option('--watts <file>', 'take the values of a meter from a JSON file')
    .option(
      '--threads <list>',
      'threads to measure, such as 1,2,4 (default: up to all cores)',
      wholeNumbers,
    )
    .option('--clocks <list>', 'clock steps to measure, kHz (default: four, spread)', wholeNumbers)
    .addOption(
      new Option('--seconds <s>', 'length of one measurement')
        .argParser(numberFrom(1, 600))
        .default(6),
    )
    .option(
      '--repeats <n>',
      'measurements of each point (default 3; with a meter 1)',
      numberFrom(1, 50),
    )
    .addOption(
      new Option('--warmup <s>', 'work before each point')
        .argParser(numberFrom(0, 3600))
        .default(5),
    )
    .addOption(
      new Option('--idle <s>', 'how long idle is measured')
        .argParser(numberFrom(1, 3600))
        .default(20),
    )
    .addOption(
      new Option('--tolerance <pct>', 'how far repeats may differ')
        .argParser(numberFrom(1, 100))
        .default(15),
    )
    .option('--out <file>', 'where the figures go (default: hardware.profile_overlay)')
    .option('--chart <file.svg>', 'draw watts against tokens/s')
    .addHelpText(
      'after',
      `
The engine runs each point while the board's sensor, or you with a meter, reads the power. Figures that
cannot be trusted are refused with the reason. Clocks are put back whatever happens.

Examples:
  twowatt profile calibrate --chart hull.svg
  twowatt profile calibrate --meter --threads 3,4 --clocks 600000,1500000
  twowatt profile calibrate --watts meter.json
  with {"idle_w":3.02,"points":[{"threads":4,"freq_khz":1500000,"decode_w":6.31,"prefill_w":6.5}]}`,
    )
    .action(action(calibrate));
}

export function addProfileCommand(program: Command): void {
  const profile = program
    .command('profile')
    .description('what is known of boards: list, show, detect, calibrate');
  withCommonOptions(
    profile
      .command('list')
      .description('every device profile, and tokens/s to expect at 2 W')
      .option('--markdown', 'print the table of docs/energy.md'),
  ).action(action(list));
  withCommonOptions(
    profile
      .command('show')
      .description('all figures of a profile, the source of each, and what they come to')
      .argument('[name]', 'profile (default: that of this board, with its calibration)'),
  ).action(action(show));
  withCommonOptions(
    profile
      .command('detect')
      .description('which profile fits this board and why; sensors and actuators that are there'),
  ).action(action(detect));
  addCalibrate(profile);
}
