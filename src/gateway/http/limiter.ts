import { isIP } from 'node:net';
import type { Clock } from '../../core/index.ts';

/** Addresses that are remembered; beyond it the one that was heard longest ago is forgotten. */
const MOST_CLIENTS = 1024;

export type Limiter = {
  /** Counts one request; null lets it pass, else milliseconds until one will. */
  take(client: string): number | null;
};

/** Groups of 16 bits that name a network. */
const NETWORK_GROUPS = 4;

/**
 * Whom an address belongs to: itself, or the network of an IPv6 address (RFC 4291: a host has 64 bits of
 * its own and may take a new address for each request).
 */
export function clientOf(address: string): string {
  const bare = address.replace(/%.*$/, '');
  if (isIP(bare) !== 6) return address;
  const mapped = /^::ffff:([\d.]+)$/i.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail] = bare.toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  const groups = [...before, ...(tail === undefined ? [] : zeros), ...after];
  return `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`;
}

/**
 * A token bucket per client: a minute's worth of requests may come at once, after that they come at
 * the steady rate. `requestsPerMinute` 0 lets everything pass.
 */
export function createLimiter(requestsPerMinute: number, clock: Clock): Limiter {
  const perMs = requestsPerMinute / 60_000;
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return {
    take(client) {
      if (requestsPerMinute === 0) return null;
      const now = clock.monotonicMs();
      const known = buckets.get(client) ?? { tokens: requestsPerMinute, atMs: now };
      const tokens = Math.min(requestsPerMinute, known.tokens + (now - known.atMs) * perMs);
      const passes = tokens >= 1;
      // Set anew, so that the map's order is the order of last use.
      buckets.delete(client);
      buckets.set(client, { tokens: passes ? tokens - 1 : tokens, atMs: now });
      const [oldest] = buckets.keys();
      if (buckets.size > MOST_CLIENTS && oldest !== undefined) buckets.delete(oldest);
      return passes ? null : (1 - tokens) / perMs;
    },
  };
}
