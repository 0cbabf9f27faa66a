import type { DatabaseSync } from 'node:sqlite';
import { type Clock, type Logger, TwowattError } from '../core/index.ts';
import { evictSentAnswers, pruneAnswers, writeSentMarks } from './answers.ts';
import { type CorruptReport, openDatabase, removeMovedAside } from './database.ts';
import { JournalError, type JournalProblem, toJournalError } from './errors.ts';
import { STATE } from './schema.ts';
import { appendTurns, pruneSessions, readTurns } from './sessions.ts';
import {
  prepareStatements,
  type PromptRow,
  type PromptRowWithText,
  type Statements,
  toStoredAnswer,
  toStoredPrompt,
} from './statements.ts';
import { createTimeline, type Timeline, type TimelineAnchor } from './timeline.ts';
import {
  addWaiting,
  copyTotals,
  depthOf,
  emptyTotals,
  loadTotals,
  ROW_OVERHEAD_BYTES,
  type Totals,
  waitingFrom,
} from './totals.ts';
import type { AcceptResult, Journal, NewPrompt, StoredPrompt } from './types.ts';

export type JournalLimits = {
  /** Waiting and running prompts. */
  maxDepth: number;
  /**
   * All that is stored, in bytes of text and a fixed overhead per row. Half is for work that must not
   * be lost (active prompts and unsent answers): beyond it prompts are refused. A quarter keeps sent
   * answers for the dedupe window (oldest go first), a quarter sessions (longest unused go first).
   * The file itself may be about twice as large: free pages are kept, and there is a log beside it.
   */
  maxBytes: number;
  /** How long answers (sent or not) and unused sessions are kept. */
  retentionMs: number;
  /** How long after its answer a prompt is recognised; retention, when shorter, ends it sooner. */
  dedupeWindowMs: number;
  /** Runs after which a prompt comes out of `claim` as `exhausted`. */
  maxAttempts: number;
};

export type JournalOptions = {
  path: string;
  clock: Clock;
  limits: JournalLimits;
  logger: Logger;
  onCorrupt?: (report: CorruptReport) => void;
};

const WORK_PART = 1 / 2;
const SENT_PART = 1 / 4;
const SESSION_PART = 1 / 4;

/** Lazy marks are written down by themselves when so many have gathered. */
const MOST_SENT_MARKS = 64;
/** Rows of each kind that one `prune` deletes: it must not hold up the daemon's event loop. */
const PRUNE_BATCH = 500;

const LOWEST_PRIORITY = 0;
const HIGHEST_PRIORITY = 9;

type Keeper = {
  boot_id: string;
  monotonic_ms: number;
  wall_ms: number;
  wall_trusted: number;
  journal_ms: number;
  next_seq: number;
};

/**
 * Opens (or begins) the journal at `path` and takes an exclusive lock on it. Prompts that were
 * running when the last process ended wait again. Throws a JournalError: `locked` when another
 * process has it, `newer_schema` or `foreign` when the file is not ours to touch.
 */
export function openJournal(options: JournalOptions): Journal {
  const { path, clock, limits, logger } = options;
  const database = openDatabase(path, (report) => {
    logger.error(report, 'the journal was damaged: moved aside, a fresh one was begun');
    options.onCorrupt?.(report);
  });
  try {
    return new SqliteJournal(database, path, clock, limits, logger);
  } catch (error) {
    database.close();
    throw toJournalError(error, path);
  }
}

class SqliteJournal implements Journal {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #limits: JournalLimits;
  readonly #logger: Logger;
  readonly #statements: Statements;
  readonly #timeline: Timeline;
  #nextSeq: number;
  #totals: Totals;
  /** Running prompts and when they were accepted. */
  readonly #running = new Map<number, number>();
  /** Answers known to be sent but not marked on disk yet, with their bytes. */
  readonly #sentMarks = new Map<number, number>();
  #problem: JournalProblem | null = null;

  constructor(
    database: DatabaseSync,
    path: string,
    clock: Clock,
    limits: JournalLimits,
    logger: Logger,
  ) {
    this.#database = database;
    this.#path = path;
    this.#limits = limits;
    this.#logger = logger;
    this.#statements = prepareStatements(database);
    const keeper = this.#statements.readKeeper.get() as Keeper | undefined;
    this.#timeline = createTimeline(clock, keeper === undefined ? undefined : toAnchor(keeper));
    this.#nextSeq = keeper?.next_seq ?? 1;
    this.#totals = emptyTotals();
    this.#write(() => this.#statements.runningToReady.run());
    this.#totals = loadTotals(this.#statements);
    logger.info(
      { depth: depthOf(this.#totals), unsent: this.#totals.unsent, time: this.#timeline.continued },
      'journal open',
    );
  }

  accept(prompt: NewPrompt): AcceptResult {
    return this.#guard(() => {
      const earlier = this.#findEarlier(prompt);
      if (earlier !== undefined) return earlier;
      const bytes = promptBytes(prompt);
      this.#refuseBeyondBounds(bytes);
      try {
        return this.#insert(prompt, bytes);
      } catch (error) {
        throw error instanceof JournalError ? error.asRefusal() : error;
      }
    });
  }

