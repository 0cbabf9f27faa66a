import { type ErrorBody, ERROR_TABLE } from '../../core/index.ts';
import type { DoneFrame, FinishReason, TokenLogprob } from '../../protocol/index.ts';
import type { ServedModel } from './types.ts';
import type { Endpoint } from './openai-request.ts';

/** What every object of one answer begins with. */
export type AnswerHead = {
  endpoint: Endpoint;
  id: string;
  /** Seconds since 1970. */
  createdS: number;
};

const objectId = ({ endpoint, id }: AnswerHead) =>
  endpoint === 'chat' ? `chatcmpl-${id}` : `cmpl-${id}`;

/** OpenAI has no word for an answer that was cut short from outside; `length` comes nearest. */
const finishReason = (reason: FinishReason) => (reason === 'stop' ? 'stop' : 'length');

function usageOf({ usage }: DoneFrame) {
  return {
    prompt_tokens: usage.prompt_tokens,
    completion_tokens: usage.completion_tokens,
    total_tokens: usage.prompt_tokens + usage.completion_tokens,
    prompt_tokens_details: { cached_tokens: usage.cached_tokens },
  };
}

/** What we know beyond OpenAI's fields. */
function twowattOf({ id, node, route, energy, confidence, timing, cost }: DoneFrame) {
  return { id, node, route, energy, confidence, timing, cost };
}

/** Log-probabilities in the form of the older endpoint: parallel lists. */
function legacyLogprobs(tokens: readonly TokenLogprob[]) {
  let offset = 0;
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top_logprobs: top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: tokens.map(({ token }) => {
      const at = offset;
      offset += token.length;
      return at;
    }),
  };
}

function logprobsOf(endpoint: Endpoint, frame: DoneFrame) {
  const tokens = frame.logprobs?.content;
  if (tokens === undefined) return null;
  return endpoint === 'chat' ? { content: tokens, refusal: null } : legacyLogprobs(tokens);
}

/** The whole answer: `chat.completion` or `text_completion`. */
export function completionObject(head: AnswerHead, frame: DoneFrame) {
  const { endpoint, createdS } = head;
  const common = {
    index: 0,
    finish_reason: finishReason(frame.finish_reason),
    logprobs: logprobsOf(endpoint, frame),
  };
  const choice =
    endpoint === 'chat'
      ? { ...common, message: { role: 'assistant', content: frame.text, refusal: null } }
      : { ...common, text: frame.text };
  return {
    id: objectId(head),
    object: endpoint === 'chat' ? 'chat.completion' : 'text_completion',
    created: createdS,
    model: frame.model,
    choices: [choice],
    usage: usageOf(frame),
    twowatt: twowattOf(frame),
  };
}

/** The chunks of one streamed answer; `model` is what was asked for until the answer says better. */
export function chunksOf(head: AnswerHead, options: { model: string; includeUsage: boolean }) {
  const chat = head.endpoint === 'chat';
  const chunk = (model: string, choices: object[], more: object = {}) => ({
    id: objectId(head),
    object: chat ? 'chat.completion.chunk' : 'text_completion',
    created: head.createdS,
    model,
    choices,
    ...(options.includeUsage ? { usage: null } : {}),
    ...more,
  });
  return {
    /** Says whose turn it is; the older endpoint has no such thing. */
    opening: () => {
      const delta = { role: 'assistant', content: '', refusal: null };
      const choice = { index: 0, delta, logprobs: null, finish_reason: null };
      return chat ? chunk(options.model, [choice]) : undefined;
    },
    text(text: string) {
      const content = chat ? { delta: { content: text } } : { text };
      const choice = { index: 0, ...content, logprobs: null, finish_reason: null };
      return chunk(options.model, [choice]);
    },
    /** Log-probabilities stand here, all at once: the engine tells them at the end. */
    closing(frame: DoneFrame) {
      const choice = {
        index: 0,
        ...(chat ? { delta: {} } : { text: '' }),
        logprobs: logprobsOf(head.endpoint, frame),
        finish_reason: finishReason(frame.finish_reason),
      };
      return chunk(frame.model, [choice], { twowatt: twowattOf(frame) });
    },
    usage: (frame: DoneFrame) => chunk(frame.model, [], { usage: usageOf(frame) }),
  };
}

export function modelObject({ id, endpoint, facts }: ServedModel, createdS: number) {
  const model = { id, object: 'model', created: createdS };
  if (facts === null) return { ...model, owned_by: endpoint, twowatt: { endpoint } };
  const { digest, architecture, form, parameters, contextTokens } = facts;
  return {
    ...model,
    owned_by: 'twowatt',
    twowatt: { digest, architecture, form, parameters, context_tokens: contextTokens },
  };
}

/** `error.type` in OpenAI's words, which clients group by. */
function errorType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 || status === 501 ? 'invalid_request_error' : 'server_error';
}

/** OpenAI's clients expect 404 for a model that does not exist; one that is away is 503. */
function statusOf({ code, param }: ErrorBody): number {
  return code === 'model_unavailable' && param === 'model' ? 404 : ERROR_TABLE[code].httpStatus;
}

/** An error as status, headers and body. */
export function errorReply(error: ErrorBody, status: number = statusOf(error)) {
  const retryAfterMs = error.retry_after_ms;
  return {
    status,
    headers: {
      // OpenAI's clients would otherwise decide by the status alone and repeat what cannot help.
      'x-should-retry': String(error.retryable && status !== 404),
      ...(retryAfterMs === undefined
        ? {}
        : {
            'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))),
            'retry-after-ms': String(Math.ceil(retryAfterMs)),
          }),
      ...(status === 401 ? { 'www-authenticate': 'Bearer realm="twowatt"' } : {}),
    },
    body: {
      error: {
        message: error.message,
        type: errorType(status),
        code: error.code,
        param: error.param ?? null,
        retryable: error.retryable,
        ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }),
      },
    },
  };
}
