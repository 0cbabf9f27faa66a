import type { ChatMessage, Frame, TerminalFrame } from '../protocol/index.ts';

export type AskWith = (
  messages: ChatMessage[],
  onFrame: (frame: Frame) => void,
) => Promise<TerminalFrame>;

/**
 * A conversation's memory. What no longer fits the model's context is forgotten from the old end,
 * turn by turn; a question that got no answer leaves no trace.
 */
export class Conversation {
  #turns: ChatMessage[] = [];

  get turns(): readonly ChatMessage[] {
    return this.#turns;
  }

  clear(): void {
    this.#turns = [];
  }

  /** Asks with the whole history; `onDropped` hears how many old turns had to go. */
  async ask(
    content: string,
    ask: AskWith,
    hooks: { onFrame: (frame: Frame) => void; onDropped: (turns: number) => void },
  ): Promise<TerminalFrame> {
    const question: ChatMessage = { role: 'user', content };
    let history = this.#turns;
    let dropped = 0;
    for (;;) {
      const frame = await ask([...history, question], hooks.onFrame);
      const tooLong = frame.type === 'error' && frame.error.code === 'context_length_exceeded';
      if (tooLong && history.length > 0) {
        // A question and its answer go together: a dialogue must not begin with an answer.
        history = history.slice(2);
        dropped += 2;
        continue;
      }
      if (frame.type === 'done') {
        this.#turns = [...history, question, { role: 'assistant', content: frame.text }];
        if (dropped > 0) hooks.onDropped(dropped);
      }
      return frame;
    }
  }
}