  claim(): StoredPrompt | undefined {
    return this.#guard(() => {
      const next = this.#statements.nextReady.get() as { seq: number } | undefined;
      if (next === undefined) return undefined;
      const row = this.#row(next.seq);
      const attempts = row.attempts + 1;
      this.#write(() => {
        this.#statements.setState.run(STATE.running, attempts, row.seq);
        addWaiting(this.#totals, row.priority, -1);
        this.#totals.running += 1;
      });
      this.#running.set(row.seq, row.accepted_at);
      return toStoredPrompt({ ...row, attempts }, this.#limits.maxAttempts);
    });
  }

  release(seq: number, { uncounted = false } = {}): void {
    this.#guard(() => {
      if (!this.#running.has(seq)) return;
      const row = this.#row(seq);
      this.#write(() => {
        this.#statements.setState.run(STATE.ready, row.attempts - (uncounted ? 1 : 0), seq);
        addWaiting(this.#totals, row.priority, 1);
        this.#totals.running -= 1;
      });
      this.#running.delete(seq);
    });
  }

  complete(...[seq, payload, turns]: Parameters<Journal['complete']>) {
    return this.#guard(() => {
      const row = this.#row(seq);
      if (row.state === STATE.answered) return toStoredAnswer(row);
      const bytes = answerBytes(row, payload);
      this.#write((now) => {
        this.#statements.answer.run(now, bytes, seq);
        this.#statements.replaceContent.run(payload, seq);
        if (row.state === STATE.running) this.#totals.running -= 1;
        else addWaiting(this.#totals, row.priority, -1);
        this.#totals.activeBytes -= row.bytes;
        this.#totals.unsent += 1;
        this.#totals.unsentBytes += bytes;
        if (row.session !== null) this.#advanceSession(row.session, turns ?? [], now);
      });
      this.#running.delete(seq);
      return toStoredAnswer({ ...row, text: payload });
    });
  }

  markSent(seq: number): void {
    this.#guard(() => {
      if (this.#sentMarks.has(seq)) return;
      const row = this.#statements.promptBySeq.get(seq) as PromptRowWithText | undefined;
      if (row === undefined || row.state !== STATE.answered || row.sent === 1) return;
      this.#sentMarks.set(seq, row.bytes);
      if (this.#sentMarks.size >= MOST_SENT_MARKS) this.#write(() => {});
    });
  }

  unsent(limit: number) {
    return this.#guard(() => {
      const rows = this.#statements.unsent.all(limit + this.#sentMarks.size) as { seq: number }[];
      return rows
        .filter(({ seq }) => !this.#sentMarks.has(seq))
        .slice(0, limit)
        .map(({ seq }) => toStoredAnswer(this.#row(seq)));
    });
  }

  expired(limit: number): StoredPrompt[] {
    return this.#guard(() => {
      const rows = this.#statements.expired.all(this.now(), limit) as { seq: number }[];
      return rows.map(({ seq }) => toStoredPrompt(this.#row(seq), this.#limits.maxAttempts));
    });
  }

  nextExpiry(): number | null {
    return this.#guard(() => {
      const row = this.#statements.nextExpiry.get() as { expires_at: number } | undefined;
      return row?.expires_at ?? null;
    });
  }

  findActive(id: string) {
    return this.#guard(() => {
      const rows = this.#statements.activeById.all(id) as PromptRowWithText[];
      return rows.map((row) => ({
        prompt: toStoredPrompt(row, this.#limits.maxAttempts),
        state: row.state === STATE.running ? ('running' as const) : ('waiting' as const),
      }));
    });
  }

  sessionTurns(session: string) {
    return this.#guard(() => readTurns(this.#statements, session));
  }

  counts() {
    return this.#guard(() => {
      const oldest = this.#oldestActive();
      return {
        depth: depthOf(this.#totals),
        bytes: this.#totals.activeBytes,
        oldestMs: oldest === undefined ? 0 : this.now() - oldest,
        unsent: this.#totals.unsent - this.#sentMarks.size,
        problem: this.#problem,
      };
    });
  }

  aheadOf(priority: number): number {
    return this.#totals.running + waitingFrom(this.#totals, clampPriority(priority));
  }

  now(): number {
    return this.#timeline.now();
  }

  prune(): number {
    return this.#guard(() => {
      const before = this.now() - this.#limits.retentionMs;
      const options = { before, limit: PRUNE_BATCH };
      // Looking first: an idle board must not sync its card once a minute for nothing.
      if (this.#sentMarks.size === 0 && !this.#anythingBefore(before)) return 0;
      const gone = this.#write(() => {
        pruneSessions(this.#statements, this.#totals, options);
        return pruneAnswers(this.#statements, this.#totals, options);
      });
      if (gone.unsent > 0) {
        this.#logger.warn(
          { answers: gone.unsent },
          'answers that no broker took went past their retention and were dropped',
        );
      }
      return gone.sent + gone.unsent;
    });
  }

  erase() {
    return this.#guard(() => {
      const totals = this.#totals;
      const erased = {
        prompts: depthOf(totals),
        answers: totals.unsent + totals.sent,
        sessions: totals.sessions,
      };
      this.#write(() => {
        this.#database.exec(
          'DELETE FROM content; DELETE FROM prompt; DELETE FROM turn; DELETE FROM session;',
        );
        this.#totals = emptyTotals();
      });
      this.#running.clear();
      // secure_delete has zeroed the freed pages; VACUUM gives them back and cutting the log off
      // takes away the last older copies. A flash card may still hold blocks it has remapped.
      this.#database.exec('VACUUM; PRAGMA wal_checkpoint(TRUNCATE);');
      removeMovedAside(this.#path);
      return erased;
    });
  }

  close(): void {
    if (!this.#database.isOpen) return;
    try {
      // After damage the mark "closed cleanly" stays away, so that the next open looks closely.
      if (this.#problem !== 'corrupt') this.#guard(() => this.#write(() => {}, { closing: true }));
    } finally {
      this.#database.close();
    }
  }

  /** The same prompt (or another of its name) that was accepted before and still counts. */
  #findEarlier(prompt: NewPrompt): AcceptResult | undefined {
    let row = this.#statements.newestById.get(prompt.id, prompt.reply.topic) as
      | PromptRow
      | undefined;
    if (row === undefined && prompt.idGenerated && prompt.delivery?.redelivered === true) {
      row = this.#statements.newestByPacket.get(prompt.delivery.packetId, prompt.bodyHash) as
        | PromptRow
        | undefined;
    }
    if (row === undefined) return undefined;
    const answeredAt = row.answered_at;
    if (answeredAt !== null && this.now() - answeredAt > this.#limits.dedupeWindowMs) {
      return undefined;
    }
    if (row.body_hash !== prompt.bodyHash) return { kind: 'conflict' };
    if (answeredAt === null) return { kind: 'in_progress', seq: row.seq, id: row.id };
    return { kind: 'answered', answer: toStoredAnswer(this.#row(row.seq)) };
  }

  #refuseBeyondBounds(bytes: number): void {
    const { maxDepth, maxBytes } = this.#limits;
    const depth = depthOf(this.#totals);
    if (depth >= maxDepth) {
      throw new TwowattError(
        'queue_full',
        `${depth} prompts are waiting, the limit is ${maxDepth}`,
      );
    }
    const held = this.#totals.activeBytes + this.#totals.unsentBytes;
    if (held + bytes > maxBytes * WORK_PART) {
      throw new TwowattError(
        'queue_full',
        `waiting prompts and unsent answers hold ${held} bytes, this prompt needs ${bytes}, ` +
          `the limit is ${maxBytes * WORK_PART} (half of queue.max_bytes)`,
      );
    }
  }

  #insert(prompt: NewPrompt, bytes: number): AcceptResult {
    const seq = this.#nextSeq;
    const priority = clampPriority(prompt.priority);
    const { reply, delivery, session } = prompt;
    const ahead = this.aheadOf(priority) + this.#sessionAhead(session, priority);
    this.#write((now) => {
      const blocked = session !== null && this.#statements.sessionIsBusy.get(session) !== undefined;
      this.#statements.insertPrompt.run(
        seq,
        blocked ? STATE.blocked : STATE.ready,
        priority,
        now,
        prompt.deadlineMs === null ? null : now + Math.ceil(prompt.deadlineMs),
        bytes,
        prompt.id,
        prompt.idGenerated ? 1 : 0,
        delivery?.packetId ?? null,
        delivery?.redelivered === true ? 1 : 0,
        session,
        prompt.bodyHash,
        reply.topic,
        reply.format,
        reply.correlation,
        reply.userProperties === null ? null : JSON.stringify(reply.userProperties),
      );
      this.#statements.insertContent.run(seq, prompt.body);
      addWaiting(this.#totals, priority, 1);
      this.#totals.activeBytes += bytes;
      this.#nextSeq = seq + 1;
    });
    return { kind: 'accepted', seq, ahead };
  }

  /** Older prompts of the session that run first although their priority is lower. */
  #sessionAhead(session: string | null, priority: number): number {
    if (session === null) return 0;
    return (this.#statements.sessionAhead.get(session, priority) as { n: number }).n;
  }

  /** Keeps the turns and lets the session's next prompt run. */
  #advanceSession(
    session: string,
    turns: NonNullable<Parameters<Journal['complete']>[2]>,
    now: number,
  ): void {
    if (turns.length > 0) {
      appendTurns(this.#statements, this.#totals, {
        name: session,
        turns,
        now,
        shareBytes: this.#limits.maxBytes * SESSION_PART,
      });
    }
    const head = this.#statements.sessionHead.get(session) as PromptRow | undefined;
    if (head?.state === STATE.blocked) {
      this.#statements.setState.run(STATE.ready, head.attempts, head.seq);
    }
  }

  #row(seq: number): PromptRowWithText {
    const row = this.#statements.promptBySeq.get(seq) as PromptRowWithText | undefined;
    if (row === undefined) {
      throw new JournalError('unknown_prompt', `the journal holds no prompt ${seq}`);
    }
    return row;
  }

  /** A blocked prompt is younger than its session's oldest, so ready and running ones are enough. */
  #oldestActive(): number | undefined {
    const found = [...this.#running.values()];
    for (const [priority, count] of this.#totals.waiting.entries()) {
      const row = count > 0 ? this.#statements.oldestReady.get(priority) : undefined;
      if (row !== undefined) found.push(row['accepted_at'] as number);
    }
    return found.length === 0 ? undefined : Math.min(...found);
  }

  #anythingBefore(before: number): boolean {
    const session = this.#statements.oldestSessions.get(1) as { used_at: number } | undefined;
    return (
      (session !== undefined && session.used_at < before) ||
      [0, 1].some((sent) => this.#statements.answeredBefore.get(sent, before, 1) !== undefined)
    );
  }

  /**
   * One transaction: lazy marks, `work`, bounds of the stored answers, journal time. When anything
   * fails, disk and counters are as before.
   */
  #write<T>(work: (now: number) => T, { closing = false } = {}): T {
    const totals = copyTotals(this.#totals);
    const nextSeq = this.#nextSeq;
    try {
      this.#statements.begin.run();
      writeSentMarks(this.#statements, this.#totals, this.#sentMarks);
      const result = work(this.now());
      evictSentAnswers(this.#statements, this.#totals, this.#limits.maxBytes * SENT_PART);
      const anchor = this.#timeline.anchor();
      this.#statements.writeKeeper.run(
        anchor.bootId,
        anchor.monotonicMs,
        anchor.wallMs,
        anchor.wallTrusted ? 1 : 0,
        anchor.journalMs,
        this.#nextSeq,
        closing ? 1 : 0,
      );
      this.#statements.commit.run();
      this.#sentMarks.clear();
      this.#problem = null;
      return result;
    } catch (error) {
      this.#totals = totals;
      this.#nextSeq = nextSeq;
      const failure = toJournalError(error, this.#path);
      if (failure instanceof JournalError) this.#problem = failure.problem;
      if (this.#database.isOpen && this.#database.isTransaction) this.#statements.rollback.run();
      throw failure;
    }
  }

  #guard<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw toJournalError(error, this.#path);
    }
  }
}

function toAnchor(keeper: Keeper): TimelineAnchor {
  return {
    bootId: keeper.boot_id,
    monotonicMs: keeper.monotonic_ms,
    wallMs: keeper.wall_ms,
    wallTrusted: keeper.wall_trusted === 1,
    journalMs: keeper.journal_ms,
  };
}

function clampPriority(priority: number): number {
  return Math.min(HIGHEST_PRIORITY, Math.max(LOWEST_PRIORITY, Math.trunc(priority)));
}

const textBytes = (...texts: (string | null)[]) =>
  texts.reduce((sum, text) => sum + (text === null ? 0 : Buffer.byteLength(text)), 0);

function promptBytes({ id, reply, bodyHash, body, session }: NewPrompt): number {
  const properties = reply.userProperties === null ? null : JSON.stringify(reply.userProperties);
  return (
    ROW_OVERHEAD_BYTES +
    textBytes(id, bodyHash, session, reply.topic, reply.correlation, properties, body)
  );
}

function answerBytes(row: PromptRow, payload: string): number {
  return (
    ROW_OVERHEAD_BYTES +
    textBytes(row.id, row.body_hash, row.session, row.topic, row.correlation) +
    textBytes(row.user_properties, payload)
  );
}
