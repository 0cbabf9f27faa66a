import { type Command, InvalidArgumentError, Option } from 'commander';
import { createSystemClock, TwowattError } from '../core/index.ts';
import {
  type ChatMessage,
  type Frame,
  parsePrompt,
  type TerminalFrame,
} from '../protocol/index.ts';
import { CliError, type CommonOptions, EXIT, withCommonOptions } from './common.ts';

/** Who answers a prompt: the engine on this machine, or a board behind a broker. */
export interface Answerer {
  /** For people: which model, or which board. */
  readonly about: string;
  /** Never rejects for what the prompt is; a CliError says that nothing can be reached. */
  answer(
    prompt: Readonly<Record<string, unknown>>,
    options: { onFrame: (frame: Frame) => void; signal: AbortSignal },
  ): Promise<TerminalFrame>;
  close(): Promise<void>;
}

export type PromptOptions = CommonOptions & {
  broker?: string;
  node?: string;
  model?: string;
  timeout: number;
  system?: string;
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  seed?: number;
};

function numeric(value: string): number {
  const number = Number(value);
  if (value.trim() === '' || !Number.isFinite(number)) {
    throw new InvalidArgumentError('expected a number');
  }
  return number;
}

/** What `ask` and `chat` share: where the answer comes from, and how it is drawn. */
export function withPromptOptions(command: Command): Command {
  withCommonOptions(command)
    .option(
      '--model <folder>',
      'model folder, converted or as downloaded (converted once, then cached)',
    )
    .option('--broker <url>', 'ask a board through this MQTT broker instead of the engine here')
    .option('--node <id>', 'the board that is asked through the broker')
    .addOption(
      new Option('--timeout <seconds>', 'how long a board may be silent')
        .argParser(numeric)
        .default(10),
    )
    .option('--system <text>', 'system prompt')
    .option('--max-tokens <n>', 'longest answer, tokens (default 256)', numeric)
    .option('--temperature <t>', '0 takes the likeliest token; up to 2 (default 0)', numeric)
    .option('--top-p <p>', 'draw from the likeliest tokens that make up p (default 1)', numeric)
    .option('--top-k <k>', 'draw from the k likeliest tokens (default 0: all)', numeric)
    .option('--seed <n>', 'same seed, same text', numeric);
  return command;
}

/** The prompt of the contract for these messages; bad values end the command with exit code 2. */
export function promptOf(options: PromptOptions, messages: ChatMessage[]): Record<string, unknown> {
  const system: ChatMessage[] =
    options.system === undefined ? [] : [{ role: 'system', content: options.system }];
  const prompt = {
    messages: [...system, ...messages],
    max_tokens: options.maxTokens,
    temperature: options.temperature,
    top_p: options.topP,
    top_k: options.topK,
    seed: options.seed,
  };
  try {
    parsePrompt(prompt);
  } catch (error) {
    if (!(error instanceof TwowattError)) throw error;
    throw new CliError(EXIT.usage, error.message.replace(/^(\w+): /, flagOf));
  }
  return prompt;
}

const flagOf = (_match: string, field: string) => `--${field.replaceAll('_', '-')}: `;

export async function openAnswerer(options: PromptOptions): Promise<Answerer> {
  if ((options.broker === undefined) !== (options.node === undefined)) {
    throw new CliError(EXIT.usage, '--broker URL and --node ID belong together');
  }
  if (options.broker !== undefined && options.model !== undefined) {
    throw new CliError(EXIT.usage, 'give either --broker and --node, or --model, not both');
  }
  if (!(options.timeout > 0)) throw new CliError(EXIT.usage, '--timeout: expected seconds above 0');
  const clock = createSystemClock();
  if (options.broker !== undefined && options.node !== undefined) {
    const { openRemoteAnswerer } = await import('./answerer-remote.ts');
    return openRemoteAnswerer({ options, broker: options.broker, node: options.node, clock });
  }
  const { openLocalAnswerer } = await import('./answerer-local.ts');
  return openLocalAnswerer({ options, clock });
}
