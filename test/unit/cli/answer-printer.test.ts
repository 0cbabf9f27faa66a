import { describe, expect, it } from 'vitest';
import { AnswerPrinter, answerFigures } from '../../../src/cli/answer-printer.ts';
import type { DoneFrame, Frame } from '../../../src/protocol/index.ts';

const head = { v: 1, id: 'a', node: 'n' } as const;
const delta = (seq: number, text: string): Frame => ({ ...head, type: 'delta', seq, text });
const restart: Frame = { ...head, type: 'restart', reason: 'engine restarted' };
const done = (text: string): DoneFrame => ({
  ...head,
  type: 'done',
  text,
  finish_reason: 'stop',
  model: 'nano',
  route: { target: 'edge', endpoint: null, reasons: [], difficulty: null, escalated: false },
  confidence: 0.98765,
  usage: { prompt_tokens: 5, completion_tokens: 3, cached_tokens: 0 },
  timing: { queued_ms: 0, ttft_ms: 12.4, total_ms: 30, tokens_per_s: 123.456 },
  energy: { joules: null, joules_per_token: null, measured: false },
  cost: { amount: 0, currency: 'USD' },
});

function print(frames: Frame[]): string[] {
  const writes: string[] = [];
  const printer = new AnswerPrinter((text) => writes.push(text));
  for (const frame of frames) printer.take(frame);
  return writes;
}

describe('AnswerPrinter', () => {
  it('writes each delta as it comes and nothing twice', () => {
    expect(print([delta(0, 'one '), delta(1, 'two'), done('one two')])).toEqual(['one ', 'two']);
  });

  it('fills in what lost deltas left out', () => {
    expect(print([delta(0, 'a'), delta(2, 'c'), delta(3, 'd'), done('abcd')])).toEqual([
      'a',
      'bcd',
    ]);
    expect(print([done('all at once')])).toEqual(['all at once']);
  });

  it('continues where it stopped when a restart says the same again', () => {
    const frames = [
      delta(0, 'one '),
      delta(1, 'two '),
      restart,
      delta(0, 'one '),
      delta(1, 'two three'),
    ];
    expect(print([...frames, done('one two three')])).toEqual(['one ', 'two ', 'three']);
  });

  it('starts a new line when a restart says something else', () => {
    expect(
      print([delta(0, 'one '), restart, delta(0, 'uno '), delta(1, 'dos'), done('uno dos')]),
    ).toEqual(['one ', '\nuno ', 'dos']);
    expect(print([delta(0, 'one two'), restart, done('one')])).toEqual(['one two', '\none']);
  });
});

describe('answerFigures', () => {
  it('shows tokens, rates, confidence, and why it ended unless it simply did', () => {
    expect(answerFigures(done(''))).toBe(
      '3 tokens · 123.5 tokens/s · first after 12 ms · confidence 0.988',
    );
    expect(answerFigures({ ...done(''), confidence: null, finish_reason: 'length' })).toBe(
      '3 tokens · 123.5 tokens/s · first after 12 ms · length',
    );
  });
});
