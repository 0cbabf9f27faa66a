import { createServer, type Server } from 'node:net';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSystemClock, silentLogger } from '../../../src/core/index.ts';
import {
  connectDevice,
  type DeviceClient,
  startEmbeddedBroker,
  UnreachableError,
} from '../../../src/gateway/mqtt/index.ts';
import { type Frame, nodeTopics } from '../../../src/protocol/index.ts';

const BASE = 'twowatt/v1';
const NODE = 'board';
const topics = nodeTopics(BASE, NODE);
const clock = createSystemClock();

type Received = { topic: string; body: Record<string, unknown> };

/** Plays the board: hands every prompt and cancel to the script, which publishes what it likes. */
async function connectBoard(
  url: string,
  script: (message: Received, reply: (frame: object) => void, board: MqttClient) => void,
): Promise<MqttClient> {
  const board = await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 50 });
  board.on('message', (topic, payload) => {
    const body = JSON.parse(payload.toString()) as Record<string, unknown>;
    const id = String(body['id']);
    const reply = (frame: object) =>
      void board.publish(topics.reply(id), JSON.stringify({ v: 1, id, node: NODE, ...frame }), {
        qos: 1,
      });
    script({ topic, body }, reply, board);
  });
  await board.subscribeAsync([topics.prompt, topics.cancel], { qos: 1 });
  return board;
}

