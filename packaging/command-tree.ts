import type { Command } from 'commander';

/** One command as `--help` shows it; man page and completion are made from this and nothing else. */
export type CommandInfo = {
  /** `twowatt model convert` */
  path: string;
  name: string;
  description: string;
  usage: string;
  options: { flags: string; long: string; takesValue: boolean; description: string }[];
  /** What follows the options in `--help`: examples and remarks, as lines. */
  remarks: string;
  commands: CommandInfo[];
};

export function describeCommand(command: Command, parent = ''): CommandInfo {
  const path = parent === '' ? command.name() : `${parent} ${command.name()}`;
  const help = command.createHelp();
  return {
    path,
    name: command.name(),
    description: command.description(),
    usage: help.commandUsage(command),
    options: help.visibleOptions(command).map((option) => ({
      flags: option.flags,
      long: option.long ?? option.flags,
      takesValue: option.required || option.optional,
      description: help.optionDescription(option),
    })),
    remarks: remarksOf(command),
    // `help` explains the others and has nothing to explain itself.
    commands: command.commands.map((inner) => describeCommand(inner, path)),
  };
}

/** commander emits texts after the help only when it prints; so let it print, and take the rest. */
function remarksOf(command: Command): string {
  let printed = '';
  const before = command.configureOutput();
  command.configureOutput({ ...before, writeOut: (text) => (printed += text) });
  command.outputHelp();
  command.configureOutput(before);
  return printed.slice(command.helpInformation().length).trim();
}

export const flatten = (command: CommandInfo): CommandInfo[] => [
  command,
  ...command.commands.flatMap(flatten),
];
