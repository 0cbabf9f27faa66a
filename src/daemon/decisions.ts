import { type Clock, TwowattError } from '../core/index.ts';
import type { DecisionEntry, TerminalFrame } from '../protocol/index.ts';

/** How many the node remembers; they are gone with the process. */
const REMEMBERED = 200;

/** The last routing decisions, for the verb `decisions`. */
export type Decisions = {
  add(frame: TerminalFrame): void;
  /** Newest first. @throws TwowattError `invalid_request` */
  list(args: Record<string, unknown>): DecisionEntry[];
};

export function createDecisions(clock: Clock): Decisions {
  const entries: DecisionEntry[] = [];
  return {
    add(frame) {
      const done = frame.type === 'done' ? frame : null;
      entries.unshift({
        id: frame.id,
        ts: new Date(clock.wallMs()).toISOString(),
        target: done?.route.target ?? null,
        endpoint: done?.route.endpoint ?? null,
        reasons: done?.route.reasons ?? [],
        difficulty: done?.route.difficulty ?? null,
        escalated: done?.route.escalated ?? false,
        confidence: done?.confidence ?? null,
        cost: done?.cost ?? null,
        joules: done?.energy.joules ?? null,
        total_ms: done?.timing.total_ms ?? null,
        error: frame.type === 'error' ? frame.error.code : null,
      });
      entries.length = Math.min(entries.length, REMEMBERED);
    },
    list({ limit = 20 }) {
      if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1) {
        throw new TwowattError('invalid_request', 'limit: expected a whole number from 1', {
          param: 'limit',
        });
      }
      return entries.slice(0, limit);
    },
  };
}
