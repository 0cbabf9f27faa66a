import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { TwowattError } from '../../core/index.ts';
import type { HttpGatewayOptions } from './types.ts';

/** Nodes that may hand a prompt on, one to the next; a loop ends here. */
export const MOST_HOPS = 3;
export const HOPS_HEADER = 'twowatt-hops';

/** By hand: an expression that trims both ends takes half a second for 16 kB of blanks. */
export function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined || !/^bearer /i.test(authorization)) return undefined;
  const token = authorization.slice('bearer '.length).trim();
  return token === '' ? undefined : token;
}

const digest = (text: string) => createHash('sha256').update(text).digest();

/** In a time that tells neither length nor prefix: digests are of one length. */
export const sameText = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));

/** True for names and addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return bare === 'localhost' || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare);
}

/** `name:port` or `[::1]:port` without the port. */
export const hostName = (authority: string) => authority.replace(/:\d+$/, '').toLowerCase();

function originHost(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host.toLowerCase() : undefined;
}

export type Guard = {
  /** Throws `invalid_request` for a request that a web page of somebody else may have caused. */
  checkSource(headers: IncomingHttpHeaders): void;
  /** Throws `unauthorized` without the right token. */
  checkToken(headers: IncomingHttpHeaders): void;
};

/**
 * Who may ask. On loopback there may be no token, so what protects the board there is that browsers
 * tell whom they believe to speak to: a page that has its name resolved to 127.0.0.1 (DNS rebinding)
 * sends its own name as Host, and a page of another origin says so in Origin.
 */
export function createGuard(
  options: Pick<HttpGatewayOptions, 'host' | 'token' | 'allowedHosts'>,
): Guard {
  const { token } = options;
  const onLoopback = isLoopback(options.host);
  if (!onLoopback && token === undefined) {
    throw new TwowattError(
      'invalid_request',
      `http.host: listening on ${options.host} needs http.token_file`,
      { param: 'http.token_file' },
    );
  }
  const allowed = new Set(options.allowedHosts.map((name) => name.toLowerCase()));
  const expected = token === undefined ? undefined : digest(token);

  return {
    checkSource({ host, origin }) {
      if (!onLoopback) return;
      const name = hostName(host ?? '');
      if (!isLoopback(name) && !allowed.has(name)) {
        throw new TwowattError(
          'invalid_request',
          'host: this address answers to localhost only; add other names to http.allowed_hosts',
          { param: 'host' },
        );
      }
      if (origin !== undefined && originHost(origin) !== host?.toLowerCase()) {
        throw new TwowattError('invalid_request', 'origin: pages of other origins may not ask', {
          param: 'origin',
        });
      }
    },
    checkToken({ authorization }) {
      if (expected === undefined) return;
      const given = bearerToken(authorization);
      // Digests are of one length, so the comparison tells neither length nor prefix.
      if (given !== undefined && timingSafeEqual(digest(given), expected)) return;
      throw new TwowattError(
        'unauthorized',
        given === undefined ? 'send the token as `Authorization: Bearer …`' : 'wrong token',
      );
    },
  };
}

/** Nodes that handed the prompt on so far; throws `invalid_request` for a loop or a strange value. */
export function readHops(headers: IncomingHttpHeaders): number {
  const given = headers[HOPS_HEADER];
  if (given === undefined) return 0;
  const hops = typeof given === 'string' && /^\d{1,4}$/.test(given) ? Number(given) : undefined;
  if (hops !== undefined && hops <= MOST_HOPS) return hops;
  throw new TwowattError(
    'invalid_request',
    hops === undefined
      ? `${HOPS_HEADER}: expected a whole number`
      : `${HOPS_HEADER}: the prompt went through ${hops} nodes, at most ${MOST_HOPS} may hand it on; do the endpoints form a loop?`,
    { param: HOPS_HEADER },
  );
}
