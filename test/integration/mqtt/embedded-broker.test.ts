import { afterEach, describe, expect, it } from 'vitest';
import { TwowattError } from '../../../src/core/index.ts';
import { freePort, startAedes } from '../../fakes/brokers.ts';
import { startTcpProxy } from '../../fakes/tcp-proxy.ts';
import { answer, connectTestDevice, createTestNode, quiet, TOPIC, until } from './support.ts';

describe('embedded broker', () => {
  const cleanUp: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of cleanUp.splice(0).reverse()) await step();
  });

  it('takes a free port on the loopback, and gives it back', async () => {
    const broker = await startAedes();
    expect(broker.url).toBe(`mqtt://127.0.0.1:${broker.port}`);
    const device = await connectTestDevice(broker.url, 4);
    await broker.close();
    await device.close();
    const again = await startAedes(broker.port);
    await again.close();
  });

  it('says which port is taken', async () => {
    const broker = await startAedes();
    cleanUp.push(() => broker.close());
    const second = startAedes(broker.port);
    await expect(second).rejects.toThrow(TwowattError);
    await expect(second).rejects.toThrow(`${broker.port}`);
  });

  it('makes the gateway fall back to MQTT 3.1.1', async () => {
    const broker = await startAedes();
    cleanUp.push(() => broker.close());
    const board = createTestNode(broker.url, { pools: ['hall'] });
    cleanUp.push(() => board.gateway.close(1000));
    await board.online();
    expect(board.gateway.protocol()).toBe(4);
    // No promise of shared subscriptions there, and a warning that says so.
    expect(board.logs.some(({ message }) => message.includes('shared subscriptions'))).toBe(true);
    const device = await connectTestDevice(broker.url, 4);
    cleanUp.push(() => device.close());
    expect(await board.gateway.deliver(answer(`${TOPIC}/reply/a`, 'x'))).toBe(true);
    await until(() => device.on(`${TOPIC}/reply/a`).length === 1, 'the answer');
  });

  it('cuts off whoever sends a packet that is too large, and serves the others', async () => {
    const broker = await startAedes();
    cleanUp.push(() => broker.close());
    const good = await connectTestDevice(broker.url, 4);
    const bad = await connectTestDevice(broker.url, 4, { reconnectPeriod: 0 });
    cleanUp.push(() => good.close());
    const gone = new Promise<void>((resolve) => {
      bad.client.once('close', () => resolve());
    });
    bad.client.publish(`${TOPIC}/prompt`, Buffer.alloc(3_000_000));
    await gone;
    await good.send(`${TOPIC}/reply/a`, 'fine');
    await until(() => good.on(`${TOPIC}/reply/a`).length === 1, 'the other client');
    expect(good.on(`${TOPIC}/prompt`)).toEqual([]);
  });

  it('keeps a bounded number of messages for a client that is away', async () => {
    const broker = await startAedes();
    cleanUp.push(() => broker.close());
    const absent = { clientId: 'absent', clean: false };
    await (await connectTestDevice(broker.url, 4, absent)).close();
    const sender = await connectTestDevice(broker.url, 4);
    cleanUp.push(() => sender.close());
    for (let round = 0; round < 60; round += 1) {
      await Promise.all(Array.from({ length: 100 }, () => sender.send('elsewhere/x', 'm')));
    }
    const back = await connectTestDevice(broker.url, 4, absent);
    cleanUp.push(() => back.close());
    await until(() => back.received.length >= 4096, 'what was kept');
    await quiet();
    expect(back.received).toHaveLength(4096);
    // Room again, once they were taken.
    await sender.send('elsewhere/x', 'fresh');
    await until(() => back.received.at(-1)?.text === 'fresh', 'a fresh one');
  }, 60_000);

  it('finds a broker that comes up later, and says once what is wrong until then', async () => {
    const port = await freePort();
    const board = createTestNode(`mqtt://127.0.0.1:${port}`);
    cleanUp.push(() => board.gateway.close(1000));
    board.gateway.publishState('online');
    board.gateway.start();
    await until(() => board.connections.length > 0, 'the refusal');
    await quiet(2000);
    expect(board.connections).toEqual(['disconnected']);
    expect(board.logs).toHaveLength(1);
    expect(board.logs[0]?.message).toContain('nothing listens');
    const broker = await startAedes(port);
    cleanUp.push(() => broker.close());
    await until(() => board.gateway.connected(), 'the connection', 40_000);
  }, 60_000);

  it('tells a name that does not resolve', async () => {
    const board = createTestNode('mqtt://broker.invalid:1883');
    cleanUp.push(() => board.gateway.close(1000));
    board.gateway.start();
    await until(() => board.logs.length > 0, 'the complaint');
    expect(board.logs[0]?.message).toMatch(/cannot be resolved|no network way/);
  });

  it('closes within its deadline although the broker is silent', async () => {
    const broker = await startAedes();
    cleanUp.push(() => broker.close());
    const proxy = await startTcpProxy(broker.port);
    cleanUp.push(() => proxy.close());
    const board = createTestNode(`mqtt://127.0.0.1:${proxy.port}`);
    await board.online();
    proxy.freeze();
    await board.gateway.close(300);
    expect(board.gateway.connected()).toBe(false);
    await board.gateway.close(300);
  });

  it('notices a half-open connection by its keepalive', async () => {
    const broker = await startAedes();
    cleanUp.push(() => broker.close());
    const proxy = await startTcpProxy(broker.port);
    cleanUp.push(() => proxy.close());
    const board = createTestNode(`mqtt://127.0.0.1:${proxy.port}`, { keepaliveS: 1 });
    cleanUp.push(() => board.gateway.close(500));
    await board.online();
    proxy.freeze();
    await until(() => !board.gateway.connected(), 'the loss');
    expect(board.logs.at(-1)?.message).toContain('went silent');
    proxy.thaw();
    await until(() => board.gateway.connected(), 'the return');
  });
});
