import type { DoneFrame, Frame } from '../protocol/index.ts';

/**
 * Writes an answer as its frames come. What was written cannot be taken back, so after a restart
 * only what differs is written again: a greedy answer that starts over continues where it stopped.
 */
export class AnswerPrinter {
  readonly #write: (text: string) => void;
  #written = '';
  #answer = '';
  #nextSeq = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** True when something of the current answer stands on the screen. */
  get started(): boolean {
    return this.#written !== '';
  }

  take(frame: Frame): void {
    switch (frame.type) {
      case 'delta':
        // A lost delta: wait for the terminal frame, which carries the whole text.
        if (frame.seq !== this.#nextSeq) return;
        this.#nextSeq++;
        this.#answer += frame.text;
        this.#catchUp();
        return;
      case 'restart':
        this.#answer = '';
        this.#nextSeq = 0;
        return;
      case 'done':
        this.#answer = frame.text;
        this.#catchUp();
        // The answer came out shorter than what a broken run had already shown.
        if (this.#written !== this.#answer) this.#startAgain();
        return;
      case 'accepted':
      case 'error':
    }
  }

  #catchUp(): void {
    if (this.#written.startsWith(this.#answer)) return;
    if (!this.#answer.startsWith(this.#written)) return this.#startAgain();
    this.#write(this.#answer.slice(this.#written.length));
    this.#written = this.#answer;
  }

  #startAgain(): void {
    this.#write(`\n${this.#answer}`);
    this.#written = this.#answer;
  }
}

/** The figures of an answer in one line, for people. */
export function answerFigures(frame: DoneFrame): string {
  const { usage, timing, confidence } = frame;
  const figures = [
    `${usage.completion_tokens} tokens`,
    `${timing.tokens_per_s.toFixed(1)} tokens/s`,
    `first after ${Math.round(timing.ttft_ms)} ms`,
  ];
  if (confidence !== null) figures.push(`confidence ${confidence.toFixed(3)}`);
  if (frame.finish_reason !== 'stop') figures.push(frame.finish_reason);
  if (frame.route.endpoint !== null) figures.unshift(`by ${frame.route.endpoint}`);
  return figures.join(' · ');
}
