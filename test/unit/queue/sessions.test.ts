import { describe, expect, it } from 'vitest';
import type { ChatMessage } from '../../../src/protocol/index.ts';
import { turnsToDrop } from '../../../src/queue/sessions.ts';
import { acceptNew, openBench } from './fixture.ts';

const turn = (role: ChatMessage['role'], content: string): ChatMessage => ({ role, content });
const exchange = (n: number, size = 0): ChatMessage[] => [
  turn('user', `question ${n}`),
  turn('assistant', `answer ${n}${'.'.repeat(size)}`),
];

describe('sessions', () => {
  it('grow by the turns of each answer, in one transaction with it', () => {
    const bench = openBench();
    const first = acceptNew(bench.journal, 'a', { session: 's' });
    bench.journal.complete(first, 'A', exchange(1));
    bench.journal.complete(first, 'a second answer', exchange(99));
    bench.journal.complete(acceptNew(bench.journal, 'b', { session: 's' }), 'B', exchange(2));
    bench.journal.complete(acceptNew(bench.journal, 'c', { session: 't' }), 'C', exchange(3));
    bench.reopen();
    expect(bench.journal.sessionTurns('s')).toEqual([...exchange(1), ...exchange(2)]);
    expect(bench.journal.sessionTurns('t')).toEqual(exchange(3));
    expect(bench.journal.sessionTurns('none')).toEqual([]);
  });

  it('go, longest unused first, when all together outgrow their share', async () => {
    const bench = openBench({ maxBytes: 100_000 });
    const use = async (session: string, n: number) => {
      const seq = acceptNew(bench.journal, `${session} ${n}`, { session });
      bench.journal.complete(seq, 'x', exchange(n, 4000));
      bench.journal.markSent(seq);
      await bench.clock.advance(1);
    };
    for (let n = 0; n < 8; n += 1) await use(`s${n}`, n);
    await use('s0', 20);
    for (let n = 8; n < 14; n += 1) await use(`s${n}`, n);
    expect(bench.journal.sessionTurns('s1')).toEqual([]);
    expect(bench.journal.sessionTurns('s0')).toHaveLength(4);
    expect(bench.journal.sessionTurns('s13')).toEqual(exchange(13, 4000));
    bench.reopen();
    expect(bench.journal.erase().sessions).toBeLessThan(13);
  });

  it('each stay within bounds: the oldest exchanges go', () => {
    const { journal } = openBench({ maxBytes: 100_000 });
    for (let n = 0; n < 10; n += 1) {
      const seq = acceptNew(journal, `p${n}`, { session: 's' });
      journal.complete(seq, 'x', exchange(n, 3000));
    }
    const turns = journal.sessionTurns('s');
    expect(turns.at(-1)).toEqual(exchange(9, 3000)[1]);
    expect(turns[0]?.role).toBe('user');
    expect(turns.length).toBeLessThan(10);
    expect(turns.length).toBeGreaterThan(4);
  });
});

describe('turnsToDrop', () => {
  const numbered = (turns: ChatMessage[]) =>
    turns.map(({ role, content }, n) => ({ n, role, content }));

  it('keeps everything within bounds', () => {
    expect(turnsToDrop(numbered(exchange(1)), 10_000)).toEqual([]);
  });

  it('keeps a leading system turn and never leaves an answer without its question', () => {
    const turns = numbered([turn('system', 'be short'), ...exchange(1, 900), ...exchange(2, 900)]);
    expect(turnsToDrop(turns, 1900).map(({ n }) => n)).toEqual([1, 2]);
    expect(turnsToDrop(turns, 1500).map(({ n }) => n)).toEqual([1, 2]);
  });

  it('bounds the number of turns', () => {
    const turns = numbered(Array.from({ length: 150 }, (_, n) => exchange(n)).flat());
    expect(turnsToDrop(turns, 1e9).map(({ n }) => n)).toEqual(
      Array.from({ length: 44 }, (_, n) => n),
    );
  });
});
