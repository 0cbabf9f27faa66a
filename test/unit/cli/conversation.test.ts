import { describe, expect, it } from 'vitest';
import { Conversation } from '../../../src/cli/conversation.ts';
import { TwowattError } from '../../../src/core/index.ts';
import type { ChatMessage, TerminalFrame } from '../../../src/protocol/index.ts';

const head = { v: 1, id: 'a', node: 'n' } as const;
const failed = (error: TwowattError): TerminalFrame => ({
  ...head,
  type: 'error',
  error: error.toBody(),
});
const answered = (text: string): TerminalFrame => ({
  ...head,
  type: 'done',
  text,
  finish_reason: 'stop',
  model: 'm',
  route: { target: 'edge', endpoint: null, reasons: [], difficulty: null, escalated: false },
  confidence: null,
  usage: { prompt_tokens: 0, completion_tokens: 0, cached_tokens: 0 },
  timing: { queued_ms: 0, ttft_ms: 0, total_ms: 0, tokens_per_s: 0 },
  energy: { joules: null, joules_per_token: null, measured: false },
  cost: { amount: 0, currency: 'USD' },
});

/** A model whose context holds so many messages. */
function modelWithRoomFor(limit: number) {
  const asked: string[][] = [];
  return {
    asked,
    ask: (messages: ChatMessage[]) => {
      asked.push(messages.map(({ content }) => content));
      return Promise.resolve(
        messages.length > limit
          ? failed(new TwowattError('context_length_exceeded', 'too long'))
          : answered(`re ${messages.at(-1)?.content}`),
      );
    },
  };
}

function hooks() {
  const dropped: number[] = [];
  return { dropped, onFrame: () => undefined, onDropped: (turns: number) => dropped.push(turns) };
}

describe('Conversation', () => {
  it('sends the history along and forgets it on clear', async () => {
    const model = modelWithRoomFor(100);
    const conversation = new Conversation();
    await conversation.ask('a', model.ask, hooks());
    await conversation.ask('b', model.ask, hooks());
    expect(model.asked.at(-1)).toEqual(['a', 're a', 'b']);
    conversation.clear();
    await conversation.ask('c', model.ask, hooks());
    expect(model.asked.at(-1)).toEqual(['c']);
  });

  it('drops the oldest question with its answer when the context is full, and says so', async () => {
    const model = modelWithRoomFor(3);
    const conversation = new Conversation();
    const heard = hooks();
    for (const question of ['a', 'b', 'c']) await conversation.ask(question, model.ask, heard);
    expect(model.asked).toEqual([
      ['a'],
      ['a', 're a', 'b'],
      ['a', 're a', 'b', 're b', 'c'],
      ['b', 're b', 'c'],
    ]);
    expect(heard.dropped).toEqual([2]);
    expect(conversation.turns.map(({ content }) => content)).toEqual(['b', 're b', 'c', 're c']);
  });

  it('hands on the error of a question that is too long by itself, and keeps the history', async () => {
    const conversation = new Conversation();
    await conversation.ask('a', modelWithRoomFor(9).ask, hooks());
    const heard = hooks();
    const frame = await conversation.ask('long', modelWithRoomFor(0).ask, heard);
    expect(frame.type === 'error' && frame.error.code).toBe('context_length_exceeded');
    expect(heard.dropped).toEqual([]);
    expect(conversation.turns.map(({ content }) => content)).toEqual(['a', 're a']);
  });

  it('keeps no trace of a question that failed', async () => {
    const conversation = new Conversation();
    await conversation.ask(
      'x',
      () => Promise.resolve(failed(new TwowattError('internal', 'broken'))),
      hooks(),
    );
    expect(conversation.turns).toEqual([]);
  });
});
