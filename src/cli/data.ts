import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { createSystemClock, type Logger } from '../core/index.ts';
import { action, CliError, type CommonOptions, EXIT, withCommonOptions } from './common.ts';
import { loadConfigForCli } from './config.ts';

type EraseOptions = CommonOptions & { yes?: boolean };

/** A person's answer at the terminal; closing the input is a no, Ctrl-C interrupts. */
function confirm(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise((resolve, reject) => {
    terminal.on('SIGINT', () => {
      reject(new CliError(EXIT.interrupted, 'interrupted, nothing was erased'));
      terminal.close();
    });
    terminal.on('close', () => resolve(false));
    terminal.question(`${question} [y/N] `, (answer) => {
      resolve(/^y(es)?$/i.test(answer.trim()));
      terminal.close();
    });
  });
}

/** Problems on the way go to stderr; the result alone is printed. */
const stderrLogger: Logger = {
  debug() {},
  info() {},
  warn: (_fields, message) => process.stderr.write(`twowatt: ${message}\n`),
  error: (_fields, message) => process.stderr.write(`twowatt: ${message}\n`),
  child: () => stderrLogger,
};

async function erase(options: EraseOptions): Promise<void> {
  const { path } = loadConfigForCli(options).values.queue;
  if (options.yes !== true) {
    if (!process.stdin.isTTY) {
      throw new CliError(EXIT.usage, 'erasing without a terminal to ask on needs --yes');
    }
    if (!(await confirm(`Erase all stored prompts, answers and sessions in ${path}?`))) {
      throw new CliError(EXIT.failed, 'nothing was erased');
    }
  }
  const { eraseJournal } = await import('../queue/index.ts');
  const erased = eraseJournal({ path, clock: createSystemClock(), logger: stderrLogger });
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ path, erased })}\n`);
    return;
  }
  const { prompts, answers, sessions } = erased;
  process.stdout.write(
    `erased from ${path}: waiting prompts ${prompts}, answers ${answers}, sessions ${sessions}\n`,
  );
}

export function addDataCommand(program: Command): void {
  const data = program.command('data').description('what is stored on this board');
  withCommonOptions(
    data
      .command('erase')
      .description('erase stored prompts, answers and sessions; stop the daemon first')
      .option('--yes', 'do not ask'),
  ).action(action(erase));
}
