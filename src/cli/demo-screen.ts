import type { Frame, TerminalFrame } from '../protocol/index.ts';
import { AnswerPrinter, answerFigures } from './answer-printer.ts';
import { DEMO_SUGGESTION } from './demo-prompts.ts';
import { columns, displayWidth, painter, wrap } from './terminal.ts';

export type DemoSetting = { version: string; broker: string; portTaken: boolean; node: string };

/** One prompt and its answer, as `demo --json` prints it. */
type DemoAnswer = { prompt: string; session: string | null; frame: TerminalFrame };

/** How the demo looks: a view, so that the story in demo.ts reads without escape codes. */
export interface DemoScreen {
  opening(setting: DemoSetting): void;
  ready(model: string, seconds: number): void;
  scene(title: string): void;
  prompt(text: string): void;
  frame(frame: Frame): void;
  answered(answer: DemoAnswer): void;
  closing(
    setting: DemoSetting & {
      promptTextTopic: string;
      replyTextTopic: string;
      http: { host: string; port: number } | null;
    },
  ): void;
}

/** One JSON object a line: for scripts. */
export function jsonScreen(out: NodeJS.WriteStream): DemoScreen {
  const print = (value: object) => out.write(`${JSON.stringify(value)}\n`);
  return {
    opening: (setting) => void print({ type: 'opening', ...setting }),
    ready: (model, seconds) => void print({ type: 'ready', model, seconds }),
    scene: () => undefined,
    prompt: () => undefined,
    frame: () => undefined,
    answered: (answer) => void print({ type: 'answer', ...answer }),
    closing: (setting) => void print({ type: 'closing', ...setting }),
  };
}

/**
 * Writes streamed text indented, as it comes, and breaks it where it may be broken: after a blank or
 * comma and around wide characters. So it holds back the word that is still growing.
 */
export class IndentedWriter {
  readonly #out: (text: string) => void;
  readonly #indent: string;
  readonly #width: number;
  #column = 0;
  #word = '';

  constructor(out: (text: string) => void, indent: string, width: number) {
    this.#out = out;
    this.#indent = indent;
    this.#width = width;
  }

  write(text: string): void {
    for (const character of text) {
      if (character === '\n') {
        this.end();
        this.#newLine();
      } else if (displayWidth(character) > 1) {
        this.end();
        this.#put(character);
      } else {
        this.#word += character;
        if (character === ' ' || character === ',') this.end();
      }
    }
  }

  /** Lets go of what was held back. */
  end(): void {
    const word = this.#word;
    this.#word = '';
    if (word !== '') this.#put(word);
  }

  #put(word: string): void {
    if (this.#column > 0 && this.#column + displayWidth(word.trimEnd()) > this.#width) {
      this.#newLine();
    }
    let rest = word;
    while (displayWidth(rest.trimEnd()) > this.#width) {
      this.#out(rest.slice(0, this.#width));
      rest = rest.slice(this.#width);
      this.#newLine();
    }
    this.#out(rest);
    this.#column += displayWidth(rest);
  }

  #newLine(): void {
    this.#out(`\n${this.#indent}`);
    this.#column = 0;
  }
}

const INDENT = '    ';

/** For people, at any width from 40 columns up. */
export function terminalScreen(out: NodeJS.WriteStream): DemoScreen {
  const paint = painter(out);
  const line = (text = '') => out.write(`${text}\n`);
  const width = columns(out);
  const textWidth = width - INDENT.length;
  let printer: AnswerPrinter | undefined;
  let writer: IndentedWriter | undefined;

  const row = (name: string, value: string) => line(`  ${paint('dim', name.padEnd(8))}${value}`);
  return {
    opening({ version, broker, portTaken, node }) {
      line(`${paint('bold', 'twowatt demo')} ${paint('dim', version)}`);
      row('broker', `${broker} (embedded${portTaken ? '; port 1883 was taken' : ''})`);
      row('node', node);
    },
    ready(model, seconds) {
      row('model', `${model}, ready after ${seconds.toFixed(1)} s`);
    },
    scene(title) {
      const rule = '─'.repeat(Math.max(2, width - title.length - 4));
      line(`\n${paint('cyan', `── ${title} ${rule}`)}`);
    },
    prompt(text) {
      const [first = '', ...rest] = wrap(text, textWidth);
      line(`  ${paint('cyan', '›')} ${paint('bold', first)}`);
      for (const more of rest) line(`${INDENT}${paint('bold', more)}`);
      out.write(INDENT);
      const indented = new IndentedWriter((piece) => out.write(piece), INDENT, textWidth);
      writer = indented;
      printer = new AnswerPrinter((piece) => indented.write(piece));
    },
    frame: (frame) => printer?.take(frame),
    answered({ frame }) {
      writer?.end();
      if (frame.type === 'done') line(`\n${INDENT}${paint('dim', answerFigures(frame))}`);
      else {
        const [first = '', ...rest] = wrap(
          `${frame.error.code}: ${frame.error.message}`,
          textWidth,
        );
        if (printer?.started === true) out.write(`\n${INDENT}`);
        line(paint('red', first));
        for (const more of rest) line(INDENT + paint('red', more));
      }
    },
    closing({ broker, node, promptTextTopic, replyTextTopic, http }) {
      const { hostname, port } = new URL(broker);
      line(`\n${paint('cyan', `── Your turn ${'─'.repeat(width - 13)}`)}`);
      line('  From another terminal, as any MQTT client:\n');
      line(`mosquitto_sub -h ${hostname} -p ${port} -t ${replyTextTopic} &`);
      line(`mosquitto_pub -h ${hostname} -p ${port} -q 1 -t ${promptTextTopic} \\`);
      line(`  -m '${DEMO_SUGGESTION}'`);
      if (http !== null) {
        line(`\n  or on the board's own page: http://${http.host}:${http.port}/`);
        line('\n  or over HTTP, as any OpenAI client:\n');
        line(`curl http://${http.host}:${http.port}/v1/chat/completions \\`);
        line("  -H 'content-type: application/json' -d \\");
        line(`  '{"messages":[{"role":"user","content":"${DEMO_SUGGESTION}"}]}'`);
      }
      line('\n  or with twowatt itself:\n');
      line(`npx twowatt ask --broker ${broker} --node ${node} \\`);
      line(`  "${DEMO_SUGGESTION}"`);
      line(`\n  ${paint('dim', 'Ctrl-C ends the demo and removes what it stored.')}`);
    },
  };
}
