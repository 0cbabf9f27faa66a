import { Agent, request } from 'undici';
import type { Transport, TransportResponse } from './types.ts';

/** Beyond what servers commonly keep, a pooled connection would be closed just as it is used. */
const KEEP_ALIVE_MS = 4000;

function plainHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): TransportResponse['headers'] {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  );
}

/** Real HTTP. Each base URL has a pool of its own, so that one slow server holds up nobody else's connections. */
export function createHttpTransport(): Transport {
  const agents = new Map<string, Agent>();
  return {
    async post(call, signal) {
      const key = `${new URL(call.url).origin} ${call.connectTimeoutMs} ${call.maxConnections}`;
      let agent = agents.get(key);
      if (agent === undefined) {
        agent = new Agent({
          connections: call.maxConnections,
          pipelining: 1,
          keepAliveTimeout: KEEP_ALIVE_MS,
          connect: { timeout: call.connectTimeoutMs },
          // The waits for tokens are measured by the injected clock instead.
          headersTimeout: 0,
          bodyTimeout: 0,
        });
        agents.set(key, agent);
      }
      const response = await request(call.url, {
        method: 'POST',
        headers: call.headers,
        body: call.body,
        signal,
        dispatcher: agent,
      });
      return {
        status: response.statusCode,
        headers: plainHeaders(response.headers),
        body: response.body,
      };
    },
    async close() {
      await Promise.all([...agents.values()].map((agent) => agent.destroy()));
      agents.clear();
    },
  };
}
