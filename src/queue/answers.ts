import type { PromptRow, Statements } from './statements.ts';
import { ROW_OVERHEAD_BYTES, textBytes, type Totals } from './totals.ts';

/** Making room goes on to here, so that a full share is not met again by the very next answer. */
const ROOM_AFTER_EVICTION = 0.9;
const EVICTION_BATCH = 64;

type AnswerRow = { seq: number; bytes: number };

/** Takes lazy marks into the caller's transaction. */
export function writeSentMarks(
  statements: Statements,
  totals: Totals,
  marks: ReadonlyMap<number, number>,
): void {
  for (const [seq, bytes] of marks) {
    statements.markSent.run(seq);
    totals.unsent -= 1;
    totals.unsentBytes -= bytes;
    totals.sent += 1;
    totals.sentBytes += bytes;
  }
}

/** Drops the oldest sent answers once they exceed their share. Unsent ones never go this way. */
export function evictSentAnswers(
  statements: Statements,
  totals: Totals,
  shareBytes: number,
): number {
  if (totals.sentBytes <= shareBytes) return 0;
  let dropped = 0;
  while (totals.sentBytes > shareBytes * ROOM_AFTER_EVICTION) {
    const batch = statements.oldestSent.all(EVICTION_BATCH) as AnswerRow[];
    if (batch.length === 0) break;
    for (const answer of batch) {
      if (totals.sentBytes <= shareBytes * ROOM_AFTER_EVICTION) break;
      drop(statements, totals, answer, true);
      dropped += 1;
    }
  }
  return dropped;
}

/** Drops at most `limit` answers of each kind that were stored before `before`. */
export function pruneAnswers(
  statements: Statements,
  totals: Totals,
  options: { before: number; limit: number },
): { sent: number; unsent: number } {
  const dropped = { sent: 0, unsent: 0 };
  for (const kind of ['sent', 'unsent'] as const) {
    const rows = statements.answeredBefore.all(
      kind === 'sent' ? 1 : 0,
      options.before,
      options.limit,
    ) as AnswerRow[];
    for (const answer of rows) drop(statements, totals, answer, kind === 'sent');
    dropped[kind] = rows.length;
  }
  return dropped;
}

function drop(statements: Statements, totals: Totals, answer: AnswerRow, sent: boolean): void {
  statements.deletePrompt.run(answer.seq);
  totals[sent ? 'sent' : 'unsent'] -= 1;
  totals[sent ? 'sentBytes' : 'unsentBytes'] -= answer.bytes;
}

/** Bytes that a prompt's row holds once `payload` is its answer. */
export function answerBytes(row: PromptRow, payload: string): number {
  return (
    ROW_OVERHEAD_BYTES +
    textBytes(row.id, row.body_hash, row.session, row.topic, row.correlation) +
    textBytes(row.user_properties, payload)
  );
}
