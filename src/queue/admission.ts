import { TwowattError } from '../core/index.ts';
import { JournalError } from './errors.ts';
import type { Ledger } from './ledger.ts';
import type { JournalLimits } from './limits.ts';
import { STATE } from './schema.ts';
import { type PromptRow, toStoredAnswer } from './statements.ts';
import { addWaiting, depthOf, ROW_OVERHEAD_BYTES, textBytes, waitingFrom } from './totals.ts';
import type { AcceptResult, NewPrompt } from './types.ts';

const LOWEST_PRIORITY = 0;
const HIGHEST_PRIORITY = 9;

/** Admits a prompt: recognised as known, refused, or new and on disk. */
export function admit(ledger: Ledger, limits: JournalLimits, prompt: NewPrompt): AcceptResult {
  const earlier = findEarlier(ledger, limits, prompt);
  if (earlier !== undefined) return earlier;
  const bytes = promptBytes(prompt);
  refuseBeyondBounds(ledger, limits, bytes);
  try {
    return insert(ledger, prompt, bytes);
  } catch (error) {
    throw error instanceof JournalError ? error.asRefusal() : error;
  }
}

/** Running prompts and waiting ones of at least this priority. */
export function aheadOf(ledger: Ledger, priority: number): number {
  return ledger.totals.running.size + waitingFrom(ledger.totals, clampPriority(priority));
}

/** What became of the same prompt, or of another one of its name, if it was accepted before and still counts. */
function findEarlier(
  ledger: Ledger,
  limits: JournalLimits,
  prompt: NewPrompt,
): AcceptResult | undefined {
  const row = newestLike(ledger, prompt);
  if (row === undefined) return undefined;
  const answeredAt = row.answered_at;
  if (answeredAt !== null && ledger.now() - answeredAt > limits.dedupeWindowMs) return undefined;
  if (row.body_hash !== prompt.bodyHash) return { kind: 'conflict' };
  if (answeredAt === null) return { kind: 'in_progress', seq: row.seq, id: row.id };
  return { kind: 'answered', answer: toStoredAnswer(ledger.row(row.seq)) };
}

/**
 * The newest prompt of this id and reply topic. At most one of them is active and it is the newest,
 * since a further one is let in only when its predecessor is answered.
 *
 * A redelivered packet whose id we made up was given another id the first time (and with it, by
 * default, another topic): it is known by packet id and body instead.
 */
function newestLike(ledger: Ledger, prompt: NewPrompt): PromptRow | undefined {
  const { newestById, newestByPacket } = ledger.statements;
  const byId = newestById.get(prompt.id, prompt.reply.topic, prompt.reply.kind) as
    | PromptRow
    | undefined;
  if (byId !== undefined || !prompt.idGenerated || prompt.delivery?.redelivered !== true) {
    return byId;
  }
  return newestByPacket.get(prompt.delivery.packetId, prompt.bodyHash) as PromptRow | undefined;
}

/** From counters in memory: a flood is refused without touching the disk. */
function refuseBeyondBounds(ledger: Ledger, limits: JournalLimits, bytes: number): void {
  const depth = depthOf(ledger.totals);
  if (depth >= limits.maxDepth) {
    throw new TwowattError(
      'queue_full',
      `${depth} prompts wait or run, the limit is ${limits.maxDepth}`,
    );
  }
  let held = ledger.totals.activeBytes + ledger.totals.unsentBytes;
  for (const sentBytes of ledger.sentMarks.values()) held -= sentBytes;
  if (held + bytes > limits.maxBytes) {
    throw new TwowattError(
      'queue_full',
      `waiting prompts and unsent answers hold ${held} bytes and this prompt needs ${bytes} more, ` +
        `the limit is ${limits.maxBytes}`,
    );
  }
}

function insert(ledger: Ledger, prompt: NewPrompt, bytes: number): AcceptResult {
  const { statements } = ledger;
  const { reply, delivery, session } = prompt;
  const seq = ledger.nextSeq;
  const priority = clampPriority(prompt.priority);
  const ahead = aheadOf(ledger, priority) + olderOfSession(ledger, session, priority);
  ledger.write((now) => {
    const blocked = session !== null && statements.sessionIsBusy.get(session) !== undefined;
    statements.insertPrompt.run(
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
      reply.kind,
    );
    statements.insertContent.run(seq, prompt.body);
    addWaiting(ledger.totals, priority, 1);
    ledger.totals.activeBytes += bytes;
    ledger.nextSeq = seq + 1;
  });
  return { kind: 'accepted', seq, ahead };
}

/** Older prompts of the session: they run first although their priority is lower. */
function olderOfSession(ledger: Ledger, session: string | null, priority: number): number {
  if (session === null) return 0;
  return (ledger.statements.sessionAhead.get(session, priority) as { n: number }).n;
}

function clampPriority(priority: number): number {
  return Math.min(HIGHEST_PRIORITY, Math.max(LOWEST_PRIORITY, Math.trunc(priority)));
}

function promptBytes({ id, reply, bodyHash, body, session }: NewPrompt): number {
  const properties = reply.userProperties === null ? null : JSON.stringify(reply.userProperties);
  return (
    ROW_OVERHEAD_BYTES +
    textBytes(id, bodyHash, session, reply.topic, reply.correlation, properties, body)
  );
}
