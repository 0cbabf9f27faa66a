import { fileURLToPath } from 'node:url';
import { type Config, type LoadedConfig, readSecretFile } from '../config/index.ts';
import { type Clock, type Logger, packageVersion, toTwowattError } from '../core/index.ts';
import { createHttpGateway, type HttpGateway, type ServedModel } from '../gateway/http/index.ts';
import type { ModelFacts } from '../protocol/index.ts';

/** The page lies in `dist/`, also for a daemon that runs from its sources. */
const PAGE_FOLDER = fileURLToPath(new URL('../../dist/fleet/web', import.meta.url));

/** What a prompt may name: the board's model, then those of the cloud endpoints. */
export function servedModels(
  own: ModelFacts | null,
  endpoints: Config['cloud']['endpoints'],
): ServedModel[] {
  const names = new Set(own === null ? [] : [own.id]);
  const board = own === null ? [] : [{ id: own.id, endpoint: null, facts: own }];
  const cloud = endpoints.flatMap(({ name, model }) => {
    if (names.has(model)) return [];
    names.add(model);
    return [{ id: model, endpoint: name, facts: null }];
  });
  // While no model is known, no name is refused.
  return own === null ? [] : [...board, ...cloud];
}

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
      pageFolder: PAGE_FOLDER,
    },
    handlers: parts.handlers,
    logger: parts.logger.child({ room: 'http' }),
    clock: parts.clock,
  });
}

/**
 * Listens; null when HTTP is off, or when its default port is another's: nobody asked for that port, and
 * MQTT must be served all the same. A port that was chosen throws.
 */
export async function startHttp(
  http: HttpGateway | null,
  { origins }: LoadedConfig,
  logger: Logger,
): Promise<{ host: string; port: number } | null> {
  try {
    return (await http?.start()) ?? null;
  } catch (error) {
    const { message, param } = toTwowattError(error);
    if (param !== 'http.port' || origins['http.port'].source !== 'default') throw error;
    logger.error({ param }, `no HTTP: ${message}`);
    return null;
  }
}
