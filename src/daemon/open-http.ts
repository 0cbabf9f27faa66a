import { type Config, readSecretFile } from '../config/index.ts';
import { type Clock, type Logger, packageVersion } from '../core/index.ts';
import { createHttpGateway, type HttpGateway } from '../gateway/http/index.ts';

/** The HTTP gateway as configured, not yet listening; null when it is switched off. */
export function openHttp(parts: {
  config: Config;
  instance: string;
  handlers: Parameters<typeof createHttpGateway>[0]['handlers'];
  logger: Logger;
  clock: Clock;
}): HttpGateway | null {
  const { http, node, queue } = parts.config;
  if (!http.enabled) return null;
  return createHttpGateway({
    options: {
      host: http.host,
      port: http.port,
      node: node.id,
      version: packageVersion(),
      instance: parts.instance,
      token:
        http.token_file === ''
          ? undefined
          : readSecretFile(http.token_file, { key: 'http.token_file', env: process.env }),
      allowedHosts: http.allowed_hosts,
      requestsPerMinute: http.requests_per_minute,
      maxPayloadBytes: queue.max_payload_bytes,
    },
    handlers: parts.handlers,
    logger: parts.logger.child({ room: 'http' }),
    clock: parts.clock,
  });
}
