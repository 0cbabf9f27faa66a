import type { DatabaseSync } from 'node:sqlite';
import type { Clock, Logger } from '../core/index.ts';
import { admit, aheadOf } from './admission.ts';
import { answerBytes, pruneAnswers } from './answers.ts';
import { type CorruptReport, openDatabase, removeMovedAside } from './database.ts';
import { type JournalError, toJournalError } from './errors.ts';
import { Ledger } from './ledger.ts';
import { type JournalLimits, sentShareBytes, sessionShareBytes } from './limits.ts';
import { STATE } from './schema.ts';
import { appendTurns, pruneSessions, readFacts, readTurns } from './sessions.ts';
import {
  type PromptRow,
  type PromptRowWithText,
  toStoredAnswer,
  toStoredPrompt,
} from './statements.ts';
import { addWaiting, depthOf, emptyTotals } from './totals.ts';
import type { Journal, NewPrompt, SessionFacts, StoredPrompt } from './types.ts';

export type JournalOptions = {
  path: string;
  clock: Clock;
  limits: JournalLimits;
  logger: Logger;
  /** A journal that could not be read was set aside and a fresh one begun, or what is left of it goes on. */
  onCorrupt?: (report: CorruptReport) => void;
};

/** Lazy marks are written down by themselves when so many have gathered. */
const MOST_SENT_MARKS = 64;
/** Rows of each kind that one `prune` deletes: it must not hold up the daemon's event loop. */
const PRUNE_BATCH = 500;

/**
 * Opens (or begins) the journal at `path` and takes an exclusive lock on it. Prompts that were
 * running when the last process ended wait again. Throws a JournalError: `locked` when another
 * process has it, `newer_schema` or `foreign` when the file is not ours to touch, `read_only`,
 * `disk_full` or `io` when it cannot be written.
 */
export function openJournal(options: JournalOptions): Journal {
  const { path, clock, limits, logger } = options;
  const database = openDatabase(path, (report) => {
    logger.error(report, 'the journal was damaged and set aside');
    options.onCorrupt?.(report);
  });
  try {
    const ledger = new Ledger(database, { path, clock, sentShareBytes: sentShareBytes(limits) });
    logger.info(
      {
        depth: depthOf(ledger.totals),
        unsent: ledger.totals.unsent,
        timeline: ledger.timeline.continued,
      },
      'journal open',
    );
    return new SqliteJournal({ database, ledger, path, limits, logger });
  } catch (error) {
    database.close();
    throw toJournalError(error, path);
  }
}

type Parts = {
  database: DatabaseSync;
  ledger: Ledger;
  path: string;
  limits: JournalLimits;
  logger: Logger;
};

class SqliteJournal implements Journal {
  readonly #database: DatabaseSync;
  readonly #ledger: Ledger;
  readonly #path: string;
  readonly #limits: JournalLimits;
  readonly #logger: Logger;

  constructor({ database, ledger, path, limits, logger }: Parts) {
    this.#database = database;
    this.#ledger = ledger;
    this.#path = path;
    this.#limits = limits;
    this.#logger = logger;
  }

  accept(prompt: NewPrompt) {
    return this.#ledger.guard(() => admit(this.#ledger, this.#limits, prompt));
  }

  claim(wanted?: number): StoredPrompt | undefined {
    const ledger = this.#ledger;
    return ledger.guard(() => {
      const next =
        wanted === undefined
          ? (ledger.statements.nextReady.get() as { seq: number } | undefined)
          : (ledger.statements.promptBySeq.get(wanted) as PromptRow | undefined);
      if (next === undefined) return undefined;
      const row = ledger.row(next.seq);
      if (row.state !== STATE.ready) return undefined;
      const attempts = row.attempts + 1;
      // The count must outlast a crash that the prompt causes. A first run that this process accepted
      // need not wait for the card: should it take the power away, the count is lost once, and the
      // next process, which did not accept it, syncs.
      const synced = attempts > 1 || row.seq < ledger.firstSeq;
      ledger.write(
        () => {
          ledger.statements.setState.run(STATE.running, attempts, row.seq);
          addWaiting(ledger.totals, row.priority, -1);
          ledger.totals.running.set(row.seq, row.accepted_at);
        },
        { synced },
      );
      return this.#prompt({ ...row, attempts });
    });
  }

