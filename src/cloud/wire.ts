import * as v from 'valibot';
import { type FinishReason, parseJson, type TokenLogprob } from '../protocol/index.ts';

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

/** Of an error's words; a whole message may be megabytes, and several expressions look at it. */
const LONGEST_ERROR = 4096;
/** What OpenAI reports for a token that cannot come; JSON may hold numbers beyond every double. */
const LEAST_LOGPROB = -9999;
/** In one event. A stream brings them one by one, a whole answer of this length at once. */
const MOST_TOKENS = 16_384;
/** OpenAI's own bound of alternatives for one token. */
const MOST_ALTERNATIVES = 20;

const text = v.nullish(v.string());
const content = v.nullish(v.object({ content: text, reasoning_content: text }));
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

type Fields = Record<string, unknown>;

const fieldsOf = (value: unknown): Fields | null =>
  typeof value === 'object' && value !== null ? (value as Fields) : null;

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

/** A probability above 1 would make the worst answer the surest. */
const boundLogprob = (value: number): number => Math.min(0, Math.max(LEAST_LOGPROB, value));

function tokenOf(value: unknown): Omit<TokenLogprob, 'top_logprobs'> | null {
  const fields = fieldsOf(value);
  const token = fields?.['token'];
  const logprob = fields?.['logprob'];
  const bytes = fields?.['bytes'];
  if (typeof token !== 'string' || typeof logprob !== 'number') return null;
  return {
    token,
    logprob: boundLogprob(logprob),
    bytes: isBytes(bytes) ? bytes : [...Buffer.from(token)],
  };
}

const isBytes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((byte) => typeof byte === 'number');

/**
 * Log-probabilities of both APIs; those that make no sense are none. By hand, since an endpoint may
 * send a hundred thousand of them in one event, which takes a schema many seconds.
 */
function logprobsOf(value: unknown): TokenLogprob[] {
  const fields = fieldsOf(value);
  if (fields === null) return [];
  if (Array.isArray(fields['content'])) return chatLogprobs(fields['content'] as unknown[]);
  return rawLogprobs(fields);
}

function chatLogprobs(list: readonly unknown[]): TokenLogprob[] {
  const tokens: TokenLogprob[] = [];
  for (const value of list.slice(0, MOST_TOKENS)) {
    const token = tokenOf(value);
    if (token === null) return [];
    const alternatives = listOf(fieldsOf(value)?.['top_logprobs']).slice(0, MOST_ALTERNATIVES);
    const top = alternatives.map(tokenOf).filter((other) => other !== null);
    tokens.push({ ...token, top_logprobs: top });
  }
  return tokens;
}

function rawLogprobs(fields: Fields): TokenLogprob[] {
  const logprobs = listOf(fields['token_logprobs']);
  const alternatives = listOf(fields['top_logprobs']);
  const tokens: TokenLogprob[] = [];
  for (const [at, name] of listOf(fields['tokens']).slice(0, MOST_TOKENS).entries()) {
    const token = tokenOf({ token: name, logprob: logprobs[at] });
    if (token === null) continue;
    const top = Object.entries(fieldsOf(alternatives[at]) ?? {})
      .slice(0, MOST_ALTERNATIVES)
      .map(([other, logprob]) => tokenOf({ token: other, logprob }))
      .filter((other) => other !== null);
    tokens.push({ ...token, top_logprobs: top });
  }
  return tokens;
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
  typeof value === 'string' || typeof value === 'number'
    ? String(value).slice(0, LONGEST_ERROR)
    : '';

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
    value = parseJson(json);
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
