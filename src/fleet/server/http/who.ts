import type { IncomingHttpHeaders } from 'node:http';
import { TwowattError } from '../../../core/index.ts';
import { bearerToken, hostName, isLoopback, sameText } from '../../../gateway/http/access/index.ts';
import { type Role, roleAllows, ROLES } from '../../../protocol/fleet/index.ts';
import type { Accounts } from '../accounts.ts';

export const SESSION_COOKIE = 'twowatt_fleet';

/** Who asks. `key` is what the CSRF token is bound to; null for somebody without a login. */
export type Who = {
  user: string | null;
  role: Role | null;
  key: string | null;
  via: 'none' | 'password' | 'proxy';
};

export type AccessOptions = {
  host: string;
  allowedHosts: readonly string[];
  trustedProxies: readonly string[];
  proxyUserHeader: string;
  proxyRoleHeader: string;
  /** Whoever sends it may read the metrics. */
  metricsToken?: string;
};

export type Access = {
  /** Throws `invalid_request` for a request that a page of somebody else may have caused. */
  checkSource(headers: IncomingHttpHeaders): void;
  who(headers: IncomingHttpHeaders, address: string): Promise<Who>;
  /** Whether looking needs a login. */
  loginRequired(): Promise<boolean>;
  /** Throws `unauthorized` when `who` may not do what needs `role`. */
  require(who: Who, role: Role): Promise<void>;
  /** Whether the bearer token of the metrics was sent. */
  mayScrape(headers: IncomingHttpHeaders): boolean;
  /** Throws `unauthorized` without the token of this session. */
  checkCsrf(who: Who, headers: IncomingHttpHeaders): Promise<void>;
};

export function cookieOf(headers: IncomingHttpHeaders): string | undefined {
  const all = (headers.cookie ?? '').split(';').map((part) => part.trim());
  const found = all.find((part) => part.startsWith(`${SESSION_COOKIE}=`));
  return found?.slice(SESSION_COOKIE.length + 1);
}

const bare = (address: string) => address.replace(/^::ffff:/, '');

/**
 * On loopback without users everybody on the machine may look and nobody may change anything. As soon as there
 * is a user, or on any other address, looking needs a login as well. A trusted proxy's word replaces the login.
 */
export function createAccess(options: AccessOptions, accounts: Accounts): Access {
  const onLoopback = isLoopback(options.host);
  const proxies = new Set(options.trustedProxies);
  const allowed = new Set(options.allowedHosts.map((name) => name.toLowerCase()));

  const loginRequired = async (): Promise<boolean> =>
    !onLoopback || proxies.size > 0 || (await accounts.any());

  return {
    checkSource({ host = '', origin }) {
      const name = hostName(host);
      if (onLoopback && !isLoopback(name) && !allowed.has(name)) {
        throw new TwowattError(
          'invalid_request',
          'host: this address answers to localhost only; add other names to fleet.allowed_hosts',
          { param: 'host' },
        );
      }
      if (origin === undefined) return;
      const from = URL.canParse(origin) ? new URL(origin).host.toLowerCase() : '';
      if (from !== host.toLowerCase() && !allowed.has(hostName(from))) {
        throw new TwowattError('invalid_request', 'origin: pages of other origins may not ask', {
          param: 'origin',
        });
      }
    },
    async who(headers, address) {
      if (proxies.has(bare(address))) {
        const user = headers[options.proxyUserHeader];
        if (typeof user === 'string' && /^[\x21-\x7e]{1,128}$/.test(user)) {
          const told = headers[options.proxyRoleHeader];
          const role = ROLES.find((known) => known === told) ?? 'viewer';
          return { user, role, key: `proxy:${user}`, via: 'proxy' };
        }
      }
      const token = cookieOf(headers);
      const session = token === undefined ? undefined : await accounts.session(token);
      if (session !== undefined) {
        return { user: session.user, role: session.role, key: session.key, via: 'password' };
      }
      const role = (await loginRequired()) ? null : 'viewer';
      return { user: null, role, key: null, via: 'none' };
    },
    loginRequired,
    async require(who, role) {
      if (who.role !== null && roleAllows(who.role, role)) return;
      if (who.user !== null) {
        throw new TwowattError(
          'unauthorized',
          `this needs the role ${role}; ${who.user} is ${who.role}`,
        );
      }
      throw new TwowattError(
        'unauthorized',
        (await accounts.any())
          ? 'log in first'
          : 'nobody can log in yet; make a user: twowatt fleet user add NAME --role admin',
      );
    },
    mayScrape({ authorization }) {
      const given = bearerToken(authorization);
      const { metricsToken } = options;
      return given !== undefined && metricsToken !== undefined && sameText(given, metricsToken);
    },
    async checkCsrf(who, headers) {
      const given = headers['x-csrf-token'];
      if (who.key !== null && typeof given === 'string') {
        if (sameText(given, await accounts.csrf(who.key))) return;
      }
      throw new TwowattError(
        'unauthorized',
        'x-csrf-token: expected the csrf of GET /api/session',
        {
          param: 'x-csrf-token',
        },
      );
    },
  };
}