  ready(limit: number): StoredPrompt[] {
    const ledger = this.#ledger;
    return ledger.guard(() => {
      const rows = ledger.statements.ready.all(limit) as PromptRowWithText[];
      return rows.map((row) => this.#prompt(row));
    });
  }

  release(seq: number, { uncounted = false } = {}): void {
    const ledger = this.#ledger;
    ledger.guard(() => {
      if (!ledger.totals.running.has(seq)) return;
      const row = ledger.row(seq);
      ledger.write(() => {
        ledger.statements.setState.run(STATE.ready, row.attempts - (uncounted ? 1 : 0), seq);
        addWaiting(ledger.totals, row.priority, 1);
        ledger.totals.running.delete(seq);
      });
    });
  }

  complete(...[seq, payload, turns, facts]: Parameters<Journal['complete']>) {
    const ledger = this.#ledger;
    return ledger.guard(() => {
      const row = ledger.row(seq);
      if (row.state === STATE.answered) return toStoredAnswer(row);
      const bytes = answerBytes(row, payload);
      ledger.write((now) => {
        ledger.statements.answer.run(now, bytes, seq);
        ledger.statements.replaceContent.run(payload, seq);
        if (!ledger.totals.running.delete(seq)) addWaiting(ledger.totals, row.priority, -1);
        ledger.totals.activeBytes -= row.bytes;
        ledger.totals.unsent += 1;
        ledger.totals.unsentBytes += bytes;
        if (row.session !== null) this.#advanceSession(row.session, turns ?? [], facts, now);
      });
      return toStoredAnswer({ ...row, text: payload });
    });
  }

  markSent(seq: number): void {
    const ledger = this.#ledger;
    ledger.guard(() => {
      if (ledger.sentMarks.has(seq)) return;
      const row = ledger.statements.promptBySeq.get(seq) as PromptRowWithText | undefined;
      if (row === undefined || row.state !== STATE.answered || row.sent === 1) return;
      ledger.sentMarks.set(seq, row.bytes);
      if (ledger.sentMarks.size >= MOST_SENT_MARKS) ledger.write(() => {});
    });
  }

  unsent(limit: number) {
    const ledger = this.#ledger;
    return ledger.guard(() => {
      const most = limit + ledger.sentMarks.size;
      const rows = ledger.statements.unsent.all(most) as { seq: number }[];
      return rows
        .filter(({ seq }) => !ledger.sentMarks.has(seq))
        .slice(0, limit)
        .map(({ seq }) => toStoredAnswer(ledger.row(seq)));
    });
  }

  expired(limit: number): StoredPrompt[] {
    const ledger = this.#ledger;
    return ledger.guard(() => {
      const rows = ledger.statements.expired.all(ledger.now(), limit) as { seq: number }[];
      return rows.map(({ seq }) => this.#prompt(ledger.row(seq)));
    });
  }

  nextExpiry(): number | null {
    return this.#ledger.guard(() => {
      const row = this.#ledger.statements.nextExpiry.get() as { expires_at: number } | undefined;
      return row?.expires_at ?? null;
    });
  }

