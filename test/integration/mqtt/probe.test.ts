import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { connectAsync } from 'mqtt';
import { afterEach, describe, expect, it } from 'vitest';
import { createSystemClock } from '../../../src/core/index.ts';
import { type BrokerLook, probeBroker } from '../../../src/gateway/mqtt/index.ts';
import { freePort, mosquittoAvailable, startAedes, startMosquitto } from '../../fakes/brokers.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

const probe = (url: string, timeoutMs = 5_000): Promise<BrokerLook> =>
  probeBroker({
    url,
    baseTopic: 'twowatt/v1',
    node: 'board',
    clock: createSystemClock(),
    timeoutMs,
  });

/** A server that takes connections and does `onSocket` with them. */
async function listen(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return `mqtt://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}

describe.skipIf(!mosquittoAvailable())('a look at Mosquitto', () => {
  it('names version and server, reads what is retained of the node, and leaves nothing', async () => {
    const broker = await startMosquitto();
    undo.push(() => broker.close());
    const client = await connectAsync(broker.url);
    undo.push(() => client.endAsync());
    const seen: string[] = [];
    client.on('message', (topic) => seen.push(topic));
    await client.subscribeAsync('#');
    await client.publishAsync('twowatt/v1/board/state', '{"state":"online"}', { retain: true });
    const look = await probe(broker.url);
    expect(look).toMatchObject({
      ok: true,
      protocol: 5,
      server: expect.stringContaining('mosquitto') as string,
      retained: { state: '{"state":"online"}', info: null, health: null },
    });
    // No Last Will, nothing published: the only message is the test's own.
    expect(seen).toEqual(['twowatt/v1/board/state']);
  });

  it('tells being refused from being alone', async () => {
    const broker = await startMosquitto({ allowAnonymous: false });
    undo.push(() => broker.close());
    expect(await probe(broker.url)).toMatchObject({
      ok: false,
      unreachable: false,
      message: expect.stringMatching(/mqtt\.username/) as string,
    });
  });
});

describe('a look at other brokers', () => {
  it('falls back to 3.1.1', async () => {
    const broker = await startAedes();
    undo.push(() => broker.close());
    expect(await probe(broker.url)).toMatchObject({ ok: true, protocol: 4 });
  });

  it('says that nobody is there', async () => {
    expect(await probe(`mqtt://127.0.0.1:${await freePort()}`)).toMatchObject({
      ok: false,
      unreachable: true,
      message: expect.stringContaining('nothing listens') as string,
    });
  });

  it('gives up on one that takes the connection and is silent', async () => {
    const url = await listen(() => undefined);
    expect(await probe(url, 100)).toMatchObject({
      ok: false,
      unreachable: true,
      message: expect.stringContaining('did not answer within 0.1 s') as string,
    });
  });

  it('bears one that hangs up, and one that speaks something else', async () => {
    const closing = await listen((socket) => socket.end());
    expect(await probe(closing)).toMatchObject({ ok: false, unreachable: true });
    const http = await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await probe(http)).toMatchObject({ ok: false });
  });

  it('refuses a URL that the daemon could not use', async () => {
    await expect(probe('ws://127.0.0.1:1')).rejects.toThrow(/mqtt:\/\/host:port/);
  });
});
