import { type Clock, type Logger, sleep, type Tracing } from '../core/index.ts';
import type { ChatMessage, TerminalFrame } from '../protocol/index.ts';
import type { Journal, SessionFacts, StoredAnswer, StoredPrompt } from '../queue/types.ts';
import { encodeFrame } from './answers.ts';
import type { Outbox } from './outbox.ts';
import { endPromptSpan } from './prompt-span.ts';
import { addToTotals, type PipelineTotals } from './totals.ts';

/** First and longest wait before an answer that could not be stored (disk full) is tried again. */
const STORE_RETRY_MS = { first: 500, longest: 30_000 };

export type Finisher = (
  stored: StoredPrompt,
  frame: TerminalFrame,
  turns: ChatMessage[],
  facts?: SessionFacts,
) => Promise<void>;

/** Stores an answer, however long the disk refuses, and only then sends it. */
export function createFinisher(parts: {
  journal: Journal;
  outbox: Outbox;
  clock: Clock;
  logger: Logger;
  tracing: Tracing;
  totals: PipelineTotals;
  /** At a stop an answer that cannot be stored is given up: its prompt runs again at the next start. */
  givesUp: () => boolean;
  /** Whether the log may hold what was answered. */
  logPrompts: () => boolean;
  onAnswer?: (frame: TerminalFrame) => void;
}): Finisher {
  const { journal, outbox, clock, logger, totals, tracing } = parts;
  return async (stored, frame, turns, facts) => {
    const payload = encodeFrame(frame, stored.reply.format) ?? '';
    let answer: StoredAnswer | undefined;
    for (let waitMs = STORE_RETRY_MS.first; answer === undefined; waitMs *= 2) {
      try {
        answer = journal.complete(stored.seq, payload, turns, facts);
      } catch (error) {
        if (isGone(error)) {
          logger.warn(
            { id: stored.id },
            'the prompt was erased while it ran: its answer is dropped',
          );
          return;
        }
        logger.error({ id: stored.id, error }, 'an answer could not be stored; trying again');
        if (parts.givesUp()) return;
        await sleep(clock, Math.min(waitMs, STORE_RETRY_MS.longest));
      }
    }
    addToTotals(totals, frame);
    logger.info(
      {
        id: stored.id,
        type: frame.type,
        ...outcomeOf(frame),
        ...(frame.type === 'done' && parts.logPrompts() ? { text: frame.text } : {}),
      },
      'prompt answered',
    );
    endPromptSpan(tracing, stored, frame);
    outbox.send(answer);
    parts.onAnswer?.(frame);
  };
}

/** How a prompt ended, without anybody's words. */
function outcomeOf(frame: TerminalFrame) {
  if (frame.type === 'error') return { code: frame.error.code };
  const { route, usage, timing } = frame;
  return {
    finish: frame.finish_reason,
    target: route.target,
    ...(route.endpoint === null ? {} : { endpoint: route.endpoint }),
    tokens: usage.completion_tokens,
    totalMs: timing.total_ms,
  };
}

/** The journal no longer knows the prompt: somebody erased the data while it ran. */
function isGone(error: unknown): boolean {
  return (error as { problem?: unknown } | null)?.problem === 'unknown_prompt';
}
