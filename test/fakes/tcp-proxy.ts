import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export type TcpProxy = {
  port: number;
  /** Connections that are open now. */
  connections(): number;
  /** Cuts every connection, as a lost radio link that comes back would. */
  cut(): void;
  /** Takes no bytes in either direction any more, but keeps the connections: half-open. */
  freeze(): void;
  thaw(): void;
  /** Stops reading what the client sends; its socket fills up. */
  stopReadingClient(): void;
  /** Bytes that came from clients. */
  receivedBytes(): number;
  close(): Promise<void>;
};

/** Stands between a client and a server on this machine and lets a test be the network. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<{ client: Socket; server: Socket }>();
  let frozen = false;
  let received = 0;
  /** Ends that came while frozen: a dead link tells neither side of the other's goodbye. */
  let untold: (() => void)[] = [];
  const listener = createServer({ noDelay: true }, (client) => {
    const server = connect({ host: '127.0.0.1', port: targetPort, noDelay: true });
    const pair = { client, server };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    client.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (!server.write(chunk)) client.pause();
    });
    server.on('drain', () => {
      if (!frozen) client.resume();
    });
    server.on('data', (chunk) => {
      if (!client.write(chunk)) server.pause();
    });
    client.on('drain', () => {
      if (!frozen) server.resume();
    });
    for (const socket of [client, server]) {
      socket.on('error', end);
      socket.on('close', () => {
        if (frozen) untold.push(end);
        else end();
      });
    }
    if (frozen) client.pause();
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  const each = (action: (pair: { client: Socket; server: Socket }) => void) => {
    for (const pair of pairs) action(pair);
  };
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connections: () => pairs.size,
    cut: () =>
      each(({ client, server }) => {
        client.destroy();
        server.destroy();
      }),
    freeze() {
      frozen = true;
      each(({ client, server }) => {
        client.pause();
        server.pause();
      });
    },
    thaw() {
      frozen = false;
      for (const end of untold) end();
      untold = [];
      each(({ client, server }) => {
        client.resume();
        server.resume();
      });
    },
    stopReadingClient: () => each(({ client }) => client.pause()),
    receivedBytes: () => received,
    async close() {
      each(({ client, server }) => {
        client.destroy();
        server.destroy();
      });
      listener.close();
      await once(listener, 'close');
    },
  };
}
