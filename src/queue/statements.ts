import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ReplyAddress, StoredAnswer, StoredPrompt } from './types.ts';

const PROMPT_COLUMNS = `seq, state, priority, attempts, accepted_at, expires_at, answered_at, sent, bytes,
  id, id_generated, packet_id, redelivered, session, body_hash, topic, format, correlation,
  user_properties, kind`;

const WITH_TEXT = `${PROMPT_COLUMNS}, text FROM prompt JOIN content USING (seq)`;

/** Every statement of the journal; a test asks SQLite that each of the queries walks an index. */
export const SQL = {
  begin: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',

  readKeeper: 'SELECT * FROM keeper',
  writeKeeper: `INSERT INTO keeper VALUES (1, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET
    boot_id = excluded.boot_id, monotonic_ms = excluded.monotonic_ms, wall_ms = excluded.wall_ms,
    wall_trusted = excluded.wall_trusted, journal_ms = excluded.journal_ms,
    next_seq = excluded.next_seq, closed_cleanly = excluded.closed_cleanly`,

  insertPrompt: `INSERT INTO prompt (${PROMPT_COLUMNS})
    VALUES (?, ?, ?, 0, ?, ?, NULL, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  insertContent: 'INSERT INTO content (seq, text) VALUES (?, ?)',
  promptBySeq: `SELECT ${WITH_TEXT} WHERE seq = ?`,
  newestById: `SELECT ${PROMPT_COLUMNS} FROM prompt
    WHERE id = ? AND topic = ? AND kind = ? ORDER BY seq DESC LIMIT 1`,
  newestByPacket: `SELECT ${PROMPT_COLUMNS} FROM prompt
    WHERE packet_id = ? AND id_generated = 1 AND packet_id IS NOT NULL AND body_hash = ?
    ORDER BY seq DESC LIMIT 1`,
  activeById: `SELECT ${WITH_TEXT} WHERE id = ? AND state < 3 ORDER BY seq`,

  nextReady: 'SELECT seq FROM prompt WHERE state = 0 ORDER BY priority DESC, seq LIMIT 1',
  ready: `SELECT ${WITH_TEXT} WHERE state = 0 ORDER BY priority DESC, seq LIMIT ?`,
  oldestReady:
    'SELECT accepted_at FROM prompt WHERE state = 0 AND priority = ? ORDER BY seq LIMIT 1',
  setState: 'UPDATE prompt SET state = ?, attempts = ? WHERE seq = ?',
  sessionIsBusy:
    'SELECT 1 FROM prompt WHERE session = ? AND session IS NOT NULL AND state < 3 LIMIT 1',
  sessionHead: `SELECT seq, state, attempts FROM prompt
    WHERE session = ? AND session IS NOT NULL AND state < 3 ORDER BY seq LIMIT 1`,
  sessionAhead: `SELECT count(*) AS n FROM prompt
    WHERE session = ? AND session IS NOT NULL AND state < 3 AND state <> 2 AND priority < ?`,
  expired: `SELECT seq FROM prompt
    WHERE expires_at IS NOT NULL AND state < 2 AND expires_at <= ? ORDER BY expires_at, seq LIMIT ?`,
  nextExpiry: `SELECT expires_at FROM prompt
    WHERE expires_at IS NOT NULL AND state < 2 ORDER BY expires_at LIMIT 1`,

  answer: 'UPDATE prompt SET state = 3, answered_at = ?, sent = 0, bytes = ? WHERE seq = ?',
  replaceContent: 'UPDATE content SET text = ? WHERE seq = ?',
  markSent: 'UPDATE prompt SET sent = 1 WHERE seq = ? AND state = 3',
  unsent: `SELECT seq FROM prompt WHERE state = 3 AND sent = 0 ORDER BY answered_at, seq LIMIT ?`,
  oldestSent: `SELECT seq, bytes FROM prompt WHERE state = 3 AND sent = 1
    ORDER BY answered_at, seq LIMIT ?`,
  answeredBefore: `SELECT seq, bytes FROM prompt WHERE state = 3 AND sent = ? AND answered_at < ?
    ORDER BY answered_at LIMIT ?`,
  deletePrompt: 'DELETE FROM prompt WHERE seq = ?',

  sessionByName: 'SELECT key, bytes, local, target FROM session WHERE name = ?',
  insertSession: 'INSERT INTO session (name, used_at, bytes) VALUES (?, ?, 0) RETURNING key, bytes',
  touchSession: `UPDATE session SET used_at = ?, bytes = ?, local = max(local, ?),
    target = coalesce(?, target) WHERE key = ?`,
  turns: 'SELECT n, role, content FROM turn WHERE session_key = ? ORDER BY n',
  insertTurn: 'INSERT INTO turn (session_key, n, role, content) VALUES (?, ?, ?, ?)',
  deleteTurn: 'DELETE FROM turn WHERE session_key = ? AND n = ?',
  oldestSessions: 'SELECT key, used_at, bytes FROM session ORDER BY used_at LIMIT ?',
  deleteSession: 'DELETE FROM session WHERE key = ?',

  activeTotals: `SELECT priority, count(*) AS n, sum(bytes) AS bytes FROM prompt
    WHERE state < 3 GROUP BY priority`,
  answerTotals: `SELECT sent, count(*) AS n, sum(bytes) AS bytes FROM prompt
    WHERE state = 3 GROUP BY sent`,
  sessionTotals: 'SELECT count(*) AS n, coalesce(sum(bytes), 0) AS bytes FROM session',
  runningToReady: 'UPDATE prompt SET state = 0 WHERE state = 2',
} as const;

export type Statements = { [name in keyof typeof SQL]: StatementSync };

export function prepareStatements(database: DatabaseSync): Statements {
  const prepared = Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)]);
  return Object.fromEntries(prepared) as Statements;
}

export type PromptRow = {
  seq: number;
  state: number;
  priority: number;
  attempts: number;
  accepted_at: number;
  expires_at: number | null;
  answered_at: number | null;
  sent: number;
  bytes: number;
  id: string;
  id_generated: number;
  packet_id: number | null;
  redelivered: number;
  session: string | null;
  body_hash: string;
  topic: string;
  format: 'frames' | 'text';
  correlation: string | null;
  user_properties: string | null;
  kind: ReplyAddress['kind'];
};

export type PromptRowWithText = PromptRow & { text: string };

function replyOf(row: PromptRow): ReplyAddress {
  return {
    kind: row.kind,
    topic: row.topic,
    format: row.format,
    correlation: row.correlation,
    userProperties: readUserProperties(row.user_properties),
  };
}

/** They are only echoed. A bit that a bad card has turned in them must not hold up every answer there is. */
function readUserProperties(text: string | null): ReplyAddress['userProperties'] {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && !Array.isArray(value)
      ? (value as ReplyAddress['userProperties'])
      : null;
  } catch {
    return null;
  }
}

export function toStoredPrompt(row: PromptRowWithText, maxAttempts: number): StoredPrompt {
  return {
    seq: row.seq,
    id: row.id,
    idGenerated: row.id_generated === 1,
    reply: replyOf(row),
    bodyHash: row.body_hash,
    body: row.text,
    session: row.session,
    priority: row.priority,
    deadlineMs: row.expires_at === null ? null : row.expires_at - row.accepted_at,
    delivery:
      row.packet_id === null
        ? null
        : { packetId: row.packet_id, redelivered: row.redelivered === 1 },
    acceptedAt: row.accepted_at,
    expiresAt: row.expires_at,
    attempts: row.attempts,
    exhausted: row.attempts > maxAttempts,
  };
}

export function toStoredAnswer(row: PromptRowWithText): StoredAnswer {
  return { seq: row.seq, id: row.id, reply: replyOf(row), payload: row.text };
}
