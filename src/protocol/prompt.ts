import * as v from 'valibot';
import { isClientId, TwowattError } from '../core/index.ts';
import type { ChatMessage, GenerateRequest } from './generation.ts';
import { parseJson } from './json.ts';
import { type Privacy, toPrivacy } from './privacy.ts';

export type PromptRoute = 'auto' | 'edge' | 'cloud';

/** A prompt whose every field has been checked and given its default. */
export type Prompt = {
  /** The client's own id, if it sent one. */
  id: string | undefined;
  generate: GenerateRequest;
  model: string | undefined;
  stream: boolean;
  session: string | undefined;
  route: PromptRoute;
  /** As the message says; undefined lets session, topic and default decide. */
  privacy: Privacy | undefined;
  /** Counted from receipt, milliseconds. */
  deadlineMs: number | undefined;
  /** 0 to 9, 9 runs first. */
  priority: number;
  replyTo: string | undefined;
};

export const DEFAULT_MAX_TOKENS = 256;
export const DEFAULT_PRIORITY = 5;
const MAX_STOP_STRINGS = 8;
const MAX_STOP_LENGTH = 256;
const MAX_TOP_LOGPROBS = 20;

const number = (low: number, high: number) =>
  v.pipe(
    v.number(`expected a number from ${low} to ${high}`),
    v.finite(`expected a finite number`),
    v.minValue(low, `expected a number from ${low} to ${high}`),
    v.maxValue(high, `expected a number from ${low} to ${high}`),
  );
const integer = (low: number, high: number) =>
  v.pipe(
    v.number(`expected a whole number from ${low} to ${high}`),
    v.integer(`expected a whole number from ${low} to ${high}`),
    v.minValue(low, `expected a whole number from ${low} to ${high}`),
    v.maxValue(high, `expected a whole number from ${low} to ${high}`),
  );
const text = v.string('expected a string');
const flag = v.boolean('expected true or false');
const clientId = v.pipe(
  text,
  v.check(
    (value: string) => isClientId(value),
    'expected 1 to 128 characters of A-Z a-z 0-9 . _ : - (and neither "text" nor "invalid")',
  ),
);
const stopString = v.pipe(
  v.string('expected a string or a list of strings'),
  v.minLength(1, 'a stop string must not be empty'),
  v.maxLength(MAX_STOP_LENGTH, `a stop string has at most ${MAX_STOP_LENGTH} characters`),
);

const message = v.object(
  {
    role: v.picklist(['system', 'user', 'assistant'], 'expected system, user or assistant'),
    content: text,
  },
  'expected an object with role and content',
);

// OpenAI's clients send null for "not set", so null counts as absent everywhere.
const schema = v.object(
  {
    messages: v.nullish(
      v.pipe(
        v.array(message, 'expected a list of messages'),
        v.minLength(1, 'expected at least one message'),
      ),
    ),
    prompt: v.nullish(v.pipe(text, v.minLength(1, 'must not be empty'))),
    model: v.nullish(text),
    max_tokens: v.nullish(integer(1, 1_000_000)),
    max_completion_tokens: v.nullish(integer(1, 1_000_000)),
    temperature: v.nullish(number(0, 2)),
    top_p: v.nullish(number(0, 1)),
    top_k: v.nullish(integer(0, 1_000_000)),
    min_p: v.nullish(number(0, 1)),
    repetition_penalty: v.nullish(number(0.01, 10)),
    seed: v.nullish(integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)),
    stop: v.nullish(
      v.union(
        [
          stopString,
          v.pipe(
            v.array(stopString),
            v.maxLength(MAX_STOP_STRINGS, `expected at most ${MAX_STOP_STRINGS} stop strings`),
          ),
        ],
        `expected a string or a list of at most ${MAX_STOP_STRINGS} non-empty strings`,
      ),
    ),
    stream: v.nullish(flag),
    logprobs: v.nullish(flag),
    top_logprobs: v.nullish(integer(0, MAX_TOP_LOGPROBS)),
    id: v.nullish(clientId),
    session: v.nullish(clientId),
    route: v.nullish(v.picklist(['auto', 'edge', 'cloud'], 'expected auto, edge or cloud')),
    privacy: v.nullish(text),
    deadline_ms: v.nullish(number(1, Number.MAX_SAFE_INTEGER)),
    priority: v.nullish(integer(0, 9)),
    reply_to: v.nullish(text),
  },
  'expected a JSON object',
);

const isSet = (value: unknown): boolean =>
  value !== undefined &&
  value !== null &&
  value !== 0 &&
  !(Array.isArray(value) && value.length === 0) &&
  !(typeof value === 'object' && Object.keys(value).length === 0);

