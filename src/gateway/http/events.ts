import type { ServerResponse } from 'node:http';
import { type Clock, TwowattError } from '../../core/index.ts';
import type { TerminalFrame } from '../../protocol/index.ts';
import { type EventStream, openEventStream } from './event-stream.ts';
import type { BoardEvents } from './types.ts';

/** Pages and dashboards; each keeps a connection open. */
const MOST_LISTENERS = 16;

export type EventHub = {
  /** Sends the present state first. Throws `rate_limited`, before it opens, when too many listen. */
  join(open: () => ServerResponse, present: { name: keyof BoardEvents; data: unknown }[]): void;
  tell(name: keyof BoardEvents, data: unknown): void;
  /** Somebody listens. */
  watched(): boolean;
  close(): void;
};

/** Readers of `/api/events`. One that is behind misses events instead of costing memory. */
export function createEventHub(clock: Clock): EventHub {
  const listeners = new Set<EventStream>();
  return {
    join(open, present) {
      if (listeners.size >= MOST_LISTENERS) {
        throw new TwowattError('rate_limited', `${MOST_LISTENERS} listeners are there already`, {
          retryAfterMs: 10_000,
        });
      }
      const stream = openEventStream(open(), { clock, onClose: () => listeners.delete(stream) });
      listeners.add(stream);
      for (const { name, data } of present) stream.send(data ?? {}, name);
    },
    tell(name, data) {
      if (listeners.size === 0) return;
      const text = JSON.stringify(data);
      for (const listener of listeners) {
        if (!listener.backlogged()) listener.send(text, name);
      }
    },
    watched: () => listeners.size > 0,
    close() {
      for (const listener of listeners) listener.end();
    },
  };
}

/** What everybody may know of an answer: no word of prompt or answer, and no message that may quote one. */
export function answerFacts(frame: TerminalFrame): Record<string, unknown> {
  if (frame.type === 'error') {
    const { code, retryable } = frame.error;
    return { id: frame.id, type: frame.type, error: { code, retryable } };
  }
  const { id, type, finish_reason, model, route, confidence, usage, timing, energy, cost } = frame;
  return { id, type, finish_reason, model, route, confidence, usage, timing, energy, cost };
}
