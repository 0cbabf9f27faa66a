import type { ChatMessage } from '../protocol/index.ts';
import type { Statements } from './statements.ts';
import type { SessionFacts } from './types.ts';
import { ROW_OVERHEAD_BYTES, type Totals } from './totals.ts';

/** Far beyond what any context holds; keeps one endless conversation from filling the share. */
const MAX_TURNS = 256;
/** One session may hold this part of all sessions' share. */
const ONE_SESSION_PART = 1 / 4;
/** Making room goes on to here, so that a full share is not met again by the very next turn. */
const ROOM_AFTER_EVICTION = 0.9;
/** Sessions looked at in one go when making room. */
const EVICTION_BATCH = 64;

type TurnRow = { n: number; role: ChatMessage['role']; content: string };

const turnBytes = (turn: { content: string }) => Buffer.byteLength(turn.content) + 32;

export function readTurns(statements: Statements, name: string): ChatMessage[] {
  const session = statements.sessionByName.get(name) as { key: number } | undefined;
  if (session === undefined) return [];
  const rows = statements.turns.all(session.key) as TurnRow[];
  return rows.map(({ role, content }) => ({ role, content }));
}

export function readFacts(statements: Statements, name: string): SessionFacts {
  const row = statements.sessionByName.get(name) as
    | { local: number; target: SessionFacts['target'] }
    | undefined;
  return { local: row?.local === 1, target: row?.target ?? null };
}

/**
 * Which of the turns go so that the rest is within bounds. The oldest go first and up to a user turn,
 * so that no answer stands without its question; a leading system turn stays.
 */
export function turnsToDrop(turns: readonly TurnRow[], maxBytes: number): TurnRow[] {
  const head = turns[0]?.role === 'system' ? 1 : 0;
  let bytes = turns.reduce((sum, turn) => sum + turnBytes(turn), 0);
  let end = head;
  while (end < turns.length && (turns.length - (end - head) > MAX_TURNS || bytes > maxBytes)) {
    bytes -= turnBytes(turns[end] as TurnRow);
    end += 1;
  }
  if (end > head) while (end < turns.length && turns[end]?.role === 'assistant') end += 1;
  return turns.slice(head, end);
}

/** Adds turns inside the caller's transaction and keeps session and share within their bounds. */
export function appendTurns(
  statements: Statements,
  totals: Totals,
  options: {
    name: string;
    turns: ChatMessage[];
    facts: SessionFacts;
    now: number;
    shareBytes: number;
  },
): void {
  const { name, turns, facts, now, shareBytes } = options;
  const found = statements.sessionByName.get(name);
  const session = (found ?? statements.insertSession.get(name, now)) as {
    key: number;
    bytes: number;
  };
  if (found === undefined) totals.sessions += 1;
  const before = statements.turns.all(session.key) as TurnRow[];
  const first = (before.at(-1)?.n ?? 0) + 1;
  const added = turns.map(({ role, content }, at) => ({ n: first + at, role, content }));
  for (const { n, role, content } of added) {
    statements.insertTurn.run(session.key, n, role, content);
  }
  const all = [...before, ...added];
  const dropped = new Set(turnsToDrop(all, shareBytes * ONE_SESSION_PART));
  for (const turn of dropped) statements.deleteTurn.run(session.key, turn.n);
  const kept = all.filter((turn) => !dropped.has(turn));
  const bytes = kept.reduce(
    (sum, turn) => sum + turnBytes(turn),
    ROW_OVERHEAD_BYTES + Buffer.byteLength(name),
  );
  statements.touchSession.run(now, bytes, facts.local ? 1 : 0, facts.target, session.key);
  totals.sessionBytes += bytes - session.bytes;
  if (totals.sessionBytes > shareBytes) {
    evict(statements, totals, shareBytes * ROOM_AFTER_EVICTION, session.key);
  }
}

/** Drops the longest unused sessions until `roomBytes` are not exceeded; never the one in use. */
function evict(statements: Statements, totals: Totals, roomBytes: number, keep: number): void {
  for (;;) {
    const batch = oldest(statements, EVICTION_BATCH).filter((session) => session.key !== keep);
    if (batch.length === 0) return;
    for (const session of batch) {
      if (totals.sessionBytes <= roomBytes) return;
      drop(statements, totals, session);
    }
  }
}

/** Drops at most `limit` sessions that were last used before `before`. */
export function pruneSessions(
  statements: Statements,
  totals: Totals,
  options: { before: number; limit: number },
): void {
  for (const session of oldest(statements, options.limit)) {
    if (session.used_at >= options.before) return;
    drop(statements, totals, session);
  }
}

type SessionRow = { key: number; used_at: number; bytes: number };

function oldest(statements: Statements, limit: number): SessionRow[] {
  return statements.oldestSessions.all(limit) as SessionRow[];
}

function drop(statements: Statements, totals: Totals, session: SessionRow): void {
  statements.deleteSession.run(session.key);
  totals.sessions -= 1;
  totals.sessionBytes -= session.bytes;
}
