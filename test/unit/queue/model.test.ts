import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Journal, NewPrompt } from '../../../src/queue/index.ts';
import { type Bench, LIMITS, openBench, prompt } from './fixture.ts';

/** The journal's interface once more, as plainly as it can be said: one list, no disk. */
type ModelPrompt = {
  seq: number;
  prompt: NewPrompt;
  acceptedAt: number;
  attempts: number;
  state: 'waiting' | 'running' | 'answered';
  payload: string | null;
  answeredAt: number;
  sent: boolean;
};

class Model {
  prompts: ModelPrompt[] = [];
  sessions = new Map<string, { turns: string[]; usedAt: number }>();
  now = 0;
  nextSeq = 1;

  active = () => this.prompts.filter(({ state }) => state !== 'answered');
  waiting = () => this.prompts.filter(({ state }) => state === 'waiting');

  newestLike(wanted: NewPrompt): ModelPrompt | undefined {
    const named = this.prompts.filter(
      ({ prompt: { id, reply } }) => id === wanted.id && reply.topic === wanted.reply.topic,
    );
    if (named.length > 0 || !wanted.idGenerated || wanted.delivery?.redelivered !== true) {
      return named.at(-1);
    }
    return this.prompts.findLast(
      ({ prompt: { idGenerated, delivery, bodyHash } }) =>
        idGenerated &&
        delivery?.packetId === wanted.delivery?.packetId &&
        bodyHash === wanted.bodyHash,
    );
  }

  accept(wanted: NewPrompt): unknown {
    const like = this.newestLike(wanted);
    const counts =
      like !== undefined &&
      (like.state !== 'answered' || this.now - like.answeredAt <= LIMITS.dedupeWindowMs);
    if (counts) {
      if (like.prompt.bodyHash !== wanted.bodyHash) return { kind: 'conflict' };
      if (like.state !== 'answered') {
        return { kind: 'in_progress', seq: like.seq, id: like.prompt.id };
      }
      return { kind: 'answered', answer: answerOf(like) };
    }
    if (this.active().length >= MODEL_DEPTH) return 'queue_full';
    const ahead = this.active().filter(
      ({ state, prompt: { priority, session } }) =>
        state === 'running' ||
        priority >= wanted.priority ||
        (session !== null && session === wanted.session),
    ).length;
    const seq = this.nextSeq++;
    this.prompts.push({
      seq,
      prompt: wanted,
      acceptedAt: this.now,
      attempts: 0,
      state: 'waiting',
      payload: null,
      answeredAt: 0,
      sent: false,
    });
    return { kind: 'accepted', seq, ahead };
  }

  next(): ModelPrompt | undefined {
    const free = this.waiting().filter(
      ({ seq, prompt: { session } }) =>
        session === null ||
        !this.active().some((older) => older.seq < seq && older.prompt.session === session),
    );
    return free.sort((a, b) => b.prompt.priority - a.prompt.priority || a.seq - b.seq)[0];
  }

  complete(entry: ModelPrompt, payload: string, turns: string[]): void {
    if (entry.state === 'answered') return;
    const { session } = entry.prompt;
    Object.assign(entry, { state: 'answered', payload, answeredAt: this.now });
    if (session !== null && turns.length > 0) {
      const before = this.sessions.get(session)?.turns ?? [];
      this.sessions.set(session, { turns: [...before, ...turns], usedAt: this.now });
    }
  }

  prune(): number {
    const cutoff = this.now - LIMITS.retentionMs;
    const gone = this.prompts.filter((p) => p.state === 'answered' && p.answeredAt < cutoff);
    this.prompts = this.prompts.filter((p) => !gone.includes(p));
    for (const [name, { usedAt }] of this.sessions) if (usedAt < cutoff) this.sessions.delete(name);
    return gone.length;
  }

  expired(): ModelPrompt[] {
    return this.waiting()
      .filter((p) => expiryOf(p) !== null && (expiryOf(p) as number) <= this.now)
      .sort((a, b) => (expiryOf(a) as number) - (expiryOf(b) as number) || a.seq - b.seq);
  }
}

