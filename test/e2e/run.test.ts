import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestBroker, startAedes } from '../fakes/brokers.ts';
import { listenForDatagrams } from '../fakes/datagram-listener.ts';
import {
  connectDevice,
  type DaemonProcess,
  type Device,
  killQuietly,
  NODE_ID,
  startDaemonProcess,
  temporaryFolder,
  until,
  waitOnline,
} from './harness.ts';

describe('twowatt run', () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let broker: TestBroker;
  let device: Device;
  let daemon: DaemonProcess | undefined;
  beforeEach(async () => {
    folder = temporaryFolder();
    broker = await startAedes();
    device = await connectDevice(broker.url, { protocolVersion: 4 });
  });
  afterEach(async () => {
    await daemon?.kill();
    daemon = undefined;
    await device.close();
    await broker.close();
    folder.remove();
  });

  function start(env: Record<string, string> = {}): DaemonProcess {
    daemon = startDaemonProcess({ brokerUrl: broker.url, stateFolder: folder.path, env });
    return daemon;
  }

  /** Ready for real: it has answered. */
  async function answersPrompts(): Promise<void> {
    await waitOnline(device);
    await device.prompt({ id: 'first', prompt: 'what is MQTT' });
    await device.terminal('first');
  }

  it('tells systemd when it is ready, that it lives, and that it stops', async () => {
    const path = join(folder.path, 'notify.sock');
    const listener = listenForDatagrams(path);
    try {
      const started = start({ NOTIFY_SOCKET: path, WATCHDOG_USEC: '600000', WATCHDOG_PID: '' });
      const heard: string[] = [];
      const hears = (text: string) => () => {
        heard.push(...listener.read());
        return heard.some((message) => message.includes(text));
      };
      await until(hears('READY=1'), 'READY');
      expect(heard[0]).toBe('STATUS=starting');
      expect(heard).toContain(`READY=1\nSTATUS=serving as ${NODE_ID}`);
      heard.length = 0;
      await until(hears('WATCHDOG=1'), 'the watchdog being fed while idle');
      expect(await started.stop()).toBe(0);
      expect(hears('STOPPING=1')()).toBe(true);
    } finally {
      listener.close();
    }
  });

  it('replaces a hung engine itself and answers the prompt, and the watchdog does not go hungry', async () => {
    const path = join(folder.path, 'notify.sock');
    const listener = listenForDatagrams(path);
    try {
      const started = start({
        NOTIFY_SOCKET: path,
        // Looked at each second: the governor decides twice in one.
        WATCHDOG_USEC: '3000000',
        TWOWATT_ENGINE__STEP_TIMEOUT_S: '2',
      });
      await answersPrompts();
      const engine = await started.enginePid();
      process.kill(engine, 'SIGSTOP');
      await device.prompt({ id: 'stuck', prompt: 'what is MQTT', stream: true });
      await until(() => device.frames('stuck').length > 0, 'the prompt to be accepted');
      listener.read();
      await until(() => listener.read().includes('WATCHDOG=1'), 'the watchdog being fed');
      expect((await device.terminal('stuck')).type).toBe('done');
      expect(await started.enginePid()).not.toBe(engine);
      expect(started.output()).toContain('the engine is stuck; killing it');
      expect(started.output()).not.toContain('the watchdog is not fed');
    } finally {
      listener.close();
    }
  }, 60_000);

  it('finishes the running prompt on SIGINT, also when the engine gets it too, and ends with 0', async () => {
    const started = start();
    await answersPrompts();
    const engine = await started.enginePid();
    process.kill(engine, 'SIGSTOP');
    await device.prompt({
      id: 'last',
      messages: [{ role: 'user', content: 'what is MQTT' }],
      stream: true,
    });
    await until(() => device.frames('last').length > 0, 'the prompt to be accepted');
    // A terminal sends Ctrl-C to the whole process group, pm2 a signal to the whole tree.
    // npm forwards it once more.
    process.kill(started.pid, 'SIGINT');
    process.kill(engine, 'SIGINT');
    await until(() => started.output().includes('draining'), 'the drain to begin');
    process.kill(started.pid, 'SIGINT');
    process.kill(engine, 'SIGCONT');
    expect(await started.exited).toBe(0);
    const answer = await device.terminal('last');
    expect([answer]).toMatchObject([
      { type: 'done', text: expect.stringContaining('MQTT') as string },
    ]);
  });

  it('ends at once with 130 on a second signal', async () => {
    const started = start();
    await answersPrompts();
    const engine = await started.enginePid();
    process.kill(engine, 'SIGSTOP');
    await device.prompt({ id: 'stuck', prompt: 'what is MQTT', stream: true });
    await until(() => device.frames('stuck').length > 0, 'the prompt to be accepted');
    process.kill(started.pid, 'SIGTERM');
    await until(() => started.output().includes('draining'), 'the drain to begin');
    // What follows within a blink counts as the same press, so it is pressed until it is heard.
    const pressing = setInterval(() => killQuietly(started.pid, 'SIGTERM'), 100);
    expect(await started.exited).toBe(130);
    clearInterval(pressing);
    killQuietly(engine);
  });

  it('restarts on request by ending with a failure, so that its manager starts it again', async () => {
    const started = start();
    await answersPrompts();
    await device.publish(`twowatt/v1/${NODE_ID}/request/restart`, '{"transaction":1}');
    expect(await started.exited).toBe(1);
    expect(device.messages(`twowatt/v1/${NODE_ID}/response/restart`)[0]).toContain('"ok"');
  });
});
