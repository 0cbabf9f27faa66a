import type { Command } from 'commander';
import { createSystemClock, toTwowattError } from '../core/index.ts';
import type { TerminalFrame } from '../protocol/index.ts';
import { AnswerPrinter, answerFigures } from './answer-printer.ts';
import { openAnswerer, promptOf, type PromptOptions, withPromptOptions } from './answerer.ts';
import { action, CliError, EXIT } from './common.ts';
import { onSignals } from './interrupt.ts';
import { painter } from './terminal.ts';

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

async function promptText(words: readonly string[]): Promise<string> {
  const fromStdin = words.length === 0 || (words.length === 1 && words[0] === '-');
  if (words.length === 0 && process.stdin.isTTY) {
    throw new CliError(EXIT.usage, 'nothing to ask; try: twowatt ask "what is MQTT"');
  }
  const text = fromStdin ? (await readStdin()).trim() : words.join(' ');
  if (text === '') throw new CliError(EXIT.usage, 'the prompt is empty');
  return text;
}

function finish(frame: TerminalFrame, interrupted: boolean): void {
  if (frame.type === 'error' && !interrupted) {
    throw new CliError(EXIT.failed, `${frame.error.code}: ${frame.error.message}`);
  }
  if (interrupted) process.exitCode = EXIT.interrupted;
}

async function ask(words: string[], options: PromptOptions): Promise<void> {
  const content = await promptText(words);
  const prompt = promptOf(options, [{ role: 'user', content }]);
  const interrupt = new AbortController();
  // The first Ctrl-C cancels on the engine or board, a second one does not wait for that.
  const stopListening = onSignals(['SIGINT'], createSystemClock(), () => {
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort();
  });
  try {
    const answerer = await openAnswerer(options);
    try {
      const printer = new AnswerPrinter((text) => process.stdout.write(text));
      const quiet = options.json === true;
      const frame = await answerer.answer(prompt, {
        onFrame: (part) => (quiet ? undefined : printer.take(part)),
        signal: interrupt.signal,
      });
      if (quiet) process.stdout.write(`${JSON.stringify(frame)}\n`);
      else if (printer.started) process.stdout.write('\n');
      if (!quiet && frame.type === 'done' && process.stderr.isTTY) {
        process.stderr.write(`${painter(process.stderr)('dim', answerFigures(frame))}\n`);
      }
      finish(frame, interrupt.signal.aborted);
    } finally {
      await answerer.close();
    }
  } catch (error) {
    if (!interrupt.signal.aborted || error instanceof CliError) throw error;
    throw new CliError(EXIT.interrupted, `interrupted (${toTwowattError(error).message})`);
  } finally {
    stopListening();
  }
}

export function addAskCommand(program: Command): void {
  const command = program
    .command('ask')
    .description('ask one prompt; the answer streams to stdout')
    .argument('[prompt...]', 'the prompt; - or nothing reads it from stdin');
  withPromptOptions(command)
    .addHelpText(
      'after',
      `
Examples:
  twowatt ask "把客厅的灯调到30%"
  twowatt ask --model ./ERNIE-4.5-0.3B-PT --temperature 0.7 --seed 1 "你好"
  twowatt ask --broker mqtt://gateway.local --node pi5-1a2b "turn off the fan"
  journalctl -n 5 | twowatt ask --json -`,
    )
    .action(action(ask));
}
