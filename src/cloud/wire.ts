import * as v from 'valibot';
import type { FinishReason, TokenLogprob } from '../protocol/index.ts';

/** What one chunk of a stream, or a whole answer, says. */
export type WireEvent =
  /** The model thinks: a sign of life, and no part of the answer. */
  | { type: 'thought'; text: string }
  | { type: 'text'; text: string }
  | { type: 'logprobs'; tokens: TokenLogprob[] }
  | { type: 'finish'; reason: FinishReason; filtered: boolean }
  | { type: 'usage'; promptTokens: number; completionTokens: number; cachedTokens: number }
  | { type: 'error'; said: ProviderError }
  /** `[DONE]`, or the end of a whole answer: nothing of use comes after it. */
  | { type: 'end' }
  | { type: 'malformed'; why: string };

/** An error as a provider words it; neither clean nor bounded. */
export type ProviderError = { status: number | null; code: string; message: string };

const text = v.nullish(v.string());
const content = v.nullish(v.object({ content: text, reasoning_content: text }));
const chatLogprob = v.object({
  token: v.string(),
  logprob: v.number(),
  bytes: v.nullish(v.array(v.number())),
});
const chatLogprobs = v.object({
  content: v.nullish(
    v.array(v.object({ ...chatLogprob.entries, top_logprobs: v.nullish(v.array(chatLogprob)) })),
  ),
});
const rawLogprobs = v.object({
  tokens: v.array(v.string()),
  token_logprobs: v.array(v.nullable(v.number())),
  top_logprobs: v.nullish(v.array(v.nullable(v.record(v.string(), v.number())))),
});
const chunkSchema = v.object({
  choices: v.nullish(
    v.array(
      v.object({
        index: v.nullish(v.number()),
        delta: content,
        message: content,
        text,
        finish_reason: text,
        logprobs: v.optional(v.unknown()),
      }),
    ),
  ),
  usage: v.optional(v.unknown()),
});
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const usageSchema = v.object({
  prompt_tokens: count,
  completion_tokens: v.optional(count, 0),
  prompt_tokens_details: v.nullish(v.object({ cached_tokens: v.nullish(count) })),
});

const bytesOf = (token: string, bytes: number[] | null | undefined): number[] =>
  bytes ?? [...Buffer.from(token)];

function logprobsOf(value: unknown): TokenLogprob[] {
  const chat = v.safeParse(chatLogprobs, value);
  if (chat.success && chat.output.content) {
    return chat.output.content.map(({ token, logprob, bytes, top_logprobs: top }) => ({
      token,
      logprob,
      bytes: bytesOf(token, bytes),
      top_logprobs: (top ?? []).map((other) => ({
        token: other.token,
        logprob: other.logprob,
        bytes: bytesOf(other.token, other.bytes),
      })),
    }));
  }
  const raw = v.safeParse(rawLogprobs, value);
  if (!raw.success) return [];
  return raw.output.tokens.flatMap((token, at) => {
    const logprob = raw.output.token_logprobs[at];
    if (typeof logprob !== 'number') return [];
    const top = Object.entries(raw.output.top_logprobs?.[at] ?? {});
    return {
      token,
      logprob,
      bytes: bytesOf(token, null),
      top_logprobs: top.map(([other, otherLogprob]) => ({
        token: other,
        logprob: otherLogprob,
        bytes: bytesOf(other, null),
      })),
    };
  });
}

/** Every reason but `length` is an end of the model's own: `stop`, `eos`, FastDeploy's `recover_stop`, … */
const finishOf = (reason: string): WireEvent => ({
  type: 'finish',
  reason: reason === 'length' || reason === 'max_tokens' ? 'length' : 'stop',
  filtered: reason === 'content_filter',
});

function usageOf(value: unknown): WireEvent[] {
  const usage = v.safeParse(usageSchema, value);
  if (!usage.success) return [];
  return [
    {
      type: 'usage',
      promptTokens: usage.output.prompt_tokens,
      completionTokens: usage.output.completion_tokens,
      cachedTokens: usage.output.prompt_tokens_details?.cached_tokens ?? 0,
    },
  ];
}

/** HTTP statuses of error types that come without one. */
const STATUS_OF_TYPE: [RegExp, number][] = [
  [/rate_?limit|too_many/i, 429],
  [/quota/i, 429],
  [/invalid_request|bad_?request/i, 400],
  [/auth|permission|iam_token/i, 401],
  [/not_?found/i, 404],
];

const asText = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';

/** The error in a body: OpenAI's `error`, FastAPI's `detail`, vLLM's bare object, Qianfan's `error_code`; null without one. */
export function providerErrorOf(value: unknown): ProviderError | null {
  if (typeof value !== 'object' || value === null) return null;
  const outer = value as Record<string, unknown>;
  const bare = outer['object'] === 'error' || 'error_code' in outer ? outer : undefined;
  const inner = outer['error'] ?? outer['detail'] ?? bare;
  if (inner === undefined || inner === null) return null;
  if (typeof inner !== 'object') return { status: null, code: '', message: asText(inner) };
  const fields = inner as Record<string, unknown>;
  const code = asText(fields['code'] ?? fields['error_code']);
  const type = asText(fields['type']);
  const number = Number(fields['status'] ?? fields['http_code'] ?? code);
  const typed = STATUS_OF_TYPE.find(([pattern]) => pattern.test(`${code} ${type}`))?.[1];
  return {
    status: Number.isInteger(number) && number >= 400 && number < 600 ? number : (typed ?? null),
    code: `${code} ${type}`.trim(),
    message: asText(fields['message'] ?? fields['error_msg'] ?? fields['msg']),
  };
}

/** Reads one JSON object: a chunk of a stream, or (`whole`) an answer that did not come as a stream. */
export function readChunk(json: string, whole: boolean): WireEvent[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return [{ type: 'malformed', why: 'malformed JSON' }];
  }
  const error = providerErrorOf(value);
  if (error !== null) return [{ type: 'error', said: error }];
  const parsed = v.safeParse(chunkSchema, value);
  if (!parsed.success) return [{ type: 'malformed', why: 'not a chat completion' }];
  const choice = parsed.output.choices?.find(({ index }) => (index ?? 0) === 0);
  if (whole && choice === undefined) return [{ type: 'malformed', why: 'not a chat completion' }];
  const events: WireEvent[] = [];
  if (choice !== undefined) {
    const said = choice.delta ?? choice.message;
    if (said?.reasoning_content) events.push({ type: 'thought', text: said.reasoning_content });
    const answer = said?.content ?? choice.text;
    if (answer) events.push({ type: 'text', text: answer });
    const tokens = logprobsOf(choice.logprobs);
    if (tokens.length > 0) events.push({ type: 'logprobs', tokens });
    if (choice.finish_reason) events.push(finishOf(choice.finish_reason));
    else if (whole) events.push(finishOf('stop'));
  }
  events.push(...usageOf(parsed.output.usage));
  if (whole) events.push({ type: 'end' });
  return events;
}