  findActive(id: string) {
    return this.#ledger.guard(() => {
      const rows = this.#ledger.statements.activeById.all(id) as PromptRowWithText[];
      return rows.map((row) => ({
        prompt: this.#prompt(row),
        state: row.state === STATE.running ? ('running' as const) : ('waiting' as const),
      }));
    });
  }

  sessionTurns(session: string) {
    return this.#ledger.guard(() => readTurns(this.#ledger.statements, session));
  }

  sessionFacts(session: string) {
    return this.#ledger.guard(() => readFacts(this.#ledger.statements, session));
  }

  counts() {
    const ledger = this.#ledger;
    let oldest: number | undefined;
    try {
      oldest = ledger.guard(() => this.#oldestActive());
    } catch (error) {
      // Whoever looks after the journal's health must be told of damage, not be hit by it.
      if ((error as JournalError).problem === 'closed') throw error;
    }
    return {
      depth: depthOf(ledger.totals),
      bytes: ledger.totals.activeBytes,
      oldestMs: oldest === undefined ? 0 : ledger.now() - oldest,
      unsent: ledger.totals.unsent - ledger.sentMarks.size,
      problem: ledger.problem,
    };
  }

  aheadOf(priority: number): number {
    return aheadOf(this.#ledger, priority);
  }

  now(): number {
    return this.#ledger.now();
  }

  prune(): number {
    const ledger = this.#ledger;
    return ledger.guard(() => {
      const options = { before: ledger.now() - this.#limits.retentionMs, limit: PRUNE_BATCH };
      if (!this.#hasToPrune(options.before)) return 0;
      const gone = ledger.write(() => {
        pruneSessions(ledger.statements, ledger.totals, options);
        return pruneAnswers(ledger.statements, ledger.totals, options);
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
    const ledger = this.#ledger;
    return ledger.guard(() => {
      const { unsent, sent, sessions } = ledger.totals;
      const erased = { prompts: depthOf(ledger.totals), answers: unsent + sent, sessions };
      ledger.write(() => {
        this.#database.exec(
          'DELETE FROM content; DELETE FROM prompt; DELETE FROM turn; DELETE FROM session;',
        );
        ledger.totals = emptyTotals();
      });
      // secure_delete has zeroed the freed pages; VACUUM gives them back and cutting the log off
      // takes away the last older copies. A flash card may still hold blocks it has remapped.
      this.#database.exec('VACUUM; PRAGMA wal_checkpoint(TRUNCATE);');
      // An empty log would look like a lost one.
      ledger.write(() => {});
      removeMovedAside(this.#path);
      return erased;
    });
  }

  close(): void {
    if (!this.#database.isOpen) return;
    try {
      // After damage the mark "closed cleanly" stays away, so that the next open looks closely.
      if (this.#ledger.problem !== 'corrupt') this.#ledger.write(() => {}, { closing: true });
    } finally {
      this.#database.close();
    }
  }

  #prompt(row: PromptRowWithText): StoredPrompt {
    return toStoredPrompt(row, this.#limits.maxAttempts);
  }

  /** Keeps the turns and lets the session's next prompt run. */
  #advanceSession(
    session: string,
    turns: NonNullable<Parameters<Journal['complete']>[2]>,
    facts: SessionFacts | undefined,
    now: number,
  ): void {
    const { statements, totals } = this.#ledger;
    if (turns.length > 0) {
      const shareBytes = sessionShareBytes(this.#limits);
      appendTurns(statements, totals, {
        name: session,
        turns,
        facts: facts ?? { local: false, target: null },
        now,
        shareBytes,
      });
    }
    const head = statements.sessionHead.get(session) as PromptRow | undefined;
    if (head?.state === STATE.blocked) {
      statements.setState.run(STATE.ready, head.attempts, head.seq);
    }
  }

  /** A blocked prompt is younger than its session's oldest, so ready and running ones are enough. */
  #oldestActive(): number | undefined {
    const { statements, totals } = this.#ledger;
    const found = [...totals.running.values()];
    for (const [priority, count] of totals.waiting.entries()) {
      const row = count > 0 ? statements.oldestReady.get(priority) : undefined;
      if (row !== undefined) found.push(row['accepted_at'] as number);
    }
    return found.length === 0 ? undefined : Math.min(...found);
  }

  /** An idle board must not sync its card for nothing; after a failure a write shows whether it passed. */
  #hasToPrune(before: number): boolean {
    const { statements, sentMarks, problem } = this.#ledger;
    if (sentMarks.size > 0 || problem !== null) return true;
    const session = statements.oldestSessions.get(1) as { used_at: number } | undefined;
    if (session !== undefined && session.used_at < before) return true;
    return [0, 1].some((sent) => statements.answeredBefore.get(sent, before, 1) !== undefined);
  }
}
