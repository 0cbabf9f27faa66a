import { TwowattError } from '../core/index.ts';
import type { NewPrompt } from '../queue/types.ts';
import type { Availability } from './availability.ts';
import type { Engine, Routing } from './ports.ts';
import type { PromptBody } from './stored-body.ts';

/** What a refused client should wait before it tries again, when nothing better is known. */
const DEFAULT_RETRY_MS = 5_000;

/** Throws for a prompt that had better not wait in the journal; looks at none of its rows. */
export function refuseEarly(
  { priorityEtaMs, draining }: { priorityEtaMs: number | null; draining: boolean },
  { deadlineMs }: NewPrompt,
  { model, privacy, route }: PromptBody,
  {
    engine,
    routing,
    availability,
  }: {
    engine: Engine;
    routing: Routing;
    availability: Availability;
  },
): void {
  if (draining) {
    throw new TwowattError('draining', 'this node is draining and takes no new prompts', {
      retryAfterMs: DEFAULT_RETRY_MS,
    });
  }
  const mayLeave = routing.cloud !== null && privacy !== 'local' && route !== 'edge';
  if (availability.givenUp() && !mayLeave) throw availability.error();
  const serves = engine.status().model?.id;
  if (model !== undefined && serves !== undefined && model !== serves && !routing.inCloud(model)) {
    throw new TwowattError(
      'model_unavailable',
      `model: this node serves "${serves}", not "${model}"`,
      { param: 'model' },
    );
  }
  if (deadlineMs === null) return;
  if (deadlineMs <= 0) throw new TwowattError('expired', 'the prompt expired before it arrived');
  if (priorityEtaMs !== null && priorityEtaMs > deadlineMs && !mayLeave) {
    throw new TwowattError(
      'deadline_unmeetable',
      `deadline_ms: the answer would begin in about ${Math.round(priorityEtaMs)} ms, the deadline is ${deadlineMs} ms`,
      { param: 'deadline_ms', retryAfterMs: priorityEtaMs - deadlineMs },
    );
  }
}
