import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../core/index.ts';
import { evictSentAnswers, writeSentMarks } from './answers.ts';
import { JournalError, type JournalProblem, toJournalError } from './errors.ts';
import { prepareStatements, type PromptRowWithText, type Statements } from './statements.ts';
import { createTimeline, type Timeline, type TimelineAnchor } from './timeline.ts';
import { copyTotals, loadTotals, type Totals } from './totals.ts';

type Keeper = {
  boot_id: string;
  monotonic_ms: number;
  wall_ms: number;
  wall_trusted: number;
  journal_ms: number;
  next_seq: number;
};

/**
 * What the journal's methods share: the open database, journal time, counters that mirror the disk,
 * and the one way to change anything.
 *
 * Invariant: outside of `write`, `totals` and `nextSeq` agree with the disk, lazy marks apart.
 */
export class Ledger {
  readonly statements: Statements;
  readonly timeline: Timeline;
  /** Answers known to be sent but not marked on disk yet, with their bytes. */
  readonly sentMarks = new Map<number, number>();
  totals: Totals;
  nextSeq: number;
  /** Prompts from this one on were accepted by this process. */
  readonly firstSeq: number;
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #sentShareBytes: number;
  #problem: JournalProblem | null = null;

  constructor(
    database: DatabaseSync,
    options: { path: string; clock: Clock; sentShareBytes: number },
  ) {
    this.#database = database;
    this.#path = options.path;
    this.#sentShareBytes = options.sentShareBytes;
    this.statements = prepareStatements(database);
    const keeper = this.statements.readKeeper.get() as Keeper | undefined;
    this.timeline = createTimeline(
      options.clock,
      keeper === undefined ? undefined : toAnchor(keeper),
    );
    this.nextSeq = keeper?.next_seq ?? 1;
    this.firstSeq = this.nextSeq;
    this.totals = loadTotals(this.statements);
    // What ran when the last process ended waits again. The same write takes down the mark "closed
    // cleanly" and anchors journal time in this process.
    this.write(() => this.statements.runningToReady.run());
    // In the database itself, not only in its log: should the log be lost, the next open knows it.
    database.exec('PRAGMA wal_checkpoint(PASSIVE)');
  }

  /** Why the last write failed; damage stays known until the next open. */
  get problem(): JournalProblem | null {
    return this.#problem;
  }

  now(): number {
    return this.timeline.now();
  }

  row(seq: number): PromptRowWithText {
    const row = this.statements.promptBySeq.get(seq) as PromptRowWithText | undefined;
    if (row === undefined) {
      throw new JournalError('unknown_prompt', `the journal holds no prompt ${seq}`);
    }
    return row;
  }

  /**
   * One transaction, synced when it returns: lazy marks, `work`, the bound of stored answers, journal
   * time. When anything fails, disk and counters are as before. With `synced: false` it survives a
   * SIGKILL but may be undone by a power cut, until the next synced write takes it along.
   */
  write<T>(work: (now: number) => T, { closing = false, synced = true } = {}): T {
    const totals = copyTotals(this.totals);
    const nextSeq = this.nextSeq;
    try {
      if (!synced) this.#database.exec('PRAGMA synchronous = NORMAL');
      this.statements.begin.run();
      writeSentMarks(this.statements, this.totals, this.sentMarks);
      const result = work(this.now());
      evictSentAnswers(this.statements, this.totals, this.#sentShareBytes);
      this.#writeKeeper(closing);
      this.statements.commit.run();
      this.sentMarks.clear();
      if (this.#problem !== 'corrupt') this.#problem = null;
      return result;
    } catch (error) {
      this.totals = totals;
      this.nextSeq = nextSeq;
      const failure = this.#translate(error);
      if (this.#database.isOpen && this.#database.isTransaction) this.statements.rollback.run();
      throw failure;
    } finally {
      if (!synced && this.#database.isOpen) this.#database.exec('PRAGMA synchronous = FULL');
    }
  }

  /** Runs a method's body; whatever SQLite throws comes out as a JournalError. */
  guard<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw this.#translate(error);
    }
  }

  #translate(error: unknown): unknown {
    const failure = toJournalError(error, this.#path);
    if (failure !== error && failure instanceof JournalError && failure.problem !== 'closed') {
      this.#problem = failure.problem;
    }
    return failure;
  }

  #writeKeeper(closing: boolean): void {
    const anchor = this.timeline.anchor();
    this.statements.writeKeeper.run(
      anchor.bootId,
      anchor.monotonicMs,
      anchor.wallMs,
      anchor.wallTrusted ? 1 : 0,
      anchor.journalMs,
      this.nextSeq,
      closing ? 1 : 0,
    );
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
