import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TwowattError } from '../../../src/core/index.ts';
import type { TestBroker } from '../../fakes/brokers.ts';
import { startTcpProxy } from '../../fakes/tcp-proxy.ts';
import {
  answer,
  BASE,
  connectTestDevice,
  createTestNode,
  flavours,
  liveBufferBytes,
  quiet,
  type TestDevice,
  type TestNode,
  type TestNodeOptions,
  TOPIC,
  until,
} from './support.ts';

describe.each(flavours())('gateway on $name', ({ protocol, start, aedes }) => {
  let broker: TestBroker;
  let device: TestDevice;
  const nodes: TestNode[] = [];

  const node = (options: TestNodeOptions = {}, url = broker.url): TestNode => {
    const created = createTestNode(url, { protocol, ...options });
    nodes.push(created);
    return created;
  };
  const stateNow = () => device.on(`${TOPIC}/state`).at(-1)?.text ?? '';

  beforeEach(async () => {
    broker = await start();
    device = await connectTestDevice(broker.url, protocol);
  });
  afterEach(async () => {
    for (const { gateway } of nodes.splice(0)) await gateway.close(2000);
    await device.close();
    await broker.close();
  });

  it('publishes state, info and health as retained messages', async () => {
    const board = node();
    board.gateway.publishHealth([]);
    await board.online();
    const features = protocol === 5 ? ['x', 'mqtt5'] : ['x'];
    board.gateway.publishInfo({
      version: '1',
      node: 'board',
      model: null,
      profile: 'generic',
      limits: { max_payload_bytes: 1, context_tokens: 1, max_depth: 1, receive_maximum: 1 },
      features: ['x'],
      config_schema_version: 1,
    });
    await until(() => device.on(`${TOPIC}/info`).length === 1, 'the info');
    expect(JSON.parse(stateNow())).toMatchObject({ state: 'online', since: expect.any(String) });

    const late = await connectTestDevice(broker.url, protocol);
    await until(() => late.received.length === 3, 'the retained messages');
    expect(late.received.every(({ packet }) => packet.retain)).toBe(true);
    expect(JSON.parse(late.on(`${TOPIC}/info`)[0]?.text ?? '')).toMatchObject({ features });
    expect(late.on(`${TOPIC}/health`)[0]?.text).toBe('[]');
    await late.close();
  });

  it('hands over prompts in order, one at a time, with where the answers go', async () => {
    let running = 0;
    const board = node({
      async onPrompt() {
        running += 1;
        expect(running).toBe(1);
        await quiet(2);
        running -= 1;
      },
    });
    await board.online();
    for (let index = 0; index < 30; index += 1) await device.send(`${TOPIC}/prompt`, `p${index}`);
    await device.send(`${TOPIC}/prompt/text`, 'plain');
    await until(() => board.prompts.length === 31, 'the prompts');
    expect(board.texts()).toEqual([...Array.from({ length: 30 }, (_, i) => `p${i}`), 'plain']);
    const [first] = board.prompts;
    expect(first).toMatchObject({ format: 'frames', payloadBytes: 2, redelivered: false });
    expect(first?.defaultReplyTopic('x')).toBe(`${TOPIC}/reply/x`);
    expect(first?.invalidReplyTopic).toBe(`${TOPIC}/reply/invalid`);
    const plain = board.prompts.at(-1);
    expect(plain).toMatchObject({ format: 'text', invalidReplyTopic: `${TOPIC}/reply/text` });
    expect(plain?.defaultReplyTopic('x')).toBe(`${TOPIC}/reply/text`);
  });

  it('acknowledges only after the handler is through: cut before, the prompt comes again', async () => {
    const proxy = await startTcpProxy(broker.port);
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const board = node({ onPrompt: () => held }, `mqtt://127.0.0.1:${proxy.port}`);
    await board.online();
    await device.send(`${TOPIC}/prompt`, 'once');
    await until(() => board.prompts.length === 1, 'the prompt');
    proxy.cut();
    await until(() => board.connections.includes('disconnected'), 'the cut');
    release();
    await until(() => board.prompts.length === 2, 'the prompt again');
    expect(board.texts()).toEqual(['once', 'once']);
    expect(board.prompts[1]?.packetId).toBe(board.prompts[0]?.packetId);
    // aedes does not set DUP.
    expect(board.prompts.map(({ redelivered }) => redelivered)).toEqual([false, !aedes]);
    await quiet();
    proxy.cut();
    await until(
      () => board.connections.filter((s) => s === 'connected').length === 3,
      'the return',
    );
    await quiet();
    expect(board.prompts).toHaveLength(2);
    await board.gateway.close(1000);
    await proxy.close();
  });

  it('acknowledges also when the handler fails', async () => {
    const board = node({
      onPrompt: () => Promise.reject(new Error('disk on fire')),
    });
    await board.online();
    await device.send(`${TOPIC}/prompt`, 'bad');
    await until(() => board.logs.some(({ level }) => level === 'error'), 'the complaint');
    await board.gateway.close(1000);
    const again = node();
    await again.online();
    await quiet();
    expect(again.prompts).toEqual([]);
  });

  it('reads acknowledgements, pings and requests while a prompt is being held', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const board = node({ onPrompt: () => held, keepaliveS: 1 });
    await board.online();
    await device.send(`${TOPIC}/prompt`, 'slow');
    await until(() => board.prompts.length === 1, 'the prompt');
    expect(await board.gateway.deliver(answer(`${TOPIC}/reply/a`, 'x'))).toBe(true);
    await device.send(`${TOPIC}/request/ping`, '{"transaction":1}');
    await until(() => device.on(`${TOPIC}/response/ping`).length === 1, 'the response');
    // Longer than one and a half keepalives, after which mqtt.js gives a silent broker up.
    await quiet(2500);
    expect(board.connections).toEqual(['connected']);
    release();
  });

  it('stays connected when the line of prompts is full for longer than a keepalive', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const board = node({ onPrompt: () => held, keepaliveS: 1, receiveMaximum: 2 });
    await board.online();
    await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        device.send(`${TOPIC}/prompt`, `${i}`, { qos: i % 2 === 0 ? 1 : 0 }),
      ),
    );
    await quiet(3000);
    expect(board.connections).toEqual(['connected']);
    release();
    await until(() => board.prompts.length === 40, 'the rest');
  });

  it('has no more than Receive Maximum prompts in hand', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const proxy = await startTcpProxy(broker.port);
    const board = node(
      { onPrompt: () => held, receiveMaximum: 3 },
      `mqtt://127.0.0.1:${proxy.port}`,
    );
    await board.online();
    await Promise.all(Array.from({ length: 30 }, (_, i) => device.send(`${TOPIC}/prompt`, `${i}`)));
    await quiet();
    expect(board.prompts).toHaveLength(1);
    // What is in hand when we close is the broker's to keep: only the first was begun.
    const closing = board.gateway.close(5000);
    release();
    await closing;
    await proxy.close();
    const again = node();
    await again.online();
    await until(() => again.prompts.length === 29, 'the other prompts');
    expect(new Set(again.texts()).size).toBe(29);
    expect(again.texts()).not.toContain('0');
  });

  it('gets what was sent while it was away', async () => {
    const board = node();
    await board.online();
    await board.gateway.close(1000);
    await until(() => stateNow().includes('offline'), 'the goodbye');
    for (let index = 0; index < 5; index += 1) await device.send(`${TOPIC}/prompt`, `w${index}`);
    const again = node();
    await again.online();
    await until(() => again.prompts.length === 5, 'the prompts');
    expect(again.texts()).toEqual(['w0', 'w1', 'w2', 'w3', 'w4']);
  });

  it('ignores retained prompts and requests', async () => {
    await device.send(`${TOPIC}/prompt`, 'old', { retain: true });
    await device.send(`${TOPIC}/request/restart`, '{}', { retain: true });
    const board = node();
    await board.online();
    await quiet();
    expect(board.prompts).toEqual([]);
    expect(board.verbs).toEqual([]);
  });

  it('cancels in order with the prompts, and ignores what is no cancel', async () => {
    const seen: string[] = [];
    const board = node({
      async onPrompt() {
        await quiet(50);
        seen.push('prompt');
      },
    });
    await board.online();
    await device.send(`${TOPIC}/prompt`, 'x');
    await device.send(`${TOPIC}/cancel`, '{"id":"x"}');
    for (const bad of ['', '{', '[]', '{"id":7}', '\xff']) {
      await device.send(`${TOPIC}/cancel`, Buffer.from(bad, 'latin1'));
    }
    await device.send(`${TOPIC}/cancel`, '{"id":"y"}');
    await until(() => board.cancels.length === 2, 'the cancels');
    expect(seen).toEqual(['prompt']);
    expect(board.cancels).toEqual(['x', 'y']);
  });

  it('answers requests with their transaction', async () => {
    const board = node({
      async onVerb(verb, args) {
        if (verb === 'drain') throw new TwowattError('draining', 'already', { param: 'p' });
        if (verb === 'resume') throw new Error('unexpected');
        return { got: args };
      },
    });
    await board.online();
    const ask = async (verb: string, payload: string) => {
      const before = device.on(`${TOPIC}/response/${verb}`).length;
      await device.send(`${TOPIC}/request/${verb}`, payload);
      await until(() => device.on(`${TOPIC}/response/${verb}`).length > before, verb);
      return JSON.parse(device.on(`${TOPIC}/response/${verb}`).at(-1)?.text ?? '') as unknown;
    };
    expect(await ask('ping', '{"transaction":{"a":1},"b":2}')).toEqual({
      transaction: { a: 1 },
      status: 'ok',
      data: { got: { b: 2 } },
    });
    expect(await ask('drain', '{"transaction":"t"}')).toMatchObject({
      transaction: 't',
      status: 'error',
      error: { code: 'draining', message: 'already', param: 'p' },
    });
    expect(await ask('resume', '{}')).toMatchObject({
      transaction: null,
      error: { code: 'internal' },
    });
    expect(await ask('dance', '{"transaction":5}')).toMatchObject({
      transaction: 5,
      error: { code: 'unsupported' },
    });
    expect(await ask('ping', 'nonsense')).toMatchObject({ error: { code: 'invalid_request' } });
    expect(await ask('ping', '[1]')).toMatchObject({ error: { code: 'invalid_request' } });
    expect(await ask('ping', `{"x":"${'y'.repeat(70_000)}"}`)).toMatchObject({
      error: { code: 'payload_too_large' },
    });
  });

  it('delivers answers, and says so only when the broker has them', async () => {
    const board = node();
    expect(await board.gateway.deliver(answer(`${TOPIC}/reply/a`, 'x'))).toBe(false);
    await board.online();
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        board.gateway.deliver(answer(`${TOPIC}/reply/${i}`, `${i}`)),
      ),
    );
    expect(outcomes.every(Boolean)).toBe(true);
    await until(
      () => device.received.filter((m) => m.topic.includes('/reply/')).length === 300,
      'all',
    );
    // Topics that would make a broker hang up are given up, not retried for ever.
    expect(await board.gateway.deliver(answer('a/#', 'x'))).toBe(true);
    expect(await board.gateway.deliver(answer('', 'x'))).toBe(true);
    expect(board.connections).toEqual(['connected']);
  });

  it('says false for an answer whose acknowledgement never came', async () => {
    const proxy = await startTcpProxy(broker.port);
    const board = node({}, `mqtt://127.0.0.1:${proxy.port}`);
    await board.online();
    proxy.freeze();
    const delivered = board.gateway.deliver(answer(`${TOPIC}/reply/a`, 'x'));
    await quiet(50);
    proxy.cut();
    expect(await delivered).toBe(false);
    await board.gateway.close(1000);
    await proxy.close();
  });

  it('drops deltas while nobody takes them, in bounded memory', async () => {
    const proxy = await startTcpProxy(broker.port);
    const board = node({}, `mqtt://127.0.0.1:${proxy.port}`);
    await board.online();
    const payload = 'd'.repeat(1024);
    board.gateway.trySend(answer(`${TOPIC}/reply/a`, payload));
    await until(() => device.on(`${TOPIC}/reply/a`).length === 1, 'a delta');
    proxy.stopReadingClient();
    const before = liveBufferBytes();
    for (let index = 0; index < 100_000; index += 1) {
      board.gateway.trySend(answer(`${TOPIC}/reply/a`, payload));
    }
    // 100 MB were offered. The socket's buffers are all that may stay.
    expect(liveBufferBytes() - before).toBeLessThan(4_000_000);
    proxy.cut();
    await quiet();
    expect(proxy.receivedBytes()).toBeLessThan(20_000_000);
    await board.gateway.close(1000);
    await proxy.close();
  });

  it('leaves its Last Will when it dies, and says online again when it is back', async () => {
    const proxy = await startTcpProxy(broker.port);
    const board = node({}, `mqtt://127.0.0.1:${proxy.port}`);
    await board.online();
    await until(() => stateNow().includes('online'), 'online');
    proxy.cut();
    await until(
      () => device.on(`${TOPIC}/state`).some(({ text }) => text.includes('offline')),
      'the Last Will',
    );
    const offline = device.on(`${TOPIC}/state`).find(({ text }) => text.includes('offline'));
    expect(JSON.parse(offline?.text ?? '')).toMatchObject({ state: 'offline', since: null });
    await until(() => stateNow().includes('online'), 'online again');
    await board.gateway.close(1000);
    await until(
      () => JSON.parse(stateNow()).since !== null && stateNow().includes('offline'),
      'bye',
    );
    await proxy.close();
  });

  it('says online again when a late Last Will overwrote it', async () => {
    const board = node();
    await board.online();
    await until(() => stateNow().includes('online'), 'online');
    await device.send(`${TOPIC}/state`, '{"state":"offline","since":null,"instance":"old"}', {
      retain: true,
    });
    await until(() => device.on(`${TOPIC}/state`).length >= 3, 'the correction');
    expect(stateNow()).toContain('online');
    await device.send(`${TOPIC}/state`, 'rubbish');
    expect(board.duplicates).toEqual([]);
  });

  it('notices another node of its id, and neither of them fights for it', async () => {
    const first = node();
    await first.online();
    const second = node();
    await second.online();
    await until(
      () => first.duplicates.length > 0 || second.duplicates.length > 0,
      'the report',
      60_000,
    );
    const attempts = () => first.connections.length + second.connections.length;
    expect(attempts()).toBeLessThan(20);
    const before = attempts();
    await quiet(3000);
    // With 16 s and more between attempts by then, a few seconds see next to none.
    expect(attempts() - before).toBeLessThan(8);
  }, 90_000);

  it('takes a storm of a thousand prompts in bounded memory', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    // aedes lets every publisher wait for its slowest reader, so there nothing is held up.
    const board = node(aedes ? {} : { onPrompt: () => held });
    await board.online();
    // It would receive the storm as well.
    await device.client.unsubscribeAsync(`${BASE}/#`);
    const before = liveBufferBytes();
    for (let round = 0; round < 20; round += 1) {
      const payload = Buffer.alloc(20_000, `${round} `);
      await Promise.all(Array.from({ length: 50 }, () => device.send(`${TOPIC}/prompt`, payload)));
    }
    await quiet();
    if (!aedes) {
      expect(board.prompts).toHaveLength(1);
      // 20 MB wait at Mosquitto.
      expect(liveBufferBytes() - before).toBeLessThan(5_000_000);
    }
    release();
    await until(() => board.prompts.length === 1000, 'the storm', 60_000);
    expect(board.connections).toEqual(['connected']);
  }, 90_000);

  it('cuts a huge payload but tells its size', async () => {
    const board = node();
    await board.online();
    const size = protocol === 4 ? 900_000 : 5_000_000;
    await device.send(`${TOPIC}/prompt`, Buffer.alloc(size, 'x'));
    await until(() => board.prompts.length === 1, 'the prompt');
    expect(board.prompts[0]).toMatchObject({ payloadBytes: size });
    expect(board.prompts[0]?.payload.length).toBe(65_537);
    expect(board.prompts[0]?.payload.buffer.byteLength).toBeLessThan(200_000);
  });

  it('sends telemetry, one at a time and never retained', async () => {
    const board = node();
    await board.online();
    // The gateway does not look into it.
    const telemetry = { v: 1, uptime_s: 3 } as Parameters<typeof board.gateway.publishTelemetry>[0];
    void board.gateway.publishTelemetry(telemetry);
    expect(await board.gateway.publishTelemetry(telemetry)).toBe('lost');
    await until(() => device.on(`${TOPIC}/telemetry`).length === 1, 'telemetry');
    await quiet();
    expect(device.on(`${TOPIC}/telemetry`)).toHaveLength(1);
    const late = await connectTestDevice(broker.url, protocol);
    await quiet();
    expect(late.on(`${TOPIC}/telemetry`)).toEqual([]);
    await late.close();
  });

  it('says draining, and online again', async () => {
    const board = node();
    await board.online();
    board.gateway.publishState('draining');
    await until(() => stateNow().includes('draining'), 'draining');
    board.gateway.publishState('online');
    await until(() => stateNow().includes('online'), 'online');
  });
});
