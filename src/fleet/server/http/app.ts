import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ERROR_TABLE, TwowattError, toTwowattError } from '../../../core/index.ts';
import { createLimiter } from '../../../gateway/http/access/index.ts';
import { FLEET_ROUTES, type FleetRoute } from '../../../protocol/fleet/index.ts';
import type { FleetParts } from '../parts.ts';
import { type Answer, createHandlers } from './handlers.ts';
import { loadPage } from './page.ts';
import { type AccessOptions, createAccess, type Who } from './who.ts';

const compress = promisify(gzip);

const LARGEST_BODY_BYTES = 1024 * 1024;
const LEAST_GZIP_BYTES = 2048;
const REQUESTS_PER_MINUTE = 6000;

/** Nothing from elsewhere, nothing inline, and no frame of somebody else around the page. */
const CSP =
  "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/** The API and the page over HTTP (or HTTPS, with `tls`); not yet listening. */
export async function createApp(
  parts: FleetParts,
  options: AccessOptions & { tls?: { cert: Buffer; key: Buffer }; pageFolder?: string },
): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    bodyLimit: LARGEST_BODY_BYTES,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 200 },
    ...(options.tls === undefined ? {} : { https: options.tls }),
  }) as unknown as FastifyInstance;
  const access = createAccess(options, parts.accounts);
  const handlers = createHandlers(parts, access);
  const limiter = createLimiter(REQUESTS_PER_MINUTE, parts.clock);
  const page = loadPage(options.pageFolder);

  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'content-security-policy': CSP,
      ...(options.tls === undefined ? {} : { 'strict-transport-security': 'max-age=31536000' }),
    });
    access.checkSource(request.headers);
    const waitMs = limiter.take(request.ip);
    if (waitMs !== null) {
      throw new TwowattError('rate_limited', 'too many requests from this address', {
        retryAfterMs: waitMs,
      });
    }
  });
  addErrors(app, parts);

  for (const [route, { role }] of Object.entries(FLEET_ROUTES)) {
    const [method = '', url = ''] = route.split(' ');
    const handle = handlers[route as FleetRoute];
    app.route({
      method,
      url,
      exposeHeadRoute: false,
      handler: async (request, reply) => {
        const who = await access.who(request.headers, request.ip);
        const scrapes = url === '/metrics' && access.mayScrape(request.headers);
        if (role !== 'anyone' && !scrapes) await access.require(who, role);
        // Without a session there is nothing that another site's form could ride on.
        if (method !== 'GET' && route !== 'POST /api/login') {
          await access.checkCsrf(who, request.headers);
        }
        return send(await handle(askedOf(request, who)), request, reply, parts);
      },
    });
  }

  app.get('/*', { exposeHeadRoute: false }, async (request, reply) => {
    const path = decodeURIComponent(request.url.split('?')[0] ?? '/');
    const answer = path.startsWith('/api/') ? undefined : page?.answer(path, request.headers);
    if (answer !== undefined) {
      return reply.code(answer.status).headers(answer.headers).send(answer.body);
    }
    const error = new TwowattError(
      'invalid_request',
      path === '/'
        ? 'the page is not part of this build; the API is at /api/boards'
        : `nothing answers GET ${path.slice(0, 100)}`,
    );
    return reply.code(404).send({ error: error.toBody() });
  });
  await app.ready();
  return app;
}

function askedOf(request: FastifyRequest, who: Who) {
  return {
    who,
    params: request.params as Record<string, string>,
    query: request.query as Record<string, string | undefined>,
    body: request.body,
    headers: request.headers,
    address: request.ip,
    secure: request.protocol === 'https',
  };
}

async function send(
  answer: Answer,
  request: FastifyRequest,
  reply: FastifyReply,
  parts: FleetParts,
): Promise<unknown> {
  if ('stream' in answer) {
    reply.hijack();
    parts.events.join(reply.raw, answer.stream.since);
    return undefined;
  }
  reply.code(answer.status ?? 200).header('cache-control', 'no-store');
  if ('text' in answer) return reply.type(answer.type).send(answer.text);
  if (answer.headers !== undefined) reply.headers(answer.headers);
  reply.type('application/json; charset=utf-8').header('vary', 'accept-encoding');
  const text = JSON.stringify(answer.body);
  if (
    text.length < LEAST_GZIP_BYTES ||
    !/\bgzip\b/.test(String(request.headers['accept-encoding']))
  ) {
    return reply.send(text);
  }
  // Level 1: two thirds of the work saved for a tenth more bytes.
  return reply.header('content-encoding', 'gzip').send(await compress(text, { level: 1 }));
}

function addErrors(app: FastifyInstance, { logger }: FleetParts): void {
  app.setErrorHandler((thrown: Error & { statusCode?: number }, request, reply) => {
    const foreign = !(thrown instanceof TwowattError);
    const error =
      foreign && (thrown.statusCode ?? 500) < 500
        ? new TwowattError('invalid_request', thrown.message)
        : toTwowattError(thrown);
    if (error.code === 'internal') {
      logger.error({ path: request.routeOptions.url, error: thrown }, 'a request failed');
    }
    if (error.retryAfterMs !== undefined) {
      reply.header('retry-after', String(Math.ceil(error.retryAfterMs / 1000)));
    }
    return reply.code(ERROR_TABLE[error.code].httpStatus).send({ error: error.toBody() });
  });
  app.setNotFoundHandler((request, reply) => {
    const text = `nothing answers ${request.method} ${request.url.slice(0, 100)}`;
    return reply.code(404).send({ error: new TwowattError('invalid_request', text).toBody() });
  });
}
