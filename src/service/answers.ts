import type { CloudResult, Money } from '../cloud/index.ts';
import type { ErrorBody } from '../core/index.ts';
import { TwowattError } from '../core/index.ts';
import {
  FRAME_VERSION,
  type Frame,
  type GenerationResult,
  plainTextReply,
  type RouteOutcome,
  type TerminalFrame,
} from '../protocol/index.ts';
import type { ReplyAddress } from '../queue/types.ts';

export type FrameHead = { v: typeof FRAME_VERSION; id: string; node: string };

export function frameHead(id: string, node: string): FrameHead {
  return { v: FRAME_VERSION, id, node };
}

export function errorFrame(head: FrameHead, error: ErrorBody | TwowattError): TerminalFrame {
  return {
    ...head,
    type: 'error',
    error: error instanceof TwowattError ? error.toBody() : error,
  };
}

/** An answer of the cloud in the terms of the engine's. */
export function cloudResult(result: CloudResult): GenerationResult {
  const { firstTokenMs, totalMs } = result.timing;
  return {
    text: result.text,
    finishReason: result.finishReason,
    promptTokens: result.usage.promptTokens,
    completionTokens: result.usage.completionTokens,
    cachedTokens: result.usage.cachedTokens,
    prefillMs: firstTokenMs ?? totalMs,
    decodeMs: totalMs - (firstTokenMs ?? totalMs),
    confidence: result.confidence,
    logprobs: result.logprobs,
  };
}

export function doneFrame(
  head: FrameHead,
  facts: {
    result: GenerationResult;
    model: string;
    route: RouteOutcome;
    queuedMs: number;
    ttftMs: number;
    totalMs: number;
    cost: Money;
    energy: { joules: number; measured: boolean } | null;
  },
): TerminalFrame {
  const { result } = facts;
  return {
    ...head,
    type: 'done',
    text: result.text,
    finish_reason: result.finishReason,
    model: facts.model,
    route: facts.route,
    confidence: result.confidence,
    usage: {
      prompt_tokens: result.promptTokens,
      completion_tokens: result.completionTokens,
      cached_tokens: result.cachedTokens,
    },
    timing: {
      queued_ms: round(facts.queuedMs),
      ttft_ms: round(facts.ttftMs),
      total_ms: round(facts.totalMs),
      tokens_per_s: round(tokensPerSecond(result)),
    },
    energy: energyOf(facts.energy, result.completionTokens),
    cost: { ...facts.cost, amount: withoutDust(facts.cost.amount) },
    ...(result.logprobs === null ? {} : { logprobs: { content: result.logprobs } }),
  };
}

/** Joules per completion token, the prompt's share included: it was computed for their sake. */
function energyOf(energy: { joules: number; measured: boolean } | null, tokens: number) {
  if (energy === null) return { joules: null, joules_per_token: null, measured: false };
  return {
    joules: round4(energy.joules),
    joules_per_token: tokens > 0 ? round4(energy.joules / tokens) : null,
    measured: energy.measured,
  };
}

/** Decode rate: the tokens after the first over the time after the first; a lone token counts its prefill. */
export function tokensPerSecond(result: GenerationResult): number {
  const { completionTokens, prefillMs, decodeMs } = result;
  if (completionTokens > 1 && decodeMs > 0) return ((completionTokens - 1) / decodeMs) * 1000;
  return prefillMs > 0 ? (completionTokens / prefillMs) * 1000 : 0;
}

/** A token costs a ten-millionth of a dollar, so no decimals are cut off, only the dust of additions. */
const withoutDust = (value: number) => Number(value.toPrecision(12));

const round4 = (value: number) => Math.round(value * 10_000) / 10_000;

const round = (value: number) => Math.round(value * 100) / 100;

/** The payload of a frame on its way out; undefined where the plain-text topic has no such thing. */
export function encodeFrame(frame: Frame, format: ReplyAddress['format']): string | undefined {
  if (format === 'frames') return JSON.stringify(frame);
  return frame.type === 'done' || frame.type === 'error' ? plainTextReply(frame) : undefined;
}
