import type { Server } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { isErrno, TwowattError } from '../../core/index.ts';

/** More connections than this are closed unheard: each costs memory, and a board serves few clients. */
export const MAX_CONNECTIONS = 128;

export type Listener = {
  /** Resolves to the address. Throws `invalid_request` when it cannot be had. */
  start(): Promise<{ host: string; port: number }>;
  /** Closes to new connections; resolves when all are gone. `cut` ends them at once. */
  close(): Promise<void>;
  cut(): void;
};

/**
 * Listens with a bare socket and loads the web server when the first connection comes: Node's HTTP
 * code and fastify together keep 7 MB resident (docs/decisions/0005-http-gateway.md). The server
 * then takes the listening handle over; sockets that came before wait unread.
 */
export function createLazyListener(options: {
  host: string;
  port: number;
  /** A server that does not listen yet. */
  load: () => Promise<Server>;
  onFailure: (error: unknown) => void;
}): Listener {
  const { host, port } = options;
  const early = new Set<Socket>();
  let loading: Promise<void> | undefined;
  let server: Server | undefined;
  let closed = false;

  const bare = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
    early.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => early.delete(socket));
    loading ??= adopt().catch((error: unknown) => {
      options.onFailure(error);
      for (const waiting of early) waiting.destroy();
      loading = undefined;
    });
  });
  bare.maxConnections = MAX_CONNECTIONS;

  async function adopt(): Promise<void> {
    const loaded = await options.load();
    if (closed) return;
    loaded.maxConnections = MAX_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      loaded.once('error', reject);
      loaded.listen(bare, () => resolve());
    });
    server = loaded;
    for (const socket of early) {
      loaded.emit('connection', socket);
      socket.resume();
    }
    early.clear();
  }

  return {
    start() {
      return new Promise((resolve, reject) => {
        bare.once('error', (error) => reject(cannotListen(error, host, port)));
        bare.listen(port, host, () => {
          const address = bare.address();
          resolve({ host, port: typeof address === 'object' && address ? address.port : port });
        });
      });
    },
    async close() {
      closed = true;
      await loading;
      for (const socket of early) socket.destroy();
      // With a server, the handle is the server's: closing it closes the port.
      const open = server ?? bare;
      if (!open.listening) return;
      await new Promise<void>((resolve) => {
        open.close(() => resolve());
        server?.closeIdleConnections();
      });
    },
    cut() {
      server?.closeAllConnections();
    },
  };
}

function cannotListen(error: unknown, host: string, port: number): TwowattError {
  const refuse = (param: string, text: string) =>
    new TwowattError('invalid_request', `${param}: ${text}`, { param, cause: error });
  if (isErrno(error, 'EADDRINUSE')) {
    return refuse(
      'http.port',
      `another program listens on ${host}:${port}; choose another port, or set http.enabled to false`,
    );
  }
  if (isErrno(error, 'EACCES')) {
    return refuse('http.port', `this user may not listen on port ${port}; choose one from 1024 on`);
  }
  const reason = error instanceof Error ? error.message : String(error);
  return refuse('http.host', `cannot listen on ${host}:${port} (${reason})`);
}
