import type { Logger, Tracing } from '../core/index.ts';
import type { Journal, StoredAnswer } from '../queue/types.ts';
import type { ReplyPort } from './ports.ts';

/** Answers handed to the broker at once after a reconnect; more would only pile up in memory. */
const BATCH = 32;

/**
 * Takes stored answers to the broker until it has acknowledged each. An answer is marked sent only
 * after the PUBACK, so a crash in between sends an identical copy again and never loses one.
 */
export type Outbox = {
  send(answer: StoredAnswer): void;
  /** For somebody who asked again: a copy of its own, also while the first one is on its way. */
  sendAgain(answer: StoredAnswer): void;
  /** Sends everything that is stored and unacknowledged; call it on each (re)connect. */
  flush(): Promise<void>;
  /** Resolves when nothing is on its way. */
  settled(): Promise<void>;
};

export function createOutbox(options: {
  journal: Journal;
  port: ReplyPort;
  logger: Logger;
  tracing: Tracing;
}): Outbox {
  const { journal, port, logger, tracing } = options;
  const inFlight = new Map<number, Promise<boolean>>();
  let flushing: Promise<void> | undefined;

  function attempt(answer: StoredAnswer): Promise<boolean> {
    const running = inFlight.get(answer.seq);
    if (running) return running;
    const { traceparent } = answer.reply.userProperties ?? {};
    const span = tracing
      .under(typeof traceparent === 'string' ? traceparent : null)
      .child('reply', { kind: 'producer' });
    const delivery = port
      .deliver(answer)
      .then((acknowledged) => {
        span.end(acknowledged ? {} : { error: 'unacknowledged' });
        if (acknowledged) {
          journal.markSent(answer.seq);
          logger.debug({ id: answer.id }, 'answer delivered');
        }
        return acknowledged;
      })
      .catch((error: unknown) => {
        logger.error({ id: answer.id, error }, 'an answer could not be marked as sent');
        return false;
      })
      .finally(() => inFlight.delete(answer.seq));
    inFlight.set(answer.seq, delivery);
    return delivery;
  }

  async function flushAll(): Promise<void> {
    for (;;) {
      const batch = journal.unsent(BATCH);
      if (batch.length === 0) return;
      const outcomes = await Promise.all(batch.map(attempt));
      // A broker that takes nothing now is asked again at the next connect.
      if (!outcomes.every(Boolean)) return;
    }
  }

  return {
    send: (answer) => void attempt(answer),
    sendAgain: (answer) =>
      // Whoever asked may have had the first copy before the broker's acknowledgement reached us.
      void Promise.resolve(inFlight.get(answer.seq)).then(() => attempt(answer)),
    flush() {
      flushing ??= flushAll()
        .catch((error: unknown) => {
          logger.error({ error }, 'unsent answers could not be read; the next connect tries again');
        })
        .finally(() => {
          flushing = undefined;
        });
      return flushing;
    },
    async settled() {
      await flushing;
      while (inFlight.size > 0) await Promise.all(inFlight.values());
    },
  };
}
