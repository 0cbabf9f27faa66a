import type { Statements } from './statements.ts';

/** Every prompt and answer row costs about this much beside its texts (row, index entries, page slack). */
export const ROW_OVERHEAD_BYTES = 256;

const PRIORITIES = 10;

/**
 * What the journal holds, counted in memory so that a refusal costs no disk access. The journal is
 * the only writer (the lock sees to that), so the figures are read from the disk once, at open.
 */
export type Totals = {
  /** Prompts not running yet, by priority 0 to 9. */
  waiting: number[];
  /** Running prompts and when they were accepted. */
  running: Map<number, number>;
  activeBytes: number;
  unsent: number;
  unsentBytes: number;
  sent: number;
  sentBytes: number;
  sessions: number;
  sessionBytes: number;
};

export function emptyTotals(): Totals {
  return {
    waiting: Array.from({ length: PRIORITIES }, () => 0),
    running: new Map(),
    activeBytes: 0,
    unsent: 0,
    unsentBytes: 0,
    sent: 0,
    sentBytes: 0,
    sessions: 0,
    sessionBytes: 0,
  };
}

export function copyTotals(totals: Totals): Totals {
  return { ...totals, waiting: [...totals.waiting], running: new Map(totals.running) };
}

export function addWaiting(totals: Totals, priority: number, count: number): void {
  totals.waiting[priority] = (totals.waiting[priority] ?? 0) + count;
}

export function depthOf(totals: Totals): number {
  return totals.running.size + waitingFrom(totals, 0);
}

/** Waiting prompts of at least this priority. */
export function waitingFrom(totals: Totals, priority: number): number {
  return totals.waiting.reduce((sum, count, at) => (at >= priority ? sum + count : sum), 0);
}

/** UTF-8 bytes of the texts that are there. */
export function textBytes(...texts: (string | null)[]): number {
  return texts.reduce((sum, text) => sum + (text === null ? 0 : Buffer.byteLength(text)), 0);
}

/** What the disk holds. Nothing runs yet: a journal that was just opened has put everything back. */
export function loadTotals(statements: Statements): Totals {
  const totals = emptyTotals();
  for (const row of statements.activeTotals.all() as {
    priority: number;
    n: number;
    bytes: number;
  }[]) {
    addWaiting(totals, row.priority, row.n);
    totals.activeBytes += row.bytes;
  }
  for (const row of statements.answerTotals.all() as { sent: number; n: number; bytes: number }[]) {
    totals[row.sent === 1 ? 'sent' : 'unsent'] = row.n;
    totals[row.sent === 1 ? 'sentBytes' : 'unsentBytes'] = row.bytes;
  }
  const sessions = statements.sessionTotals.get() as { n: number; bytes: number };
  totals.sessions = sessions.n;
  totals.sessionBytes = sessions.bytes;
  return totals;
}
