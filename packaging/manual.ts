import { type CommandInfo, flatten } from './command-tree.ts';

/**
 * twowatt(1) as roff, out of the command tree: what `--help` says is what the manual says.
 *
 * @param date of the package, `YYYY-MM-DD`
 */
export function renderManual(root: CommandInfo, version: string, date: string): string {
  const lines = [
    `.TH TWOWATT 1 "${date}" "twowatt ${version}" "User Commands"`,
    '.SH NAME',
    `twowatt \\- ${escape(root.description.replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    '.B twowatt',
    '.I command',
    '.RI [ options ]',
    '.SH DESCRIPTION',
    'twowatt runs a language model on the board itself and answers prompts over MQTT and HTTP.',
    'As a service it is started by systemd (unit',
    '.BR twowatt.service )',
    'and configured in',
    '.IR /etc/twowatt/config.yaml .',
    '.SH OPTIONS',
    ...optionLines(root),
    '.SH COMMANDS',
    ...flatten(root).slice(1).flatMap(commandLines),
    '.SH "EXIT STATUS"',
    '0 fine; 1 it failed; 2 wrong usage or configuration; 3 a needed thing is unreachable; 130 interrupted.',
    '.SH ENVIRONMENT',
    '.TP',
    '.B TWOWATT_SECTION__KEY',
    'Any setting, with two underscores between section and key, such as',
    '.BR TWOWATT_MQTT__URL .',
    'It comes after flags and before the configuration file.',
    '.TP',
    '.B NO_COLOR',
    'No colours, when set.',
    '.SH FILES',
    '.TP',
    '.I /etc/twowatt/config.yaml',
    'Settings of the service; every one is described in',
    '.IR /usr/share/doc/twowatt/configuration.md.gz .',
    '.TP',
    '.I /var/lib/twowatt',
    'The queue of prompts and answers, converted models and what the governor has learnt.',
    '.TP',
    '.I /usr/lib/twowatt',
    'The program, its Node runtime, device profiles and the bundled model.',
    '.SH "SEE ALSO"',
    '.BR systemctl (1),',
    '.BR journalctl (1),',
    '.BR mosquitto (8)',
  ];
  return `${lines.join('\n')}\n`;
}

function commandLines(command: CommandInfo): string[] {
  return [
    `.SS "${escape(command.path)}"`,
    '.nf',
    escape(command.usage),
    '.fi',
    '.PP',
    ...paragraph(command.description),
    ...optionLines(command),
    ...(command.remarks === ''
      ? []
      : ['.PP', '.nf', ...command.remarks.split('\n').map(escapeLine), '.fi']),
  ];
}

const optionLines = ({ options }: CommandInfo): string[] =>
  options.flatMap(({ flags, description }) => [
    '.TP',
    `.B ${escape(flags)}`,
    ...paragraph(description),
  ]);

const paragraph = (text: string): string[] =>
  text === '' ? [] : text.split('\n').map((line) => escapeLine(line.trim()));

/** A line that begins with a full stop or an apostrophe would be taken for a request. */
const escapeLine = (line: string): string => escape(line).replace(/^(?=[.'])/, '\\&');

const escape = (text: string): string =>
  text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('"', '\\(dq');
