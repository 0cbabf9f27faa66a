import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { type Clock, type ErrorBody, TwowattError } from '../../core/index.ts';
import type { Frame } from '../../protocol/index.ts';
import type { InboundPrompt } from '../../service/ports.ts';
import { createAnswerStream } from './answer-stream.ts';
import type { Exchanges } from './exchanges.ts';
import { readHops } from './guard.ts';
import { type AnswerHead, completionObject, errorReply } from './openai-objects.ts';
import { type Endpoint, type PromptRequest, readPromptRequest } from './openai-request.ts';
import type { HttpGatewayHandlers } from './types.ts';

/** Prompts that one address may have open: it must not fill the queue for everybody. */
const MOST_OPEN_PER_CLIENT = 32;

/** Where prompts are taken in. */
export type PromptDesk = {
  handlers: Pick<HttpGatewayHandlers, 'onPrompt' | 'models'>;
  exchanges: Exchanges;
  clock: Clock;
  /** Open prompts by client address. */
  openByClient: Map<string, number>;
};

type Incoming = {
  endpoint: Endpoint;
  body: Uint8Array;
  headers: IncomingHttpHeaders;
  client: string;
};

/**
 * Reads a prompt request; returns what submits it and answers on a response. Throws a coded error for
 * a request that need not reach the pipeline.
 */
export function answerPrompt(desk: PromptDesk, incoming: Incoming) {
  const { exchanges, clock, openByClient, handlers } = desk;
  const hops = readHops(incoming.headers);
  const { traceparent } = incoming.headers;
  const request = readPromptRequest(incoming.endpoint, incoming.body);
  const models = handlers.models();
  if (
    request.model !== undefined &&
    models.length > 0 &&
    !models.some(({ id }) => id === request.model)
  ) {
    throw new TwowattError(
      'model_unavailable',
      `model: this node serves ${models.map(({ id }) => `"${id}"`).join(', ')}`,
      { param: 'model' },
    );
  }
  const { client } = incoming;
  const openNow = openByClient.get(client) ?? 0;
  if (openNow >= MOST_OPEN_PER_CLIENT) {
    throw new TwowattError('rate_limited', `${openNow} prompts of this address are open`, {
      retryAfterMs: 1000,
    });
  }

  return (response: ServerResponse): void => {
    // Gone already: `close` would not come again.
    if (response.destroyed) return;
    openByClient.set(client, openNow + 1);
    let take: (frame: Frame) => void = () => {};
    const exchange = exchanges.open(request.id, (frame) => take(frame));
    const head: AnswerHead = {
      endpoint: request.endpoint,
      id: exchange.id,
      createdS: Math.floor(clock.wallMs() / 1000),
    };
    response.once('close', () => {
      exchange.leave();
      const left = (openByClient.get(client) ?? 1) - 1;
      if (left > 0) openByClient.set(client, left);
      else openByClient.delete(client);
    });
    const onError = (error: ErrorBody) => sendError(response, error);
    take = request.stream
      ? createAnswerStream({
          response,
          head,
          model: request.model ?? models[0]?.id ?? 'unknown',
          includeUsage: request.includeUsage,
          clock,
          onEarlyError: onError,
        })
      : (frame) => {
          if (frame.type === 'done') sendJson(response, 200, completionObject(head, frame));
          if (frame.type === 'error') onError(frame.error);
        };
    void handlers.onPrompt({
      ...toInbound(request, exchange, hops),
      ...(typeof traceparent === 'string' ? { traceparent } : {}),
    });
  };
}

function toInbound(
  { payload, stream }: PromptRequest,
  { topic, correlation }: { topic: string; correlation: string },
  hops: number,
): InboundPrompt {
  return {
    kind: 'http',
    payload,
    payloadBytes: payload.length,
    format: 'frames',
    topic: 'http',
    defaultReplyTopic: () => topic,
    invalidReplyTopic: topic,
    correlation,
    userProperties: null,
    redelivered: false,
    hops,
    escalatesMidStream: !stream,
  };
}

function sendError(response: ServerResponse, error: ErrorBody): void {
  const { status, headers, body } = errorReply(error);
  sendJson(response, status, body, headers);
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'x-content-type-options': 'nosniff',
    ...headers,
  });
  response.end(text);
}
