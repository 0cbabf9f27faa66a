import type { SpanAttributes, SpanKind, Tracing } from '../core/index.ts';
import type { TerminalFrame } from '../protocol/index.ts';
import type { NewPrompt, ReplyAddress } from '../queue/types.ts';
import { bodyOf } from './stored-body.ts';

export const spanKind = (gateway: ReplyAddress['kind']): SpanKind =>
  gateway === 'http' ? 'server' : 'consumer';

/** Ends the span of a whole prompt, with how it went; no text. */
export function endPromptSpan(
  tracing: Tracing,
  prompt: Pick<NewPrompt, 'id' | 'body' | 'reply'>,
  end: TerminalFrame,
): void {
  const { id, reply } = prompt;
  const span = tracing.prompt(bodyOf(prompt).trace, spanKind(reply.kind));
  const attributes = { 'twowatt.prompt.id': id, 'twowatt.gateway': reply.kind };
  if (end.type === 'error') span.end({ attributes, error: end.error.code });
  else span.end({ attributes: { ...attributes, ...answerAttributes(end) } });
}

function answerAttributes(done: Extract<TerminalFrame, { type: 'done' }>): SpanAttributes {
  const { route, usage, timing, energy, cost } = done;
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.response.model': done.model,
    'gen_ai.usage.input_tokens': usage.prompt_tokens,
    'gen_ai.usage.output_tokens': usage.completion_tokens,
    'twowatt.target': route.target,
    'twowatt.endpoint': route.endpoint,
    'twowatt.reasons': route.reasons,
    'twowatt.difficulty': route.difficulty,
    'twowatt.escalated': route.escalated,
    'twowatt.finish_reason': done.finish_reason,
    'twowatt.confidence': done.confidence,
    'twowatt.tokens_per_s': timing.tokens_per_s,
    'twowatt.joules': energy.joules,
    'twowatt.cost': cost.amount,
  };
}
