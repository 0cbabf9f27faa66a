import { type Clock, type Logger, type Span, TwowattError } from '../core/index.ts';
import type { GenerationResult } from '../protocol/index.ts';
import type { EarlyVerdict, EnergyMeter, Engine, Routing } from './ports.ts';
import type { Turn } from './turn.ts';

export type Energy = ReturnType<EnergyMeter['end']>;

export type EdgeOutcome = { energy: Energy } & (
  | { kind: 'answer'; result: GenerationResult }
  | { kind: 'failure'; error: TwowattError }
  /** The confidence gate saw enough: the answer is not worth its energy. */
  | { kind: 'given_up'; verdict: Exclude<EarlyVerdict, 'go_on'> }
);

type EdgeContext = {
  engine: Engine;
  meter: EnergyMeter;
  routing: Routing;
  clock: Clock;
  logger: Logger;
};

/** Runs a turn on the board's engine. Never throws. `mayLeave`: the cloud was not tried yet. */
export async function runOnEdge(
  turn: Turn,
  stop: AbortSignal,
  mayLeave: boolean,
  context: EdgeContext,
): Promise<EdgeOutcome> {
  const span = turn.trace.child('engine');
  const outcome = await runEngine(turn, stop, mayLeave, context);
  endEngineSpan(span, outcome, context.clock.monotonicMs());
  context.logger.debug({ id: turn.head.id, ...factsOf(outcome) }, 'engine run ended');
  return outcome;
}

function endEngineSpan(span: Span, outcome: EdgeOutcome, atMs: number): void {
  if (outcome.kind !== 'answer') {
    const error = outcome.kind === 'failure' ? outcome.error.code : 'low_confidence';
    return span.end({ atMs, error });
  }
  const { promptTokens, cachedTokens, completionTokens, prefillMs, decodeMs } = outcome.result;
  // The engine tells how long each took; that they end now costs the way of one message.
  const firstTokenMs = atMs - decodeMs;
  span
    .child('prefill', { fromMs: firstTokenMs - prefillMs })
    .end({ atMs: firstTokenMs, attributes: { 'twowatt.tokens': promptTokens - cachedTokens } });
  span
    .child('decode', { fromMs: firstTokenMs })
    .end({ atMs, attributes: { 'twowatt.tokens': completionTokens } });
  span.end({ atMs, attributes: { 'twowatt.cached_tokens': cachedTokens } });
}

/** An outcome as the log tells it: no text. */
function factsOf(outcome: EdgeOutcome) {
  if (outcome.kind === 'failure') return { outcome: outcome.kind, code: outcome.error.code };
  if (outcome.kind === 'given_up') return { outcome: outcome.kind, why: outcome.verdict };
  const { promptTokens, completionTokens, prefillMs, decodeMs } = outcome.result;
  return { outcome: outcome.kind, promptTokens, tokens: completionTokens, prefillMs, decodeMs };
}

async function runEngine(
  turn: Turn,
  stop: AbortSignal,
  mayLeave: boolean,
  context: EdgeContext,
): Promise<EdgeOutcome> {
  const { engine, meter, routing } = context;
  const watch = routing.watch(turn.prompt, mayLeave);
  let verdict: EarlyVerdict = 'go_on';
  let text = '';
  const giveUp = new AbortController();
  const signal = AbortSignal.any([stop, giveUp.signal]);
  const request = routing.wantsSignals(turn.prompt)
    ? { ...turn.request, watchSignals: true }
    : turn.request;
  let result: GenerationResult | undefined;
  let error: TwowattError | undefined;
  meter.begin();
  for await (const part of engine.generate(request, signal)) {
    switch (part.type) {
      case 'delta':
        text += part.text;
        turn.delta(part.text);
        break;
      case 'signals':
        if (verdict !== 'go_on' || watch === null) break;
        verdict = watch(part.signals, text);
        // Over HTTP what was streamed cannot be taken back.
        if (verdict === 'escalate' && !turn.mayRestart) verdict = 'go_on';
        if (verdict !== 'go_on') giveUp.abort();
        break;
      case 'restart':
        context.logger.warn(
          { id: turn.head.id, reason: part.reason },
          'the engine begins a prompt anew',
        );
        text = '';
        turn.restart(part.reason);
        break;
      case 'done':
        result = part.result;
        break;
      case 'error':
        error = TwowattError.fromBody(part.error);
        break;
    }
  }
  const energy = meter.end();
  const cutShort = error?.code === 'cancelled' || result?.finishReason === 'cancelled';
  if (verdict !== 'go_on' && !stop.aborted && cutShort) {
    return { kind: 'given_up', verdict, energy };
  }
  if (result !== undefined) return { kind: 'answer', result, energy };
  error ??= new TwowattError('internal', 'the engine ended without an answer');
  return { kind: 'failure', error, energy };
}
