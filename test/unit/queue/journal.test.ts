import { describe, expect, it } from 'vitest';
import { TwowattError } from '../../../src/core/index.ts';
import { JournalError } from '../../../src/queue/index.ts';
import { acceptNew, claimAll, HOUR_MS, LIMITS, MINUTE_MS, openBench, prompt } from './fixture.ts';

function codeOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof TwowattError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

describe('accept', () => {
  it('stores every field and gives it back on claim, also after a reopen', () => {
    const bench = openBench();
    const sent = prompt('a', {
      idGenerated: true,
      reply: {
        kind: 'http',
        topic: 'to/作',
        format: 'text',
        correlation: 'AAEC',
        userProperties: { trace: ['1', '2'], unit: 'K' },
      },
      session: 'kitchen',
      priority: 7,
      deadlineMs: 1234,
      delivery: { packetId: 65_535, redelivered: true },
    });
    expect(bench.journal.accept(sent)).toEqual({ kind: 'accepted', seq: 1, ahead: 0 });
    bench.reopen();
    expect(bench.journal.claim()).toEqual({
      ...sent,
      seq: 1,
      acceptedAt: 0,
      expiresAt: 1234,
      attempts: 1,
      exhausted: false,
    });
  });

  it('counts what runs before a prompt', () => {
    const { journal } = openBench();
    for (const id of ['a', 'b', 'c']) acceptNew(journal, id);
    journal.claim();
    expect(journal.accept(prompt('urgent', { priority: 9 }))).toMatchObject({ ahead: 1 });
    expect(journal.accept(prompt('usual'))).toMatchObject({ ahead: 4 });
    expect([9, 5, 0].map((priority) => journal.aheadOf(priority))).toEqual([2, 5, 5]);
  });

  it('counts older prompts of the own session although their priority is lower', () => {
    const { journal } = openBench();
    acceptNew(journal, 'first', { session: 's', priority: 0 });
    expect(journal.accept(prompt('second', { session: 's', priority: 9 }))).toMatchObject({
      ahead: 1,
    });
  });

  it('recognises a prompt while it waits, runs, and for the window after its answer', async () => {
    const { journal, clock } = openBench();
    const seq = acceptNew(journal, 'a');
    expect(journal.accept(prompt('a'))).toEqual({ kind: 'in_progress', seq, id: 'a' });
    journal.claim();
    await clock.advance(100 * HOUR_MS);
    expect(journal.accept(prompt('a'))).toEqual({ kind: 'in_progress', seq, id: 'a' });
    expect(journal.accept(prompt('a', { bodyHash: 'other' }))).toEqual({ kind: 'conflict' });
    const answer = journal.complete(seq, 'the answer');
    await clock.advance(LIMITS.dedupeWindowMs);
    expect(journal.accept(prompt('a'))).toEqual({ kind: 'answered', answer });
    expect(journal.accept(prompt('a', { bodyHash: 'other' }))).toEqual({ kind: 'conflict' });
    await clock.advance(1);
    const again = acceptNew(journal, 'a', { bodyHash: 'other' });
    expect(again).toBeGreaterThan(seq);
    expect(journal.accept(prompt('a'))).toEqual({ kind: 'conflict' });
    expect(journal.findActive('a').map(({ prompt: { seq: found } }) => found)).toEqual([again]);
  });

  it('tells the same id on two reply topics apart', () => {
    const { journal } = openBench();
    acceptNew(journal, 'a');
    const elsewhere = {
      kind: 'mqtt',
      topic: 'elsewhere',
      format: 'frames',
      correlation: null,
    } as const;
    acceptNew(journal, 'a', { reply: { ...elsewhere, userProperties: null }, bodyHash: 'other' });
    expect(journal.findActive('a')).toHaveLength(2);
  });

  it('knows a redelivered packet without an id by packet id and body', async () => {
    const { journal, clock } = openBench();
    const packet = (id: string, packetId: number, redelivered: boolean, bodyHash = 'same') =>
      prompt(id, { idGenerated: true, bodyHash, delivery: { packetId, redelivered } });
    expect(journal.accept(packet('g1', 7, false)).kind).toBe('accepted');
    expect(journal.accept(packet('g2', 7, true))).toMatchObject({ kind: 'in_progress', id: 'g1' });
    expect(journal.accept(packet('g3', 7, false)).kind).toBe('accepted');
    expect(journal.accept(packet('g4', 7, true))).toMatchObject({ kind: 'in_progress', id: 'g3' });
    expect(journal.accept(packet('g5', 8, true)).kind).toBe('accepted');
    expect(journal.accept(packet('g6', 7, true, 'other')).kind).toBe('accepted');
    const running = journal.claim();
    expect(running?.id).toBe('g1');
    for (const { seq } of [1, 2].map((at) => ({ seq: at }))) journal.complete(seq, `answer ${seq}`);
    expect(journal.accept(packet('g7', 7, true))).toMatchObject({
      kind: 'answered',
      answer: { id: 'g3', payload: 'answer 2' },
    });
    await clock.advance(LIMITS.dedupeWindowMs + 1);
    expect(journal.accept(packet('g8', 7, true)).kind).toBe('accepted');
  });

  it('does not take a client id for a redelivered packet', () => {
    const { journal } = openBench();
    const delivery = { packetId: 7, redelivered: true };
    acceptNew(journal, 'a', { bodyHash: 'same', delivery });
    acceptNew(journal, 'b', { bodyHash: 'same', delivery });
  });

  it('refuses beyond the depth, running prompts included, and changes nothing then', () => {
    const bench = openBench({ maxDepth: 2 });
    acceptNew(bench.journal, 'a');
    acceptNew(bench.journal, 'b');
    bench.journal.claim();
    const before = bench.journal.counts();
    expect(codeOf(() => bench.journal.accept(prompt('c')))).toBe('queue_full');
    expect(bench.journal.accept(prompt('a')).kind).toBe('in_progress');
    expect(bench.journal.counts()).toEqual(before);
    bench.journal.complete(1, 'done');
    acceptNew(bench.journal, 'c');
  });

  it('refuses beyond the bytes of waiting prompts and unsent answers', () => {
    const { journal } = openBench({ maxBytes: 10_000 });
    const body = 'x'.repeat(3000);
    acceptNew(journal, 'a', { body });
    acceptNew(journal, 'b', { body });
    expect(codeOf(() => journal.accept(prompt('c', { body: 'x'.repeat(5000) })))).toBe(
      'queue_full',
    );
    journal.complete(1, 'y'.repeat(7000));
    expect(codeOf(() => journal.accept(prompt('c')))).toBe('queue_full');
    journal.markSent(1);
    acceptNew(journal, 'c');
  });
});

