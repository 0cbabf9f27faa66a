import type { EventEmitter } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { isErrno, type Logger, TwowattError } from '../../core/index.ts';
import { createPacketSizeGuard } from './packet-size-guard.ts';
import { boundPersistence, type SessionPersistence } from './session-bounds.ts';

export type EmbeddedBroker = { url: string; port: number; close(): Promise<void> };

export type EmbeddedBrokerOptions = {
  /** Default 127.0.0.1: this broker knows no passwords. */
  host?: string;
  /** 0 takes a free one. */
  port: number;
  /** A client that sends a larger packet is cut off. Default 1 MiB. */
  maxPacketBytes?: number;
  /** Further connections are closed at once. Default 64. */
  maxConnections?: number;
  logger: Logger;
};

const DEFAULT_MAX_PACKET_BYTES = 1024 * 1024;
const DEFAULT_MAX_CONNECTIONS = 64;
/** aedes lets publishers wait for a reader whose socket is full; after this time it is cut off. */
const SLOW_READER_MS = 10_000;

/**
 * A broker in this process, for `demo` and for boards without one: aedes, MQTT 3.1.1 only, without
 * shared subscriptions, passwords or persistence: what waits for a client that is away is lost when
 * the process ends. aedes itself bounds neither packets nor what it queues, so that is done here.
 * Throws `invalid_request` (param `mqtt.url`) when the port is taken.
 */
export async function startEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  const host = options.host ?? '127.0.0.1';
  const maxPacketBytes = options.maxPacketBytes ?? DEFAULT_MAX_PACKET_BYTES;
  const { logger } = options;
  // Some megabytes that a board with a broker of its own should not pay for.
  const { Aedes } = await import('aedes');
  const aedes = await Aedes.createBroker({ drainTimeout: SLOW_READER_MS });
  // Its types leave out the persistence and the error event.
  boundPersistence((aedes as unknown as { persistence: SessionPersistence }).persistence, logger);
  aedes.on('clientError', (client, error) => {
    logger.debug({ client: client.id, error: error.message }, 'embedded broker: client error');
  });
  aedes.on('connectionError', (_client, error) => {
    logger.debug({ error: error.message }, 'embedded broker: connection error');
  });
  (aedes as EventEmitter).on('error', (error: Error) => {
    logger.error({ error: error.message }, 'embedded broker: error');
  });

  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    refuseLargePackets(socket, maxPacketBytes, logger);
    aedes.handle(socket);
  });
  server.maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS;

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, host, resolve);
  }).catch(async (error: unknown) => {
    await new Promise<void>((resolve) => aedes.close(resolve));
    if (!isErrno(error, 'EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL')) throw error;
    throw new TwowattError(
      'invalid_request',
      `the embedded broker cannot listen on ${host}:${options.port} (${error.code}); choose another port in mqtt.url`,
      { param: 'mqtt.url', cause: error },
    );
  });
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : options.port;
  return {
    url: `mqtt://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => aedes.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/**
 * aedes gathers a packet whole before it looks at it, up to 256 MiB. It takes bytes off the socket
 * by `read` alone (lib/client.js), so a look at them there is enough.
 */
function refuseLargePackets(socket: Socket, maxPacketBytes: number, logger: Logger): void {
  const guard = createPacketSizeGuard(maxPacketBytes);
  const read = socket.read.bind(socket);
  socket.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    if (chunk instanceof Buffer && !guard.accepts(chunk)) {
      logger.warn(
        { maxPacketBytes },
        'embedded broker: cut off a client that sent a larger packet',
      );
      socket.destroy();
      return null;
    }
    return chunk;
  };
}
