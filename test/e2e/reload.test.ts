import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type TestBroker, startAedes } from '../fakes/brokers.ts';
import { listenForDatagrams } from '../fakes/datagram-listener.ts';
import {
  BASE,
  connectDevice,
  type DaemonProcess,
  type Device,
  NODE_ID,
  startDaemonProcess,
  temporaryFolder,
  until,
} from './harness.ts';

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

/** Found without `--config`: the harness makes the state folder the home. */
function writeConfig(text: string): void {
  const home = join(folder.path, '.config', 'twowatt');
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'config.yaml'), text);
}

type Setting = { key: string; value: unknown };

async function settingNow(key: string): Promise<unknown> {
  const topic = `${BASE}/${NODE_ID}/response/config.get`;
  const before = device.messages(topic).length;
  await device.publish(`${BASE}/${NODE_ID}/request/config.get`, '{"transaction":1}');
  await until(() => device.messages(topic).length > before, 'the settings');
  const answer = JSON.parse(device.messages(topic).at(-1) ?? '') as {
    data: { settings: Setting[] };
  };
  return answer.data.settings.find((setting) => setting.key === key)?.value;
}

it('SIGHUP takes what can change live, names what cannot, refuses a bad file, and loses no prompt', async () => {
  const path = join(folder.path, 'notify.sock');
  const listener = listenForDatagrams(path);
  try {
    writeConfig('telemetry: { interval_s: 40 }\n');
    const started = startDaemonProcess({
      brokerUrl: broker.url,
      stateFolder: folder.path,
      env: { NOTIFY_SOCKET: path },
    });
    daemon = started;
    const heard: string[] = [];
    const hears = (pattern: RegExp) => () => {
      heard.push(...listener.read());
      return heard.some((message) => pattern.test(message));
    };
    await until(hears(/^READY=1\nSTATUS=serving as board$/), 'READY');
    expect(await settingNow('telemetry.interval_s')).toBe(40);

    heard.length = 0;
    await device.prompt({ id: 'meanwhile', prompt: 'what is MQTT' });
    writeConfig('telemetry: { interval_s: 50 }\nmqtt: { keepalive_s: 77 }\n');
    process.kill(started.pid, 'SIGHUP');
    const needsRestart =
      /^READY=1\nSTATUS=serving as board; a restart is needed for mqtt.keepalive_s$/;
    await until(hears(needsRestart), 'the end of the reload');
    expect(heard[0]).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    expect(await settingNow('telemetry.interval_s')).toBe(50);
    expect(await settingNow('mqtt.keepalive_s')).toBe(60);
    expect((await device.terminal('meanwhile')).type).toBe('done');

    heard.length = 0;
    writeConfig('telemetry: { interval_s: soon }\nmqtt: { keepalive: 9 }\n');
    process.kill(started.pid, 'SIGHUP');
    await until(hears(/^READY=1\nSTATUS=.*refused: /), 'the refusal');
    expect(heard.at(-1)).toContain('telemetry.interval_s');
    expect(heard.at(-1)).toContain('mqtt.keepalive');
    expect(await settingNow('telemetry.interval_s')).toBe(50);
    const errors = started
      .output()
      .split('\n')
      .filter((line) => line.includes('"level":"error"'));
    expect(errors.some((line) => line.includes('"key":"telemetry.interval_s"'))).toBe(true);
    expect(errors.some((line) => line.includes('"key":"mqtt.keepalive"'))).toBe(true);

    await device.prompt({ id: 'after', prompt: 'what is MQTT' });
    expect((await device.terminal('after')).type).toBe('done');
    expect(await started.stop()).toBe(0);
  } finally {
    listener.close();
  }
}, 90_000);