describe('claim and release', () => {
  it('takes the highest priority first, then the oldest', () => {
    const { journal } = openBench();
    acceptNew(journal, 'low', { priority: 0 });
    acceptNew(journal, 'usual 1');
    acceptNew(journal, 'high', { priority: 9 });
    acceptNew(journal, 'usual 2');
    expect(claimAll(journal)).toEqual(['high', 'usual 1', 'usual 2', 'low']);
  });

  it('runs one prompt of a session at a time, in order, whatever their priorities', () => {
    const { journal } = openBench();
    const first = acceptNew(journal, 's1', { session: 's', priority: 1 });
    const second = acceptNew(journal, 's2', { session: 's', priority: 9 });
    const third = acceptNew(journal, 's3', { session: 's', priority: 9 });
    acceptNew(journal, 'other', { session: 't', priority: 0 });
    expect(claimAll(journal)).toEqual(['s1', 'other']);
    journal.complete(second, 'expired while waiting');
    expect(claimAll(journal)).toEqual([]);
    journal.complete(first, 'done');
    expect(claimAll(journal)).toEqual(['s3']);
    journal.release(third);
    acceptNew(journal, 's4', { session: 's', priority: 9 });
    expect(claimAll(journal)).toEqual(['s3']);
  });

  it('puts a released prompt back at its old place and counts the attempt unless told otherwise', () => {
    const { journal } = openBench();
    const seq = acceptNew(journal, 'a');
    acceptNew(journal, 'b');
    expect(journal.claim()).toMatchObject({ id: 'a', attempts: 1 });
    journal.release(seq);
    expect(journal.claim()).toMatchObject({ id: 'a', attempts: 2 });
    journal.release(seq, { uncounted: true });
    expect(journal.claim()).toMatchObject({ id: 'a', attempts: 2 });
    expect(journal.findActive('a')).toMatchObject([{ state: 'running' }]);
    expect(journal.findActive('b')).toMatchObject([{ state: 'waiting' }]);
  });

  it('leaves alone what is not running', () => {
    const { journal } = openBench();
    const seq = acceptNew(journal, 'a');
    journal.release(seq);
    journal.release(99);
    journal.complete(seq, 'done');
    journal.release(seq);
    expect(journal.claim()).toBeUndefined();
  });

  it('counts attempts over restarts and gives a prompt up that keeps taking the daemon down', () => {
    const bench = openBench();
    acceptNew(bench.journal, 'poison');
    for (let attempt = 1; attempt <= LIMITS.maxAttempts; attempt += 1) {
      expect(bench.journal.claim()).toMatchObject({ attempts: attempt, exhausted: false });
      bench.reopen();
    }
    expect(bench.journal.claim()).toMatchObject({ id: 'poison', exhausted: true });
  });
});

