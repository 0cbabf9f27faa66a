import type { GenerationPart } from '../protocol/index.ts';

/**
 * The parts of one answer on their way to one reader. Deltas that wait are joined, so a slow reader
 * costs memory for the text only. A reader that leaves early is told to `onAbandoned`.
 */
export class PartStream implements AsyncIterable<GenerationPart> {
  readonly #onAbandoned: () => void;
  #waiting: GenerationPart[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(onAbandoned: () => void) {
    this.#onAbandoned = onAbandoned;
  }

  /** A terminal part closes the stream; whatever comes after it is dropped. */
  push(part: GenerationPart): void {
    if (this.#closed) return;
    const last = this.#waiting.at(-1);
    if (part.type === 'delta' && last?.type === 'delta') {
      this.#waiting[this.#waiting.length - 1] = { type: 'delta', text: last.text + part.text };
    } else {
      this.#waiting.push(part);
    }
    this.#closed = part.type === 'done' || part.type === 'error';
    this.#wake?.();
    this.#wake = undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<GenerationPart, void, undefined> {
    try {
      for (;;) {
        const part = this.#waiting.shift();
        if (part !== undefined) yield part;
        else if (this.#closed) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      if (!this.#closed) this.#onAbandoned();
      this.#closed = true;
      this.#waiting = [];
    }
  }
}
