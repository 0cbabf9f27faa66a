import { createServer, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { type FastifyError, type FastifyInstance, fastify, type FastifyRequest } from 'fastify';
import { type Clock, type Logger, TwowattError, toTwowattError } from '../../core/index.ts';
import { answerPrompt, type PromptDesk } from './answer-prompt.ts';
import type { EventHub } from './events.ts';
import { createGuard } from './guard.ts';
import { clientOf, createLimiter } from './limiter.ts';
import { metricsText } from './metrics.ts';
import { errorReply, modelObject } from './openai-objects.ts';
import { addPageRoutes, PAGE_PATHS } from './page.ts';
import type { HttpGatewayHandlers, HttpGatewayOptions } from './types.ts';

/** A client that sends its head or body slower than this is cut off (slowloris). */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const TIMEOUT_CHECK_MS = 5_000;
/** An idle connection is kept for the next request; longer than common clients keep theirs. */
const KEEP_ALIVE_MS = 30_000;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_URL_PARAM_LENGTH = 256;

/** Answered without token and without limit: whether somebody lives here is no secret. */
const PROBES = new Set(['/healthz', '/readyz']);

export type ServerParts = {
  options: HttpGatewayOptions;
  handlers: HttpGatewayHandlers;
  desk: PromptDesk;
  events: EventHub;
  draining: () => boolean;
  logger: Logger;
  clock: Clock;
};

/** The web server with every route, not yet listening. */
export async function buildServer(parts: ServerParts): Promise<Server> {
  const { options, clock } = parts;
  let server: Server | undefined;
  const app = fastify({
    logger: false,
    bodyLimit: options.maxPayloadBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    routerOptions: { maxParamLength: MAX_URL_PARAM_LENGTH },
    serverFactory(handler) {
      server = createServer(
        {
          maxHeaderSize: MAX_HEADER_BYTES,
          headersTimeout: HEADERS_TIMEOUT_MS,
          requestTimeout: REQUEST_TIMEOUT_MS,
          connectionsCheckingInterval: TIMEOUT_CHECK_MS,
          keepAliveTimeout: KEEP_ALIVE_MS,
          noDelay: true,
        },
        (request, response) => {
          handler(request, response);
        },
      );
      return server;
    },
    clientErrorHandler(error, socket) {
      if (!socket.writable) {
        socket.destroy();
        return;
      }
      const { status, body } = unreadable(error.code);
      const text = JSON.stringify(body);
      socket.end(
        `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json\r\n` +
          `content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
      );
    },
  });
  readBodiesRaw(app);
  addGuards(app, parts);
  addErrors(app, parts.logger);
  addPromptRoutes(app, parts);
  addBoardRoutes(app, parts, Math.floor(clock.wallMs() / 1000));
  addPageRoutes(app, options.pageFolder);
  await app.ready();
  if (server === undefined) throw new Error('the web server was not built');
  return server;
}

/** What Node's parser refuses never reaches a route. */
function unreadable(code: string) {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const text = `the head has more than ${MAX_HEADER_BYTES} bytes`;
    return errorReply(new TwowattError('payload_too_large', text).toBody(), 431);
  }
  return code === 'ERR_HTTP_REQUEST_TIMEOUT'
    ? errorReply(new TwowattError('invalid_request', 'the request came too slowly').toBody(), 408)
    : errorReply(new TwowattError('invalid_request', 'this is not an HTTP request').toBody());
}

/** The pipeline checks what a body says. Other types are refused: forms need no leave from a browser. */
function readBodiesRaw(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    (_request: FastifyRequest, body: Buffer, done: (error: null, body: Buffer) => void) =>
      done(null, body),
  );
}

function addGuards(app: FastifyInstance, { options, draining, clock }: ServerParts): void {
  const guard = createGuard(options);
  const limiter = createLimiter(options.requestsPerMinute, clock);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
    if (draining()) reply.header('connection', 'close');
    guard.checkSource(request.headers);
    if (PROBES.has(request.routeOptions.url ?? '')) return;
    // Before the token is looked at, so that it cannot be guessed at leisure.
    const waitMs = limiter.take(clientOf(request.ip));
    if (waitMs !== null) {
      throw new TwowattError(
        'rate_limited',
        `at most ${options.requestsPerMinute} requests a minute are taken from one address`,
        { retryAfterMs: waitMs },
      );
    }
    if (!PAGE_PATHS.has(request.routeOptions.url ?? '')) guard.checkToken(request.headers);
  });
}

function addErrors(app: FastifyInstance, logger: Logger): void {
  app.setErrorHandler((thrown: FastifyError | TwowattError, request, reply) => {
    const error = translate(thrown);
    if (!(thrown instanceof TwowattError) && error.code === 'internal') {
      logger.error({ path: request.routeOptions.url, error: thrown }, 'a request failed');
    }
    const { status, headers, body } = errorReply(error.toBody());
    return reply.code(status).headers(headers).send(body);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const error = new TwowattError(
      'invalid_request',
      `nothing answers ${request.method} ${path.slice(0, 100)}`,
    );
    return reply.code(404).send(errorReply(error.toBody(), 404).body);
  });
}

function translate(thrown: FastifyError | TwowattError): TwowattError {
  if (thrown instanceof TwowattError) return thrown;
  switch (thrown.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new TwowattError(
        'payload_too_large',
        'the body is larger than queue.max_payload_bytes',
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new TwowattError('invalid_request', 'content-type: expected application/json', {
        param: 'content-type',
      });
    default:
      return (thrown.statusCode ?? 500) < 500
        ? new TwowattError('invalid_request', thrown.message)
        : toTwowattError(thrown);
  }
}

function addPromptRoutes(app: FastifyInstance, { desk, draining }: ServerParts): void {
  const answer =
    (endpoint: 'chat' | 'completions') =>
    (request: FastifyRequest, reply: { hijack(): unknown; raw: ServerResponse }) => {
      if (draining()) {
        throw new TwowattError('draining', 'this node is stopping or draining', {
          retryAfterMs: 5000,
        });
      }
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const { headers, ip } = request;
      const respond = answerPrompt(desk, { endpoint, body, headers, client: clientOf(ip) });
      // From here on the answer comes frame by frame, not from a handler's result.
      reply.hijack();
      respond(reply.raw);
    };
  app.post('/v1/chat/completions', answer('chat'));
  app.post('/v1/completions', answer('completions'));
}

function addBoardRoutes(app: FastifyInstance, parts: ServerParts, startedS: number): void {
  const { options, handlers, events, draining, clock } = parts;
  app.get('/v1/models', async () => ({
    object: 'list',
    data: handlers.models().map((model) => modelObject(model, startedS)),
  }));
  app.get<{ Params: { '*': string } }>('/v1/models/*', async ({ params }) => {
    const model = handlers.models().find(({ id }) => id === params['*']);
    if (model !== undefined) return modelObject(model, startedS);
    throw new TwowattError('model_unavailable', 'model: this node has no model of this name', {
      param: 'model',
    });
  });
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const { model, broker } = handlers.ready();
    const ready = model && broker && !draining();
    return reply.code(ready ? 200 : 503).send({ ready, model, broker, draining: draining() });
  });
  const lastTelemetry = () => {
    const telemetry = handlers.telemetry();
    if (telemetry !== null) return telemetry;
    throw new TwowattError('internal', 'there is no telemetry yet; it comes within seconds', {
      retryAfterMs: 1000,
    });
  };
  app.get('/api/telemetry', async () => lastTelemetry());
  app.get('/api/decisions', async () => ({ decisions: handlers.decisions() }));
  app.get('/metrics', async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(
      metricsText({
        version: options.version,
        telemetry: lastTelemetry(),
        health: handlers.health(),
        wallMs: clock.wallMs(),
      }),
    ),
  );
  // A HEAD would hold a place among the listeners and hear nothing.
  app.get('/api/events', { exposeHeadRoute: false }, (_request, reply) => {
    const telemetry = handlers.telemetry();
    handlers.onListener?.();
    events.join(() => {
      reply.hijack();
      return reply.raw;
    }, [
      { name: 'state', data: { state: draining() ? 'draining' : 'online' } },
      { name: 'health', data: handlers.health() },
      ...(telemetry === null ? [] : [{ name: 'telemetry' as const, data: telemetry }]),
    ]);
  });
}