describe('connectDevice', () => {
  let broker: Awaited<ReturnType<typeof startEmbeddedBroker>>;
  let board: MqttClient | undefined;
  let device: DeviceClient | undefined;
  beforeEach(async () => {
    broker = await startEmbeddedBroker({ port: 0, logger: silentLogger });
  });
  afterEach(async () => {
    await device?.close();
    await board?.endAsync(true);
    await broker.close();
    board = undefined;
    device = undefined;
  });

  const connectHere = () => connectDevice({ url: broker.url, baseTopic: BASE, node: NODE, clock });

  it('sends a streaming prompt and hands over its frames until the terminal one', async () => {
    const received: Received[] = [];
    board = await connectBoard(broker.url, (message, reply) => {
      received.push(message);
      reply({ type: 'accepted', queue_position: 0, eta_ms: null });
      reply({ type: 'delta', seq: 0, text: '你' });
      reply({ type: 'done', text: '你好' });
    });
    device = await connectHere();
    const frames: Frame[] = [];
    const end = await device.ask({
      prompt: { messages: [{ role: 'user', content: 'hi' }], seed: 1 },
      onFrame: (frame) => frames.push(frame),
    });
    expect(end).toMatchObject({ type: 'done', text: '你好' });
    expect(frames.map(({ type }) => type)).toEqual(['accepted', 'delta', 'done']);
    expect(received[0]?.body).toMatchObject({
      stream: true,
      seed: 1,
      messages: [{ role: 'user', content: 'hi' }],
    });
  });

  it('keeps answers apart and ignores what is no frame', async () => {
    board = await connectBoard(broker.url, ({ body }, reply, client) => {
      client.publish(topics.reply(String(body['id'])), 'not json');
      client.publish(topics.reply(String(body['id'])), 'null');
      reply({ type: 'done', text: `re ${String(body['prompt'])}` });
    });
    const client = await connectHere();
    device = client;
    const ask = (prompt: string) => client.ask({ prompt: { prompt } });
    const answers = await Promise.all(['a', 'b', 'c'].map(ask));
    expect(answers.map((answer) => answer.type === 'done' && answer.text)).toEqual([
      're a',
      're b',
      're c',
    ]);
  });

  it('returns an error frame as the answer that it is', async () => {
    board = await connectBoard(broker.url, (_message, reply) =>
      reply({ type: 'error', error: { code: 'queue_full', message: 'full', retryable: true } }),
    );
    device = await connectHere();
    expect(await device.ask({ prompt: { prompt: 'x' } })).toMatchObject({
      type: 'error',
      error: { code: 'queue_full' },
    });
  });

  it('cancels on the board and returns what the board makes of it', async () => {
    const interrupt = new AbortController();
    let asked: unknown;
    board = await connectBoard(broker.url, ({ topic, body }, reply) => {
      if (topic === topics.prompt) {
        asked = body['id'];
        reply({ type: 'delta', seq: 0, text: 'par' });
      } else if (body['id'] === asked) {
        reply({ type: 'done', text: 'par', finish_reason: 'cancelled' });
      }
    });
    device = await connectHere();
    const end = await device.ask({
      prompt: { prompt: 'x' },
      signal: interrupt.signal,
      onFrame: (frame) => {
        if (frame.type === 'delta') interrupt.abort();
      },
    });
    expect(end).toMatchObject({ type: 'done', finish_reason: 'cancelled' });
  });

  it('sends nothing when it was cancelled before', async () => {
    const received: Received[] = [];
    board = await connectBoard(broker.url, (message) => received.push(message));
    device = await connectHere();
    const end = await device.ask({ prompt: { prompt: 'x' }, signal: AbortSignal.abort() });
    expect(end).toMatchObject({ type: 'error', error: { code: 'cancelled' } });
    await board.publishAsync(topics.cancel, '{"id":"mark"}', { qos: 1 });
    expect(received.filter(({ topic }) => topic === topics.prompt)).toEqual([]);
  });

  it('names the topic and the node when nothing answers', async () => {
    device = await connectHere();
    const failure = await device
      .ask({ prompt: { prompt: 'x' }, silenceMs: 100 })
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UnreachableError);
    expect(String(failure)).toMatch(/nothing answered on topic twowatt\/v1\/board\/reply\//);
    expect(String(failure)).toMatch(/is the daemon of node "board" running/);
  });

  it('asks again with the same id when the broker was away, and gets the stored answer', async () => {
    const ids: unknown[] = [];
    board = await connectBoard(broker.url, ({ body }, reply) => {
      ids.push(body['id']);
      if (ids.length === 1) reply({ type: 'accepted', queue_position: 0, eta_ms: null });
      else reply({ type: 'done', text: 'stored' });
    });
    device = await connectHere();
    const { promise: accepted, resolve: onAccepted } = Promise.withResolvers<void>();
    const answer = device.ask({ prompt: { prompt: 'x' }, onFrame: () => onAccepted() });
    await accepted;
    const { port } = broker;
    await broker.close();
    broker = await startEmbeddedBroker({ port, logger: silentLogger });
    expect(await answer).toMatchObject({ type: 'done', text: 'stored' });
    expect(new Set(ids).size).toBe(1);
  });

  it('reads the retained state, and does without one', async () => {
    device = await connectHere();
    expect(await device.nodeState(50)).toBeUndefined();
    board = await connectBoard(broker.url, () => undefined);
    const state = { state: 'offline', since: null, instance: 'i' };
    await board.publishAsync(topics.state, JSON.stringify(state), { qos: 1, retain: true });
    expect(await device.nodeState(5000)).toEqual(state);
  });
});

describe('a broker that cannot be reached', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  const attempt = (url: string) =>
    connectDevice({ url, baseTopic: BASE, node: NODE, clock, connectTimeoutMs: 200 }).catch(
      (error: unknown) => String(error),
    );

  it('is named, with what to look at', async () => {
    const broker = await startEmbeddedBroker({ port: 0, logger: silentLogger });
    await broker.close();
    expect(await attempt(broker.url)).toMatch(/nothing listens at 127\.0\.0\.1:\d+/);
  });

  it('may be something that is no broker', async () => {
    server = createServer(() => undefined);
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    expect(await attempt(`mqtt://127.0.0.1:${port}`)).toMatch(/does not answer MQTT/);
  });

  it('may be no URL at all', async () => {
    expect(await attempt('gateway.local')).toMatch(/no broker URL; expected one such as mqtt:/);
    expect(await attempt('http://gateway.local')).toMatch(
      /no broker URL; expected one such as mqtt:/,
    );
  });
});