const MODEL_DEPTH = 6;
const expiryOf = ({ acceptedAt, prompt: { deadlineMs } }: ModelPrompt) =>
  deadlineMs === null ? null : acceptedAt + deadlineMs;
const answerOf = ({ seq, prompt: { id, reply }, payload }: ModelPrompt) => ({
  seq,
  id,
  reply,
  payload,
});

type Real = { bench: Bench };
type Command = fc.AsyncCommand<Model, Real>;

/** Everything that can be asked without changing anything must agree after every step. */
function compare(model: Model, { bench: { journal } }: Real): void {
  const active = model.active();
  const oldest = Math.min(...active.map(({ acceptedAt }) => acceptedAt));
  const unsent = model.prompts
    .filter(({ state, sent }) => state === 'answered' && !sent)
    .sort((a, b) => a.answeredAt - b.answeredAt || a.seq - b.seq);
  expect(journal.now()).toBe(model.now);
  expect(journal.counts()).toMatchObject({
    depth: active.length,
    oldestMs: active.length === 0 ? 0 : model.now - oldest,
    unsent: unsent.length,
    problem: null,
  });
  expect(journal.unsent(100)).toEqual(unsent.map(answerOf));
  expect(journal.expired(100).map(({ seq }) => seq)).toEqual(model.expired().map(({ seq }) => seq));
  const expiries = model.waiting().flatMap((p) => expiryOf(p) ?? []);
  expect(journal.nextExpiry()).toBe(expiries.length === 0 ? null : Math.min(...expiries));
  for (const id of IDS) {
    expect(
      journal.findActive(id).map(({ prompt: p, state }) => [p.seq, p.attempts, state]),
    ).toEqual(
      active.filter(({ prompt: p }) => p.id === id).map((p) => [p.seq, p.attempts, p.state]),
    );
  }
  for (const name of SESSIONS) {
    expect(journal.sessionTurns(name).map(({ content }) => content)).toEqual(
      model.sessions.get(name)?.turns ?? [],
    );
  }
}

function command(
  name: string,
  step: (model: Model, journal: Journal, real: Real) => void | Promise<void>,
): Command {
  return {
    check: () => true,
    async run(model, real) {
      await step(model, real.bench.journal, real);
      compare(model, real);
    },
    toString: () => name,
  };
}

const IDS = ['a', 'b', 'c', 'd'];
const SESSIONS = ['s', 't'];

const promptFields = fc.record({
  id: fc.constantFrom(...IDS),
  idGenerated: fc.boolean(),
  topic: fc.constantFrom('one', 'two'),
  bodyHash: fc.constantFrom('x', 'y'),
  session: fc.constantFrom(null, null, ...SESSIONS),
  priority: fc.constantFrom(0, 5, 9),
  deadlineMs: fc.constantFrom(null, 5, 40, 1000),
  delivery: fc.constantFrom(
    null,
    { packetId: 1, redelivered: false },
    { packetId: 1, redelivered: true },
    { packetId: 2, redelivered: true },
  ),
});

let generated = 0;