describe('complete and sending', () => {
  it('keeps the first answer', () => {
    const bench = openBench();
    const seq = acceptNew(bench.journal, 'a');
    const first = bench.journal.complete(seq, 'first');
    expect(first).toMatchObject({ seq, id: 'a', payload: 'first', reply: prompt('a').reply });
    expect(bench.journal.complete(seq, 'second')).toEqual(first);
    bench.reopen();
    expect(bench.journal.complete(seq, 'third')).toEqual(first);
    expect(bench.journal.claim()).toBeUndefined();
  });

  it('says which prompt it does not know', () => {
    const { journal } = openBench();
    expect(() => journal.complete(42, 'x')).toThrowError(
      expect.objectContaining({ problem: 'unknown_prompt', message: expect.stringMatching('42') }),
    );
  });

  it('offers unsent answers, oldest first, until they are marked, also after a reopen', async () => {
    const bench = openBench();
    for (const id of ['a', 'b', 'c']) acceptNew(bench.journal, id);
    for (const seq of [2, 1, 3]) {
      await bench.clock.advance(10);
      bench.journal.complete(seq, `answer ${seq}`);
    }
    const ids = (limit: number) => bench.journal.unsent(limit).map(({ id }) => id);
    expect(ids(2)).toEqual(['b', 'a']);
    bench.journal.markSent(2);
    bench.journal.markSent(2);
    bench.journal.markSent(77);
    expect(ids(2)).toEqual(['a', 'c']);
    expect(bench.journal.counts().unsent).toBe(2);
    bench.reopen();
    expect(ids(9)).toEqual(['a', 'c']);
    expect(bench.journal.counts().unsent).toBe(2);
  });

  it('lists what has expired while waiting, blocked prompts included, running ones not', async () => {
    const { journal, clock } = openBench();
    acceptNew(journal, 'running', { deadlineMs: 10, session: 's' });
    acceptNew(journal, 'blocked', { deadlineMs: 30, session: 's' });
    acceptNew(journal, 'waiting', { deadlineMs: 20, priority: 0 });
    acceptNew(journal, 'patient');
    journal.claim();
    expect(journal.nextExpiry()).toBe(20);
    await clock.advance(30);
    expect(journal.expired(9).map(({ id }) => id)).toEqual(['waiting', 'blocked']);
    expect(journal.expired(1)).toHaveLength(1);
    for (const { seq } of journal.expired(9)) journal.complete(seq, 'expired');
    expect([journal.nextExpiry(), journal.expired(9)]).toEqual([null, []]);
  });

  it('reports depth, bytes and the age of the oldest', async () => {
    const bench = openBench();
    expect(bench.journal.counts()).toEqual({
      depth: 0,
      bytes: 0,
      oldestMs: 0,
      unsent: 0,
      problem: null,
    });
    acceptNew(bench.journal, 'old', { priority: 0, body: 'x'.repeat(1000) });
    await bench.clock.advance(500);
    acceptNew(bench.journal, 'young', { priority: 9 });
    await bench.clock.advance(500);
    const before = bench.journal.counts();
    expect(before).toMatchObject({ depth: 2, oldestMs: 1000 });
    expect(before.bytes).toBeGreaterThan(1000);
    bench.reopen();
    expect(bench.journal.counts()).toEqual(before);
    bench.journal.complete(1, '');
    expect(bench.journal.counts()).toMatchObject({ depth: 1, oldestMs: 500, unsent: 1 });
  });
});

