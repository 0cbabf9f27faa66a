import { STATE } from './schema.ts';
import type { Statements } from './statements.ts';

/** Every prompt and answer row costs about this much beside its texts (row, index entries, page slack). */
export const ROW_OVERHEAD_BYTES = 256;

const PRIORITIES = 10;

/**
 * What the journal holds, counted in memory so that a refusal costs no disk access. The journal is
 * the only writer (the lock sees to that), so the figures are read once at open.
 */
export type Totals = {
  /** Prompts not running yet, by priority 0 to 9. */
  waiting: number[];
  running: number;
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
    running: 0,
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
  return { ...totals, waiting: [...totals.waiting] };
}

export function addWaiting(totals: Totals, priority: number, count: number): void {
  totals.waiting[priority] = (totals.waiting[priority] ?? 0) + count;
}

export function depthOf(totals: Totals): number {
  return totals.running + waitingFrom(totals, 0);
}

/** Waiting prompts of at least this priority. */
export function waitingFrom(totals: Totals, priority: number): number {
  return totals.waiting.reduce((sum, count, at) => (at >= priority ? sum + count : sum), 0);
}

export function loadTotals(statements: Statements): Totals {
  const totals = emptyTotals();
  for (const row of statements.activeTotals.all() as {
    priority: number;
    state: number;
    n: number;
    bytes: number;
  }[]) {
    if (row.state === STATE.running) totals.running += row.n;
    else addWaiting(totals, row.priority, row.n);
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
