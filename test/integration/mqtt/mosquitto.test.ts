import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { mosquittoAvailable, type MosquittoOptions, startMosquitto } from '../../fakes/brokers.ts';
import { startTcpProxy } from '../../fakes/tcp-proxy.ts';
import {
  answer,
  BASE,
  connectTestDevice,
  createTestNode,
  quiet,
  type TestNode,
  type TestNodeOptions,
  TOPIC,
  until,
} from './support.ts';

describe.skipIf(!mosquittoAvailable())('gateway on Mosquitto with MQTT 5', () => {
  const cleanUp: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of cleanUp.splice(0).reverse()) await step();
  });

  const broker = async (options: MosquittoOptions = {}) => {
    const started = await startMosquitto(options);
    cleanUp.push(() => started.close());
    return started;
  };
  const node = (url: string, options: TestNodeOptions = {}): TestNode => {
    const created = createTestNode(url, options);
    cleanUp.push(() => created.gateway.close(2000));
    return created;
  };
  const deviceOn = async (url: string, protocol: 4 | 5 = 5, options = {}) => {
    const device = await connectTestDevice(url, protocol, options);
    cleanUp.push(() => device.close());
    return device;
  };

  it('prefers MQTT 5 and says so', async () => {
    const { url } = await broker();
    const board = node(url);
    await board.online();
    expect(board.gateway.protocol()).toBe(5);
  });

  it('passes Response Topic, Correlation Data, user properties and expiry on, and echoes them', async () => {
    const { url } = await broker();
    const device = await deviceOn(url);
    const board = node(url);
    await board.online();
    await device.send(`${TOPIC}/prompt`, 'hi', {
      properties: {
        responseTopic: 'elsewhere/answers',
        correlationData: Buffer.from([0, 255, 7]),
        messageExpiryInterval: 9,
        userProperties: { trace: 'abc', list: ['1', '2'], ['__proto__']: 'x' },
      },
    });
    await until(() => board.prompts.length === 1, 'the prompt');
    const [prompt] = board.prompts;
    expect(prompt).toMatchObject({ responseTopic: 'elsewhere/answers', correlation: 'AP8H' });
    expect(prompt?.expiryMs).toBeGreaterThan(7000);
    expect(prompt?.expiryMs).toBeLessThanOrEqual(9000);
    const { correlation, userProperties } = prompt ?? {};
    await board.gateway.deliver(answer('elsewhere/answers', '{}', { correlation, userProperties }));
    await until(() => device.on('elsewhere/answers').length === 1, 'the answer');
    const { properties } = device.on('elsewhere/answers')[0]?.packet ?? {};
    expect(properties).toMatchObject({
      correlationData: Buffer.from([0, 255, 7]),
      contentType: 'application/json',
      payloadFormatIndicator: true,
    });
    expect({ ...properties?.userProperties }).toMatchObject({ trace: 'abc', list: ['1', '2'] });
  });

  it('keeps echoed properties within bounds', async () => {
    const { url } = await broker();
    const device = await deviceOn(url);
    const board = node(url);
    await board.online();
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, 'v']));
    await device.send(`${TOPIC}/prompt`, 'a', {
      properties: { correlationData: Buffer.alloc(5000, 1), userProperties: many },
    });
    await device.send(`${TOPIC}/prompt`, 'b', {
      properties: { userProperties: { big: 'x'.repeat(10_000) } },
    });
    await until(() => board.prompts.length === 2, 'the prompts');
    expect(board.prompts[0]?.correlation).toBeNull();
    expect(Object.keys(board.prompts[0]?.userProperties ?? {})).toHaveLength(16);
    expect(board.prompts[1]?.userProperties).toBeNull();
  });

  it('answers requests on their Response Topic, unless that would command a board', async () => {
    const { url } = await broker();
    const device = await deviceOn(url);
    const board = node(url);
    await board.online();
    const properties = { responseTopic: 'elsewhere/pong', correlationData: Buffer.from('c') };
    await device.send(`${TOPIC}/request/ping`, '{"transaction":1}', { properties });
    await until(() => device.on('elsewhere/pong').length === 1, 'the response');
    expect(device.on('elsewhere/pong')[0]?.packet.properties?.correlationData?.toString()).toBe(
      'c',
    );
    await device.send(`${TOPIC}/request/ping`, '{"transaction":2}', {
      properties: { responseTopic: `${BASE}/other/request/restart` },
    });
    await until(() => device.on(`${TOPIC}/response/ping`).length === 1, 'the refusal');
    expect(JSON.parse(device.on(`${TOPIC}/response/ping`)[0]?.text ?? '')).toMatchObject({
      transaction: 2,
      error: { code: 'invalid_request', param: 'reply_to' },
    });
    expect(board.verbs).toHaveLength(1);
  });

  // Mosquitto shares subscriptions of MQTT 3.1.1 clients as well, although it cannot promise it.
  it.each([5, 4] as const)(
    'spreads the prompts of a pool over its boards, and leaves it while draining (MQTT %i)',
    async (protocol) => {
      const { url } = await broker();
      const device = await deviceOn(url);
      const one = node(url, { node: 'one', pools: ['hall'], protocol });
      const two = node(url, { node: 'two', pools: ['hall'], protocol });
      await Promise.all([one.online(), two.online()]);
      for (let index = 0; index < 40; index += 1)
        await device.send(`${BASE}/pool/hall/prompt`, `${index}`);
      await until(() => one.prompts.length + two.prompts.length === 40, 'the prompts');
      expect(new Set([...one.texts(), ...two.texts()]).size).toBe(40);
      expect(one.prompts.length).toBeGreaterThan(5);
      expect(two.prompts.length).toBeGreaterThan(5);
      expect(one.prompts[0]?.defaultReplyTopic('x')).toBe(`${BASE}/pool/hall/reply/x`);
      await device.send(`${BASE}/pool/hall/cancel`, '{"id":"z"}');
      await until(() => one.cancels.length === 1 && two.cancels.length === 1, 'the cancels');

      two.gateway.publishState('draining');
      await until(
        () => device.on(`${BASE}/two/state`).at(-1)?.text.includes('draining') ?? false,
        'draining',
      );
      await quiet();
      const before = one.prompts.length;
      for (let index = 0; index < 10; index += 1)
        await device.send(`${BASE}/pool/hall/prompt`, 'd');
      await until(() => one.prompts.length === before + 10, 'all of them on the other board');
      // A board that left does not keep prompts waiting in its session, either.
      await one.gateway.close(2000);
      two.gateway.publishState('online');
      await quiet();
      const taken = two.prompts.length;
      for (let index = 0; index < 10; index += 1)
        await device.send(`${BASE}/pool/hall/prompt`, 'e');
      await until(() => two.prompts.length === taken + 10, 'all of them on the board that is left');
    },
  );

  it('answers a prompt of a pool that it has left meanwhile, and ends the subscription', async () => {
    const { url, port } = await broker();
    const proxy = await startTcpProxy(port);
    cleanUp.push(() => proxy.close());
    const device = await deviceOn(url);
    const before = createTestNode(`mqtt://127.0.0.1:${proxy.port}`, { pools: ['old'] });
    await before.online();
    // As a crash would: the subscription stands.
    proxy.freeze();
    await before.gateway.close(100);
    const after = node(url);
    await after.online();
    await device.send(`${BASE}/pool/old/prompt`, 'stray');
    await until(() => after.prompts.length === 1, 'the stray prompt');
    expect(after.prompts[0]?.defaultReplyTopic('x')).toBe(`${BASE}/pool/old/reply/x`);
    await quiet();
    await device.send(`${BASE}/pool/old/prompt`, 'lost');
    await quiet();
    expect(after.texts()).toEqual(['stray']);
  });

  it('reports another node of its id at once, by the reason that the broker gives', async () => {
    const { url } = await broker();
    const first = node(url);
    await first.online();
    const second = node(url);
    await second.online();
    await until(() => first.duplicates.length === 1, 'the report');
    expect(first.duplicates[0]).toContain('node id');
  });

  it('delivers what is answered at once to messages that waited while it was away', async () => {
    const { url } = await broker();
    const device = await deviceOn(url);
    const before = node(url);
    await before.online();
    await before.gateway.close(2000);
    for (const text of ['one', 'two', 'three']) await device.send(`${TOPIC}/prompt`, text);
    await device.send(`${TOPIC}/request/ping`, '{"transaction":7}');
    const delivered: Promise<boolean>[] = [];
    const board = node(url, {
      async onPrompt({ payload }) {
        const text = Buffer.from(payload).toString();
        delivered.push(board.gateway.deliver(answer(`${TOPIC}/reply/${text}`, `no ${text}`)));
      },
      onVerb: async () => ({}),
    });
    await board.online();
    await until(() => delivered.length === 3, 'the prompts');
    expect(await Promise.all(delivered)).toEqual([true, true, true]);
    await until(() => device.on(`${TOPIC}/reply/three`).length === 1, 'the last answer');
    await until(() => device.on(`${TOPIC}/response/ping`).length === 1, 'the response');
  });

  it('survives a broker that restarts, with and without a memory', async () => {
    for (const persistence of [true, false]) {
      const started = await broker({ persistence });
      const device = await deviceOn(started.url, 5, {
        clean: false,
        clientId: 'device',
        properties: { sessionExpiryInterval: 600 },
      });
      const held = Promise.withResolvers<void>();
      const board = node(started.url, { onPrompt: () => held.promise });
      await board.online();
      await device.send(`${TOPIC}/prompt`, 'before');
      await until(() => board.prompts.length === 1, 'the prompt');
      await quiet();
      await started.kill();
      await until(() => !board.gateway.connected(), 'the loss');
      expect(await board.gateway.deliver(answer(`${TOPIC}/reply/a`, 'x'))).toBe(false);
      held.resolve();
      await started.start();
      await until(() => board.gateway.connected(), 'the return', 30_000);
      await until(() => device.client.connected, 'the device');
      if (persistence) await until(() => board.prompts.length === 2, 'the prompt again');
      await device.send(`${TOPIC}/prompt`, 'after');
      await until(() => board.texts().includes('after'), 'a new prompt');
      expect(board.texts()).toEqual(
        persistence ? ['before', 'before', 'after'] : ['before', 'after'],
      );
      const late = await deviceOn(started.url);
      await until(() => late.on(`${TOPIC}/state`).length === 1, 'the retained state');
      expect(late.on(`${TOPIC}/state`)[0]?.text).toContain('online');
    }
  }, 90_000);

  it('does not get what is larger than its Maximum Packet Size, and lives on', async () => {
    const { url } = await broker();
    const device = await deviceOn(url);
    const board = node(url);
    await board.online();
    await device.send(`${TOPIC}/prompt`, Buffer.alloc(9_000_000, 'x'));
    await device.send(`${TOPIC}/prompt`, 'next');
    await until(() => board.texts().includes('next'), 'the next one');
    expect(board.prompts).toHaveLength(1);
    expect(board.connections).toEqual(['connected']);
  });

  it('gives an answer up that the broker will never take', async () => {
    const { url } = await broker({ config: ['max_packet_size 2000'] });
    const board = node(url);
    await board.online();
    expect(await board.gateway.deliver(answer(`${TOPIC}/reply/a`, 'x'.repeat(5000)))).toBe(true);
    expect(board.logs.at(-1)).toMatchObject({ level: 'error' });
    expect(await board.gateway.deliver(answer(`${TOPIC}/reply/a`, 'x'))).toBe(true);
    expect(board.connections).toEqual(['connected']);
  });

  it('says once that nobody lets it in', async () => {
    const { url } = await broker({ allowAnonymous: false });
    const board = node(url);
    board.gateway.start();
    const complaints = () => board.logs.filter(({ level }) => level === 'warn');
    await until(() => complaints().length > 0, 'the complaint');
    await quiet(3000);
    expect(complaints()).toHaveLength(1);
    expect(complaints()[0]?.message).toMatch(/refused us.*mqtt\.username and mqtt\.password_file/);
    expect(board.connections).toEqual(['disconnected']);
  });

  it('gets in with user name and password', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'twowatt-passwords-'));
    cleanUp.push(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'passwords');
    expect(spawnSync('mosquitto_passwd', ['-b', '-c', file, 'board', 's3cret']).status).toBe(0);
    expect(readFileSync(file, 'utf8')).toMatch(/^board:/);
    const { url } = await broker({ allowAnonymous: false, config: [`password_file ${file}`] });
    const board = node(url, { username: 'board', password: 's3cret' });
    await board.online();
  });

  it('speaks TLS, with a client certificate, and says what is wrong with a certificate', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'twowatt-tls-'));
    cleanUp.push(() => rmSync(folder, { recursive: true, force: true }));
    const at = (name: string) => join(folder, name);
    const openssl = (...args: string[]) => {
      const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
      expect(status, stderr).toBe(0);
    };
    const subject = (name: string) => ['-subj', `/CN=${name}`, '-nodes', '-newkey', 'rsa:2048'];
    openssl(
      'req',
      '-x509',
      ...subject('test authority'),
      '-keyout',
      at('ca.key'),
      '-out',
      at('ca.crt'),
      '-days',
      '2',
    );
    for (const name of ['localhost', 'board']) {
      openssl(
        'req',
        ...subject(name),
        '-addext',
        'subjectAltName=DNS:localhost,IP:127.0.0.1',
        '-keyout',
        at(`${name}.key`),
        '-out',
        at(`${name}.csr`),
      );
      openssl(
        'x509',
        '-req',
        '-in',
        at(`${name}.csr`),
        '-CA',
        at('ca.crt'),
        '-CAkey',
        at('ca.key'),
        '-CAcreateserial',
        '-copy_extensions',
        'copy',
        '-out',
        at(`${name}.crt`),
        '-days',
        '2',
      );
    }
    const { port } = await broker({
      listener: [
        `cafile ${at('ca.crt')}`,
        `certfile ${at('localhost.crt')}`,
        `keyfile ${at('localhost.key')}`,
        'require_certificate true',
      ],
    });
    const url = `mqtts://127.0.0.1:${port}`;
    const pem = (name: string) => readFileSync(at(name));
    const board = node(url, {
      tls: { ca: pem('ca.crt'), cert: pem('board.crt'), key: pem('board.key') },
    });
    await board.online();
    const stranger = node(url, { node: 'stranger' });
    stranger.gateway.start();
    await until(() => stranger.logs.length > 0, 'the complaint');
    expect(stranger.logs[0]?.message).toMatch(/TLS with the broker .* failed/);
  });
});