describe('bounds of what is kept', () => {
  it('lets the oldest sent answers go when they outgrow their share, unsent ones never', async () => {
    const bench = openBench({ maxBytes: 100_000 });
    const payload = 'x'.repeat(10_000);
    const unsent = acceptNew(bench.journal, 'unsent');
    bench.journal.complete(unsent, payload);
    for (let n = 0; n < 12; n += 1) {
      const seq = acceptNew(bench.journal, `sent ${n}`);
      bench.journal.complete(seq, payload);
      bench.journal.markSent(seq);
      await bench.clock.advance(1);
    }
    bench.journal.prune();
    expect(bench.journal.accept(prompt('unsent')).kind).toBe('answered');
    expect(bench.journal.accept(prompt('sent 11')).kind).toBe('answered');
    expect(bench.journal.accept(prompt('sent 0')).kind).toBe('accepted');
  });

  it('drops answers and sessions past their retention and says what was never sent', async () => {
    const warnings: string[] = [];
    const logger = {
      debug() {},
      info() {},
      warn: (fields: object) => void warnings.push(JSON.stringify(fields)),
      error() {},
      child: () => logger,
    };
    const bench = openBench({}, { logger });
    bench.journal.complete(acceptNew(bench.journal, 'a', { session: 's' }), 'A', [
      { role: 'user', content: 'q' },
    ]);
    bench.journal.markSent(1);
    bench.journal.complete(acceptNew(bench.journal, 'b'), 'B');
    acceptNew(bench.journal, 'waiting');
    await bench.clock.advance(LIMITS.retentionMs);
    expect(bench.journal.prune()).toBe(0);
    await bench.clock.advance(1);
    expect(bench.journal.prune()).toBe(2);
    expect(bench.journal.prune()).toBe(0);
    expect(warnings).toEqual(['{"answers":1}']);
    expect(bench.journal.sessionTurns('s')).toEqual([]);
    expect(bench.journal.counts()).toMatchObject({ depth: 1, unsent: 0 });
    expect(() => bench.journal.complete(1, 'x')).toThrow(JournalError);
  });

  it('never reuses a seq, also after everything is gone', async () => {
    const bench = openBench();
    bench.journal.complete(acceptNew(bench.journal, 'a'), 'A');
    await bench.clock.advance(LIMITS.retentionMs + MINUTE_MS);
    bench.journal.prune();
    bench.reopen();
    expect(acceptNew(bench.journal, 'a')).toBe(2);
    bench.journal.erase();
    bench.reopen();
    expect(acceptNew(bench.journal, 'a')).toBe(3);
  });
});

it('answers every call after close with a coded error', () => {
  const { journal } = openBench();
  journal.close();
  journal.close();
  const closed = expect.objectContaining({ problem: 'closed' });
  expect(() => journal.accept(prompt('a'))).toThrowError(closed);
  expect(() => journal.claim()).toThrowError(closed);
  expect(() => journal.prune()).toThrowError(closed);
});
