import { Command, CommanderError } from 'commander';
import { addAskCommand } from './ask.ts';
import { addChatCommand } from './chat.ts';
import { EXIT } from './common.ts';
import { addConfigCommand } from './config.ts';
import { addDataCommand } from './data.ts';
import { addDemoCommand } from './demo.ts';
import { addDoctorCommand } from './doctor.ts';
import { addFleetCommand } from './fleet.ts';
import { addLaterCommands } from './later.ts';
import { addModelCommand } from './model.ts';
import { addRouteCommand } from './route.ts';
import { addProfileCommand } from './profile.ts';
import { addRunCommand } from './run.ts';
import { addSimCommand } from './sim.ts';
import { packageVersion } from '../core/index.ts';

/**
 * The whole command tree. The command files are light: what a command needs of the rooms below is
 * imported when it runs, so that `--help` answers at once also on a small board.
 */
export function createProgram(): Command {
  const program = new Command('twowatt')
    .description('An INT8 language model on a small board, asked over MQTT, within two watts.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText(
      'after',
      `
Examples:
  twowatt demo                                   a broker, the daemon and a model, here and now
  twowatt run                                    the daemon, as configured
  twowatt ask "Turn off the lights in the lab"   one prompt to the model on this machine
  twowatt ask --broker mqtt://gateway --node pi5-1a2b "开灯"

Exit codes: 0 fine, 1 it failed, 2 wrong usage or configuration, 3 unreachable, 130 interrupted.`,
    );
  addRunCommand(program);
  addDemoCommand(program);
  addAskCommand(program);
  addChatCommand(program);
  addModelCommand(program);
  addProfileCommand(program);
  addConfigCommand(program);
  addRouteCommand(program);
  addDataCommand(program);
  addSimCommand(program);
  addDoctorCommand(program);
  addFleetCommand(program);
  addLaterCommands(program);
  for (const command of everyCommand(program)) {
    command.exitOverride().configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'twowatt: ')),
    });
    command.showHelpAfterError(`(\`${pathOf(command)} --help\` tells more)`);
  }
  return program;
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** Runs one command line; the exit code is left in `process.exitCode`. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // commander has printed already: help and version end well, everything else is wrong usage.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}