const commands = [
  promptFields.map(({ topic, ...fields }) =>
    command(`accept ${JSON.stringify({ topic, ...fields })}`, (model, journal) => {
      const id = fields.idGenerated ? `generated-${generated++}` : fields.id;
      const reply = {
        kind: 'mqtt',
        topic,
        format: 'frames',
        correlation: null,
        userProperties: null,
      } as const;
      const wanted = prompt(id, { ...fields, id, reply });
      const expected = model.accept(wanted);
      if (expected === 'queue_full') {
        expect(() => journal.accept(wanted)).toThrowError(
          expect.objectContaining({ code: 'queue_full' }),
        );
      } else {
        expect(journal.accept(wanted)).toEqual(expected);
      }
    }),
  ),
  fc.constant(null).map(() =>
    command('claim', (model, journal) => {
      const next = model.next();
      if (next !== undefined) {
        next.state = 'running';
        next.attempts += 1;
      }
      const claimed = journal.claim();
      expect(claimed?.seq).toBe(next?.seq);
      if (next !== undefined) {
        expect(claimed).toEqual({
          ...next.prompt,
          seq: next.seq,
          acceptedAt: next.acceptedAt,
          expiresAt: expiryOf(next),
          attempts: next.attempts,
          exhausted: next.attempts > LIMITS.maxAttempts,
        });
      }
    }),
  ),
  fc.record({ at: fc.nat(20), uncounted: fc.boolean() }).map(({ at, uncounted }) =>
    command(`release ${at} ${uncounted}`, (model, journal) => {
      const entry = model.prompts[at % Math.max(1, model.prompts.length)];
      if (entry?.state === 'running') {
        entry.state = 'waiting';
        entry.attempts -= uncounted ? 1 : 0;
      }
      journal.release(entry?.seq ?? 999, { uncounted });
    }),
  ),
  fc
    .record({
      at: fc.nat(20),
      payload: fc.string(),
      turns: fc.array(fc.string(), { maxLength: 2 }),
    })
    .map(({ at, payload, turns }) =>
      command(`complete ${at}`, (model, journal) => {
        const entry = model.prompts[at % Math.max(1, model.prompts.length)];
        if (entry === undefined) return;
        model.complete(entry, payload, turns);
        const given = turns.map((content) => ({ role: 'user' as const, content }));
        expect(journal.complete(entry.seq, payload, given)).toEqual(answerOf(entry));
      }),
    ),
  fc.nat(20).map((at) =>
    command(`markSent ${at}`, (model, journal) => {
      const entry = model.prompts[at % Math.max(1, model.prompts.length)];
      if (entry?.state === 'answered') entry.sent = true;
      journal.markSent(entry?.seq ?? 999);
    }),
  ),
  fc.constantFrom(1, 10, LIMITS.dedupeWindowMs, LIMITS.retentionMs).map((ms) =>
    command(`advance ${ms}`, async (model, _journal, { bench }) => {
      await bench.clock.advance(ms);
      model.now += ms;
    }),
  ),
  fc.constantFrom(1, -1).map((direction) =>
    command(`jump wall ${direction}`, (_model, _journal, { bench }) => {
      bench.clock.jumpWall(direction * 20 * 365 * 24 * 3600 * 1000);
    }),
  ),
  fc.constant(null).map(() =>
    command('prune', (model, journal) => {
      expect(journal.prune()).toBe(model.prune());
    }),
  ),
  fc.record({ reboot: fc.boolean(), downMs: fc.constantFrom(7, -7) }).map(({ reboot, downMs }) =>
    command(`reopen ${reboot} ${downMs}`, (model, journal, { bench }) => {
      journal.close();
      if (reboot) {
        bench.clock.reboot({ downMs });
        model.now += Math.max(0, downMs);
      }
      bench.reopen();
      for (const entry of model.prompts) if (entry.state === 'running') entry.state = 'waiting';
    }),
  ),
  fc.constant(null).map(() =>
    command('erase', (model, journal) => {
      const answers = model.prompts.filter(({ state }) => state === 'answered').length;
      expect(journal.erase()).toEqual({
        prompts: model.prompts.length - answers,
        answers,
        sessions: model.sessions.size,
      });
      model.prompts = [];
      model.sessions.clear();
    }),
  ),
];

/** Prompts must pile up before the rare commands show anything. */
const [accepts, claims, ...others] = commands;
const [, completes] = others;
const often = [accepts, claims, completes].filter((one) => one !== undefined);
const mix = [...commands, ...often, ...often, accepts, accepts].filter((one) => one !== undefined);

it('behaves like a list in memory, over reopens, reboots and wall clock jumps', async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(mix, { maxCommands: 80, size: 'max' }), async (steps) => {
      const bench = openBench({ maxDepth: MODEL_DEPTH });
      await fc.asyncModelRun(() => ({ model: new Model(), real: { bench } }), steps);
      bench.journal.close();
    }),
    { numRuns: 60, interruptAfterTimeLimit: 20_000 },
  );
}, 60_000);
