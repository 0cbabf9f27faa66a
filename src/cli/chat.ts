import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { createSystemClock } from '../core/index.ts';
import { AnswerPrinter, answerFigures } from './answer-printer.ts';
import {
  type Answerer,
  openAnswerer,
  promptOf,
  type PromptOptions,
  withPromptOptions,
} from './answerer.ts';
import { action, EXIT } from './common.ts';
import { Conversation } from './conversation.ts';
import { onSignals } from './interrupt.ts';
import { painter } from './terminal.ts';

const LEAVE = new Set(['quit', 'exit', '退出']);
const CLEAR = 'clear';

const GREETING = [
  'quit, exit or 退出 leaves; clear forgets the conversation; Ctrl-C stops an answer.',
  '输入 quit、exit 或 退出 结束对话，clear 清空记录，Ctrl-C 停止回答。',
];

/** Lines of stdin, typed or piped, that come one by one also while an answer is being written. */
class Lines {
  readonly #waiting: string[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  push(line: string): void {
    this.#waiting.push(line);
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** The next line; undefined at the end of the input. */
  async next(): Promise<string | undefined> {
    while (this.#waiting.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#waiting.shift();
  }
}

async function oneTurn(context: {
  line: string;
  conversation: Conversation;
  answerer: Answerer;
  options: PromptOptions;
  signal: AbortSignal;
}): Promise<boolean> {
  const { line, conversation, answerer, options, signal } = context;
  const dim = (text: string) => painter(process.stderr)('dim', text);
  const json = options.json === true;
  const printer = new AnswerPrinter((text) => process.stdout.write(text));
  const frame = await conversation.ask(
    line,
    (messages, onFrame) => answerer.answer(promptOf(options, messages), { onFrame, signal }),
    {
      onFrame: (part) => (json ? undefined : printer.take(part)),
      onDropped: (turns) =>
        process.stderr.write(
          `${dim(`(the ${turns} oldest turns no longer fit and are forgotten)`)}\n`,
        ),
    },
  );
  if (json) process.stdout.write(`${JSON.stringify(frame)}\n`);
  else if (printer.started) process.stdout.write('\n');
  if (frame.type === 'error') {
    if (frame.error.code === 'cancelled') return true;
    process.stderr.write(`twowatt: ${frame.error.code}: ${frame.error.message}\n`);
    return false;
  }
  if (!json && process.stderr.isTTY) process.stderr.write(`${dim(answerFigures(frame))}\n`);
  return true;
}

async function chat(options: PromptOptions): Promise<void> {
  promptOf(options, [{ role: 'user', content: 'x' }]);
  const answerer = await openAnswerer(options);
  const interactive = process.stdin.isTTY && process.stdout.isTTY;
  const terminal = createInterface({
    input: process.stdin,
    ...(interactive ? { output: process.stdout, prompt: '> ' } : { terminal: false }),
  });
  const lines = new Lines();
  terminal.on('line', (line) => lines.push(line));
  terminal.on('close', () => lines.close());

  let running: AbortController | undefined;
  let warned = false;
  const onInterrupt = () => {
    if (running !== undefined && !running.signal.aborted) {
      running.abort();
      return;
    }
    if (running !== undefined || warned || !interactive) process.exit(EXIT.interrupted);
    // The key may have been meant for an answer that ended just now.
    warned = true;
    process.stdout.write('\n(Ctrl-C again leaves · 再按一次 Ctrl-C 退出)\n');
    terminal.prompt();
  };
  // On a terminal readline reads the key itself; elsewhere it comes as a signal.
  terminal.on('SIGINT', onInterrupt);
  const stopListening = onSignals(['SIGINT'], createSystemClock(), onInterrupt);

  const conversation = new Conversation();
  if (interactive) process.stdout.write([answerer.about, ...GREETING, ''].join('\n'));
  try {
    for (;;) {
      if (interactive) terminal.prompt();
      const line = (await lines.next())?.trim();
      if (line === undefined || LEAVE.has(line.toLowerCase())) break;
      warned = false;
      if (line === '') continue;
      if (line.toLowerCase() === CLEAR) {
        conversation.clear();
        process.stderr.write('(forgotten · 已清空)\n');
        continue;
      }
      running = new AbortController();
      const context = { line, conversation, answerer, options, signal: running.signal };
      const answered = await oneTurn(context);
      running = undefined;
      // A person reads the error and goes on; a script must see it.
      if (!answered && !interactive) process.exitCode = EXIT.failed;
    }
  } finally {
    terminal.close();
    stopListening();
    await answerer.close();
  }
}

export function addChatCommand(program: Command): void {
  const command = program
    .command('chat')
    .description('a conversation; piped input is one turn a line');
  withPromptOptions(command)
    .addHelpText(
      'after',
      `
In the conversation: quit, exit or 退出 leaves; clear forgets it; Ctrl-C stops an answer.

Examples:
  twowatt chat
  twowatt chat --broker mqtt://gateway.local --node pi5-1a2b
  printf '打开书房的台灯\\n卧室同样\\n' | twowatt chat`,
    )
    .action(action(chat));
}
