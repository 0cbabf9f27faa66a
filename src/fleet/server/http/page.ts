import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** Where the build leaves the page; the same place as seen from sources and from `dist`. */
const PAGE_FOLDER = fileURLToPath(new URL('../../../../dist/fleet/web', import.meta.url));

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
};
/** Below this a response is not worth compressing. */
const LEAST_GZIP_BYTES = 1024;

type PageFile = {
  type: string;
  etag: string;
  /** Its name changes with its content, so browsers need never ask again. */
  hashed: boolean;
  bodies: { identity: Buffer; gzip?: Buffer; br?: Buffer };
};

export type PageAnswer = { status: 200 | 304; headers: Record<string, string>; body: Buffer };
export type Page = {
  /** The answer to a GET; undefined where the page has no such file. */
  answer(
    path: string,
    headers: {
      'if-none-match'?: string | undefined;
      'accept-encoding'?: string | string[] | undefined;
    },
  ): PageAnswer | undefined;
};

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  } catch {
    return [];
  }
}

/** The page's files, read once; compressed ones beside them (`.br`, `.gz`) are used, missing `.gz` made. */
export function loadPage(folder = PAGE_FOLDER): Page | undefined {
  const all = new Set(filesBelow(folder));
  const files = new Map<string, PageFile>();
  for (const path of all) {
    const type = TYPES[extname(path)];
    if (type === undefined) continue;
    const identity = readFileSync(path);
    const compressible = !/image\/(png|x-icon)|font/.test(type);
    const gzip = all.has(`${path}.gz`)
      ? readFileSync(`${path}.gz`)
      : compressible && identity.length >= LEAST_GZIP_BYTES
        ? gzipSync(identity, { level: 9 })
        : undefined;
    files.set(`/${relative(folder, path)}`, {
      type,
      etag: `"${createHash('sha256').update(identity).digest('base64url').slice(0, 22)}"`,
      hashed: /\/assets\/.*[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$/.test(path),
      bodies: {
        identity,
        ...(gzip === undefined ? {} : { gzip }),
        ...(all.has(`${path}.br`) ? { br: readFileSync(`${path}.br`) } : {}),
      },
    });
  }
  if (!files.has('/index.html')) return undefined;
  return {
    answer(path, headers) {
      // Paths without a dot are the page's own routes.
      const name = files.has(path) ? path : /\.[a-z0-9]+$/.test(path) ? undefined : '/index.html';
      const file = name === undefined ? undefined : files.get(name);
      if (file === undefined) return undefined;
      const accepts = String(headers['accept-encoding'] ?? '');
      const encoding =
        file.bodies.br !== undefined && /\bbr\b/.test(accepts)
          ? 'br'
          : file.bodies.gzip !== undefined && /\bgzip\b/.test(accepts)
            ? 'gzip'
            : 'identity';
      const etag = encoding === 'identity' ? file.etag : file.etag.replace(/"$/, `-${encoding}"`);
      const common = {
        etag,
        vary: 'accept-encoding',
        'cache-control': file.hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
      };
      if (headers['if-none-match']?.includes(etag) === true) {
        return { status: 304, headers: common, body: Buffer.alloc(0) };
      }
      return {
        status: 200,
        headers: {
          ...common,
          'content-type': file.type,
          ...(encoding === 'identity' ? {} : { 'content-encoding': encoding }),
        },
        body: file.bodies[encoding] ?? file.bodies.identity,
      };
    },
  };
}
