import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { createRandom } from '../../bench/router/random.ts';
import { connectDevice, temporaryFolder, until, waitOnline } from '../e2e/harness.ts';
import { mosquittoAvailable, startMosquitto } from '../fakes/brokers.ts';
import { startTcpProxy } from '../fakes/tcp-proxy.ts';
import { root, startNode, type TestNode } from './node.ts';

/** The daemon waits up to 30 s between tries once several have failed. */
const RECONNECT_MS = 60_000;
const canUnshare = spawnSync('unshare', ['-m', 'true']).status === 0;

describe.skipIf(!mosquittoAvailable())('the broker', () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  const pause = (ms: number) => new Promise((wake) => setTimeout(wake, ms));

  async function started(options: Parameters<typeof startNode>[0] = {}): Promise<TestNode> {
    const node = await startNode(options);
    closers.push(() => node.close());
    return node;
  }
  /** Whether the daemon says that it is connected. */
  async function connected(node: TestNode): Promise<boolean> {
    const response = await fetch(`${await node.daemon.httpUrl()}/readyz`);
    return !(await response.text()).includes('"broker":false');
  }
  async function behindProxy(set: string[] = []) {
    const broker = await startMosquitto();
    const proxy = await startTcpProxy(broker.port);
    closers.push(() => proxy.close());
    const node = await started({ broker, brokerUrl: `mqtt://127.0.0.1:${proxy.port}`, set });
    return { node, proxy };
  }

  it('is away: HTTP is served, an answer waits on disk, and goes out when it is back', async () => {
    const broker = await startMosquitto({ persistence: true });
    const node = await started({ broker });
    const long = { max_tokens: 200, temperature: 2, seed: 1, stream: true };
    await node.device.prompt({ id: 'long', messages: [{ role: 'user', content: 'x' }], ...long });
    await until(() => node.device.frames('long').length > 3, 'an answer that grows');
    await broker.stop();
    await until(async () => !(await connected(node)), 'the loss to be noticed');
    const response = await fetch(`${await node.daemon.httpUrl()}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'what is MQTT' }] }),
    });
    expect(response.status).toBe(200);
    await broker.start();
    await node.device.terminal('long', RECONNECT_MS);
    expect(new Set(node.device.terminals('long')).size).toBe(1);
  });

  it('restarts and has forgotten everything: state, info and health are told again, prompts are served', async () => {
    const node = await started();
    await node.broker.kill();
    await node.broker.start();
    await until(() => connected(node), 'the connection', RECONNECT_MS);
    const stranger = await connectDevice(node.broker.url);
    closers.push(() => stranger.close());
    await waitOnline(stranger);
    for (const topic of ['info', 'health']) {
      await until(() => stranger.messages(`${root}/${topic}`).length > 0, topic);
    }
    expect(await node.ask('after')).toBe('done');
  });

  it('flaps: 25 cuts in a row lose no prompt', { timeout: 400_000 }, async () => {
    const { node, proxy } = await behindProxy();
    const random = createRandom(5);
    const asked: Promise<string>[] = [];
    for (let cut = 0; cut < 25; cut += 1) {
      asked.push(node.ask(`f${cut}`, { stream: true }, 240_000));
      await pause(100 + random() * 900);
      proxy.cut();
    }
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['done']));
  });

  it('is half open: noticed by the keepalive, and prompts of the meantime are answered', async () => {
    const { node, proxy } = await behindProxy(['mqtt.keepalive_s=5']);
    expect(await node.ask('before')).toBe('done');
    proxy.freeze();
    const asked = node.ask('meanwhile', {}, 150_000);
    await until(async () => !(await connected(node)), 'the dead connection to be noticed', 30_000);
    proxy.thaw();
    expect(await asked).toBe('done');
  });

  it('is slow: a link that stands still nine tenths of the time delays answers and loses none', async () => {
    const { node, proxy } = await behindProxy();
    const stutter = setInterval(() => {
      proxy.freeze();
      setTimeout(() => proxy.thaw(), 450);
    }, 500);
    const ids = Array.from({ length: 12 }, (_, n) => `s${n}`);
    const ends = await Promise.all(ids.map((id) => node.ask(id, { stream: true }, 120_000)));
    clearInterval(stutter);
    expect(new Set(ends)).toEqual(new Set(['done']));
    for (const id of ids) expect(new Set(node.device.terminals(id)).size).toBe(1);
  });

  it.skipIf(!canUnshare)(
    'has a name that no longer resolves: the daemon waits and is back when it does',
    async () => {
      const folder = temporaryFolder();
      closers.push(folder.remove);
      const hosts = join(folder.path, 'hosts');
      const resolver = join(folder.path, 'resolv.conf');
      const local = '127.0.0.1 localhost\n';
      writeFileSync(hosts, `${local}127.0.0.1 broker.example\n`);
      // A name server that is not there.
      writeFileSync(resolver, 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n');
      const broker = await startMosquitto();
      const mounts = `mount --bind '${hosts}' /etc/hosts && mount --bind '${resolver}' /etc/resolv.conf`;
      const node = await started({
        broker,
        brokerUrl: `mqtt://broker.example:${broker.port}`,
        through: ['unshare', '-m', 'sh', '-c', `${mounts} && exec "$@"`, 'sh'],
      });
      expect(await node.ask('before')).toBe('done');
      writeFileSync(hosts, local);
      await broker.kill();
      await broker.start();
      const unknown = () => /cannot be resolved \(broker\.example/.test(node.daemon.output());
      await until(unknown, 'the log to name the host', RECONNECT_MS);
      expect(await connected(node)).toBe(false);
      writeFileSync(hosts, `${local}127.0.0.1 broker.example\n`);
      expect(await node.ask('after', {}, 120_000)).toBe('done');
    },
  );
});