/** Fields of OpenAI's API that change what the answer means and that we do not serve. */
function refuseUnserved(body: Record<string, unknown>): void {
  const refuse = (param: string, why: string) => {
    throw new TwowattError('unsupported', `${param}: ${why}`, { param });
  };
  for (const field of ['tools', 'functions', 'audio', 'logit_bias']) {
    if (isSet(body[field])) refuse(field, 'not served by this node');
  }
  for (const field of ['presence_penalty', 'frequency_penalty']) {
    if (isSet(body[field])) refuse(field, 'not served; use repetition_penalty');
  }
  const choices = body['n'];
  if (choices !== undefined && choices !== null && choices !== 1) {
    refuse('n', 'only one choice per prompt is served');
  }
  const modalities = body['modalities'];
  if (Array.isArray(modalities) && modalities.some((kind) => kind !== 'text')) {
    refuse('modalities', 'only text is served');
  }
  const format = body['response_format'];
  if (isSet(format) && (format as { type?: unknown }).type !== 'text') {
    refuse('response_format', 'constrained answers are not served yet');
  }
  if (Array.isArray(body['messages'])) {
    for (const [index, entry] of body['messages'].entries()) {
      const content: unknown = (entry as { content?: unknown } | null)?.content;
      if (
        Array.isArray(content) &&
        content.some((part) => (part as { type?: unknown } | null)?.type !== 'text')
      ) {
        refuse(`messages.${index}.content`, 'images and audio are not served');
      }
    }
  }
}

/** Checks a parsed JSON value against the contract; errors carry the field's name in `param`. */
export function parsePrompt(body: unknown): Prompt {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new TwowattError('invalid_request', 'expected a JSON object');
  }
  refuseUnserved(body as Record<string, unknown>);
  const parsed = v.safeParse(schema, body, { abortEarly: true });
  if (!parsed.success) {
    const issue = parsed.issues[0];
    const param = v.getDotPath(issue) ?? undefined;
    throw new TwowattError(
      'invalid_request',
      param === undefined ? issue.message : `${param}: ${issue.message}`,
      param === undefined ? {} : { param },
    );
  }
  const fields = parsed.output;
  if ((fields.messages ?? null) !== null && (fields.prompt ?? null) !== null) {
    throw new TwowattError('invalid_request', 'give either messages or prompt, not both', {
      param: 'prompt',
    });
  }
  if ((fields.messages ?? null) === null && (fields.prompt ?? null) === null) {
    throw new TwowattError('invalid_request', 'one of messages and prompt is required', {
      param: 'messages',
    });
  }
  if (typeof fields.top_logprobs === 'number' && fields.logprobs !== true) {
    throw new TwowattError('invalid_request', 'top_logprobs: needs logprobs to be true', {
      param: 'top_logprobs',
    });
  }
  const privacy = typeof fields.privacy === 'string' ? toPrivacy(fields.privacy) : undefined;
  const route = fields.route ?? 'auto';
  if (privacy === 'local' && route === 'cloud') {
    throw new TwowattError(
      'privacy_blocked',
      'privacy: local prompts never leave the board, so route cloud cannot serve them',
      { param: 'privacy' },
    );
  }
  const stop = fields.stop ?? [];
  return {
    id: fields.id ?? undefined,
    generate: {
      ...(fields.prompt === null || fields.prompt === undefined
        ? { messages: fields.messages as ChatMessage[] }
        : { prompt: fields.prompt }),
      maxTokens: fields.max_completion_tokens ?? fields.max_tokens ?? DEFAULT_MAX_TOKENS,
      sampling: {
        temperature: fields.temperature ?? 0,
        topP: fields.top_p ?? 1,
        topK: fields.top_k ?? 0,
        minP: fields.min_p ?? 0,
        repetitionPenalty: fields.repetition_penalty ?? 1,
        seed: fields.seed ?? null,
      },
      stop: typeof stop === 'string' ? [stop] : stop,
      topLogprobs: fields.logprobs === true ? (fields.top_logprobs ?? 0) : null,
    },
    model: fields.model ?? undefined,
    stream: fields.stream ?? false,
    session: fields.session ?? undefined,
    route,
    privacy,
    deadlineMs: fields.deadline_ms ?? undefined,
    priority: fields.priority ?? DEFAULT_PRIORITY,
    replyTo: fields.reply_to ?? undefined,
  };
}

/** The prompt that a bare text means. */
export function promptFromText(content: string): Prompt {
  return parsePrompt({ messages: [{ role: 'user', content }] });
}

/**
 * A payload as the contract reads it: `{` as the first non-blank byte means JSON, anything else is
 * bare text; empty payloads and invalid UTF-8 are refused.
 */
export function decodePromptPayload(payload: Uint8Array): { json: unknown } | { text: string } {
  const decoded = decodeText(payload);
  if (!/^[\s\uFEFF]*\{/.test(decoded)) return { text: decoded };
  try {
    return { json: parseJson(decoded) };
  } catch (error) {
    const why = error instanceof RangeError ? `is ${error.message}` : 'is not valid JSON';
    throw new TwowattError('invalid_request', `the payload starts with { but ${why}`, {
      cause: error,
    });
  }
}

/** Payload bytes as text; empty (or blank) and invalid UTF-8 are `invalid_request`. */
export function decodeText(payload: Uint8Array): string {
  let decoded: string;
  try {
    decoded = new TextDecoder('utf-8', { fatal: true }).decode(payload);
  } catch (error) {
    throw new TwowattError('invalid_request', 'the payload is not valid UTF-8', { cause: error });
  }
  if (decoded.trim() === '') throw new TwowattError('invalid_request', 'the payload is empty');
  return decoded;
}
