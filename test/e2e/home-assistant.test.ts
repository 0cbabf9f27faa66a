import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAedes, type TestBroker } from '../fakes/brokers.ts';
import {
  BASE,
  connectDevice,
  type DaemonProcess,
  type Device,
  NODE_ID,
  startDaemonProcess,
  temporaryFolder,
  until,
  waitOnline,
} from './harness.ts';

const CONFIG_TOPIC = `homeassistant/device/twowatt-${NODE_ID}/config`;

type Components = Record<string, Record<string, string>>;

/** Does what Home Assistant does with a command: the template's one variable is filled in. */
function command(component: Record<string, string> | undefined, value: string | number): string {
  return (component?.['command_template'] ?? '')
    .replace('{{ value | tojson }}', JSON.stringify(value))
    .replace('{{ value }}', String(value));
}

describe('the daemon in Home Assistant', () => {
  const folder = temporaryFolder();
  let broker: TestBroker;
  let device: Device;
  let daemon: DaemonProcess;
  const start = (enabled: boolean) =>
    startDaemonProcess({
      brokerUrl: broker.url,
      stateFolder: folder.path,
      set: [
        `telemetry.home_assistant.enabled=${enabled}`,
        // The small model is not sure of odd questions, and here it only has to answer.
        'router.low_confidence_action=answer',
      ],
    });
  const components = () =>
    (JSON.parse(device.messages(CONFIG_TOPIC).at(-1) ?? '{}') as { components: Components })
      .components;
  const on = (leaf: string) => device.messages(`${BASE}/${NODE_ID}/${leaf}`);

  beforeAll(async () => {
    broker = await startAedes();
    device = await connectDevice(broker.url, { protocolVersion: 4 });
    await device.client.subscribeAsync('homeassistant/#', { qos: 1 });
    daemon = start(true);
    await waitOnline(device);
    await until(() => device.messages(CONFIG_TOPIC).length > 0, 'the announcement');
  });
  afterAll(async () => {
    await daemon.stop();
    await device.close();
    await broker.close();
    folder.remove();
  });

  it('is announced in a retained message, and again when Home Assistant has started', async () => {
    const late = await connectDevice(broker.url, { protocolVersion: 4 });
    await late.client.subscribeAsync(CONFIG_TOPIC, { qos: 1 });
    await until(() => late.messages(CONFIG_TOPIC).length === 1, 'the retained announcement');
    await late.close();
    const telemetryBefore = on('telemetry').length;
    await device.publish('homeassistant/status', 'online');
    await until(() => device.messages(CONFIG_TOPIC).length === 2, 'the announcement');
    await until(() => on('telemetry').length > telemetryBefore, 'telemetry for its sensors');
  });

  it('takes a budget, a limit and a drain from its controls', async () => {
    const { budget, temperature_limit: limit, drain } = components();
    await device.publish(limit?.['command_topic'] ?? '', command(limit, 71));
    await until(() => /"limit_c":71/.test(on('telemetry').at(-1) ?? ''), 'the new limit');
    // The harness fixes the budget by a flag, which is stronger: the node understands and says so.
    const responses = () => on('response/governor.set');
    const before = responses().length;
    await device.publish(budget?.['command_topic'] ?? '', command(budget, 3.5));
    await until(() => responses().length > before, 'the response');
    expect(JSON.parse(responses().at(-1) ?? '')).toMatchObject({
      transaction: 'home-assistant',
      error: {
        param: 'budget_w',
        message: expect.stringContaining('fixed on the board') as string,
      },
    });
    await device.publish(drain?.['command_topic'] ?? '', drain?.['payload_on'] ?? '');
    await until(() => on('state').at(-1)?.includes('"draining"') ?? false, 'the node to drain');
    await device.publish(drain?.['command_topic'] ?? '', drain?.['payload_off'] ?? '');
    await until(() => on('state').at(-1)?.includes('"online"') ?? false, 'the node to resume');
  });

  it('answers what is asked in its text field, quotation marks and all', async () => {
    const { ask, answer } = components();
    await device.publish(ask?.['command_topic'] ?? '', command(ask, 'what is "MQTT"\n打开台灯'));
    const replies = () => device.messages(answer?.['state_topic'] ?? '');
    await until(() => replies().length > 0, 'the answer', 60_000);
    expect(JSON.parse(replies()[0] ?? '')).toMatchObject({ type: 'done', node: NODE_ID });
    expect(replies()).toHaveLength(1);
  });

  it('is gone from Home Assistant once it is switched off, and does not mind doing that twice', async () => {
    await daemon.stop();
    daemon = start(false);
    await until(() => device.messages(CONFIG_TOPIC).at(-1) === '', 'the removal');
    await daemon.stop();
    const count = device.messages(CONFIG_TOPIC).length;
    daemon = start(false);
    await until(() => on('state').at(-1)?.includes('"online"') ?? false, 'the node');
    expect(device.messages(CONFIG_TOPIC)).toHaveLength(count);
    const late = await connectDevice(broker.url, { protocolVersion: 4 });
    await late.client.subscribeAsync(CONFIG_TOPIC, { qos: 1 });
    await late.client.publishAsync('homeassistant/probe', 'x', { qos: 1 });
    expect(late.messages(CONFIG_TOPIC)).toEqual([]);
    await late.close();
    // Two more starts of a daemon.
  }, 90_000);
});
