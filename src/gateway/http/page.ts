import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TwowattError } from '../../core/index.ts';
import { errorReply } from './openai-objects.ts';

/** Nothing but files of this board runs or is drawn in the page; nobody may frame it. */
export const PAGE_POLICY =
  "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'";

/** Answered without a token: the page asks for it itself. What it shows needs one. */
export const PAGE_PATHS = new Set(['/', '/favicon.svg', '/assets/:name']);

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Asset names hold a hash of what is in them, so they never change. */
const FOR_EVER = 'public, max-age=31536000, immutable';

/**
 * The board's own page, from the folder that `npm run build` made. Files are sent from the disk as they are
 * asked for, packed at build time: neither their text nor a packer stays in the daemon's memory.
 */
export function addPageRoutes(app: FastifyInstance, folder: string): void {
  const send = async (
    request: FastifyRequest,
    reply: FastifyReply,
    file: string,
    caching: string,
  ): Promise<FastifyReply> => {
    const type = TYPES[extname(file)];
    const packed = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
    const path = join(folder, packed ? `${file}.gz` : file);
    const found = type === undefined ? null : await stat(path).catch(() => null);
    if (found === null || !found.isFile()) {
      const error = new TwowattError(
        'invalid_request',
        'there is no such file; is the page built?',
      );
      return reply.code(404).send(errorReply(error.toBody(), 404).body);
    }
    reply.headers({
      'content-type': type,
      'content-length': found.size,
      'cache-control': caching,
      'content-security-policy': PAGE_POLICY,
      'referrer-policy': 'no-referrer',
      vary: 'accept-encoding',
      ...(packed ? { 'content-encoding': 'gzip' } : {}),
    });
    return reply.send(createReadStream(path));
  };
  app.get('/', (request, reply) => send(request, reply, 'board.html', 'no-cache'));
  app.get('/favicon.svg', (request, reply) => send(request, reply, 'favicon.svg', 'no-cache'));
  app.get<{ Params: { name: string } }>('/assets/:name', (request, reply) => {
    const { name } = request.params;
    const plain = /^[\w-]+\.(js|css)$/.test(name) ? name : 'none';
    return send(request, reply, join('assets', plain), FOR_EVER);
  });
}
