import { type Clock, TwowattError } from '../core/index.ts';
import type {
  ChatMessage,
  GenerateRequest,
  GenerationResult,
  TerminalFrame,
} from '../protocol/index.ts';
import type { Journal, StoredPrompt } from '../queue/types.ts';
import type { PromptBody } from './admission.ts';
import { doneFrame, edgeRoute, encodeFrame, errorFrame, frameHead } from './answers.ts';
import type { EnergyMeter, Engine, ReplyPort } from './ports.ts';

/** Why a running prompt is being stopped. */
export type StopReason = 'cancelled' | 'expired' | 'shutdown';

export type RunOutcome =
  | {
      kind: 'answered';
      frame: TerminalFrame;
      turns: ChatMessage[];
      /** Present for a generated answer: what the estimate learns from. */
      sample?: { firstTokenMs: number; runMs: number; tokens: number; joules: number };
    }
  /** The daemon is stopping: the prompt goes back to the journal and runs after the restart. */
  | { kind: 'interrupted' };

export type RunContext = {
  node: string;
  currency: string;
  systemPrompt: string;
  clock: Clock;
  engine: Engine;
  journal: Journal;
  port: ReplyPort;
  meter: EnergyMeter;
};

/** Runs one claimed prompt to its terminal frame, streaming deltas on the way. Never throws. */
export async function runPrompt(
  stored: StoredPrompt,
  stop: AbortSignal,
  context: RunContext,
): Promise<RunOutcome> {
  const { clock, engine, journal, port, node } = context;
  const head = frameHead(stored.id, node);
  const body = JSON.parse(stored.body) as PromptBody;
  const startedAt = clock.monotonicMs();
  const queuedMs = Math.max(0, journal.now() - stored.acceptedAt);
  const earlier = stored.session === null ? [] : journal.sessionTurns(stored.session);
  const request = withHistory(body.generate, earlier, context.systemPrompt);

  const sendDelta = (frame: Parameters<typeof encodeFrame>[0]) => {
    const payload = encodeFrame(frame, stored.reply.format);
    if (payload !== undefined) port.trySend({ id: stored.id, reply: stored.reply, payload });
  };

  let seq = 0;
  let result: GenerationResult | undefined;
  let failure: TwowattError | undefined;
  let firstTokenMs: number | undefined;
  context.meter.begin();
  for await (const part of engine.generate(request, stop)) {
    switch (part.type) {
      case 'delta':
        firstTokenMs ??= clock.monotonicMs() - startedAt;
        if (body.stream) sendDelta({ ...head, type: 'delta', seq, text: part.text });
        seq += 1;
        break;
      case 'signals':
        // Not asked for.
        break;
      case 'restart':
        if (body.stream && seq > 0) sendDelta({ ...head, type: 'restart', reason: part.reason });
        seq = 0;
        firstTokenMs = undefined;
        break;
      case 'done':
        result = part.result;
        break;
      case 'error':
        failure = TwowattError.fromBody(part.error);
        break;
    }
  }

  const energy = context.meter.end();
  const reason = stop.aborted ? (stop.reason as StopReason) : undefined;
  const cutShort = failure?.code === 'cancelled' || result?.finishReason === 'cancelled';
  if (reason === 'shutdown' && cutShort) return { kind: 'interrupted' };
  if (reason === 'expired' && cutShort) {
    failure = expiredError(context.meter, 'while the answer was being made');
    result = undefined;
  }
  if (result === undefined) {
    failure ??= new TwowattError('internal', 'the engine ended without an answer');
    return { kind: 'answered', frame: errorFrame(head, failure), turns: [] };
  }
  const runMs = clock.monotonicMs() - startedAt;
  const ttft = firstTokenMs ?? result.prefillMs;
  return {
    kind: 'answered',
    frame: doneFrame(head, {
      result,
      model: engine.status().model?.id ?? 'unknown',
      route: edgeRoute(body.route, body.privacy),
      queuedMs,
      ttftMs: queuedMs + ttft,
      totalMs: queuedMs + runMs,
      currency: context.currency,
      energy,
    }),
    turns: [
      ...(body.generate.messages ?? [
        { role: 'user' as const, content: body.generate.prompt ?? '' },
      ]),
      { role: 'assistant', content: result.text },
    ],
    sample: {
      firstTokenMs: ttft,
      runMs,
      tokens: result.completionTokens,
      joules: energy?.joules ?? 0,
    },
  };
}

/** Why a prompt was not answered by its deadline: the board's limits, when they stand in the way. */
export function expiredError(meter: EnergyMeter, when: string): TwowattError {
  const limit = meter.pausedBy();
  return limit === null
    ? new TwowattError('expired', `the deadline passed ${when}`)
    : new TwowattError(
        `${limit}_limited`,
        `the deadline passed ${when}; the ${limit === 'power' ? 'watt budget' : 'temperature limit'} of the board allows no work at the moment`,
      );
}

/** A session's earlier turns go before the new ones; the configured system prompt before all. */
function withHistory(
  request: GenerateRequest,
  earlier: ChatMessage[],
  systemPrompt: string,
): GenerateRequest {
  if (request.messages === undefined) return request;
  const messages = [...earlier, ...request.messages];
  const hasSystem = messages.some((message) => message.role === 'system');
  if (systemPrompt !== '' && !hasSystem)
    messages.unshift({ role: 'system', content: systemPrompt });
  return { ...request, messages };
}
