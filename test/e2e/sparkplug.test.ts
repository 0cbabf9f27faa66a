import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAedes, type TestBroker } from '../fakes/brokers.ts';
import { type HostMessage, readAsHost, writeAsHost } from '../fakes/sparkplug-host.ts';
import {
  type DaemonProcess,
  NODE_ID,
  startDaemonProcess,
  temporaryFolder,
  until,
} from './harness.ts';

describe('the daemon as a Sparkplug B edge node', () => {
  const folder = temporaryFolder();
  let broker: TestBroker;
  let host: MqttClient;
  let daemon: DaemonProcess;
  const heard: { type: string; message: HostMessage }[] = [];
  const of = (type: string) => heard.filter((one) => one.type === type).map((one) => one.message);
  const command = (payload: Buffer) =>
    host.publishAsync(`spBv1.0/plant/NCMD/${NODE_ID}`, payload, { qos: 1 });
  const start = () =>
    startDaemonProcess({
      brokerUrl: broker.url,
      stateFolder: folder.path,
      set: ['telemetry.sparkplug.enabled=true', 'telemetry.sparkplug.group_id=plant'],
    });

  beforeAll(async () => {
    broker = await startAedes();
    host = await connectAsync(broker.url);
    host.on('message', (topic, payload) => {
      heard.push({ type: topic.split('/')[2] ?? '', message: readAsHost(payload) });
    });
    await host.subscribeAsync(`spBv1.0/plant/+/${NODE_ID}`, { qos: 1 });
    daemon = start();
    await until(() => of('NBIRTH').length === 1, 'the birth');
  });
  afterAll(async () => {
    await daemon.stop();
    await host.endAsync(true);
    await broker.close();
    folder.remove();
  });

  it('is born again when asked, and drains when told', async () => {
    await command(writeAsHost('Node Control/Rebirth', 'Boolean', true));
    await until(() => of('NBIRTH').length === 2, 'the second birth');
    const alias = of('NBIRTH')[1]?.metrics.find(({ name }) => name === 'Node Control/Drain')?.alias;
    await command(writeAsHost('Node Control/Drain', 'Boolean', true));
    await until(() => of('NDATA').some((data) => data.value(alias ?? -1) === true), 'the drain');
    await command(writeAsHost('Node Control/Drain', 'Boolean', false));
    await until(
      () =>
        of('NDATA')
          .at(-1)
          ?.value(alias ?? -1) === false,
      'the end of the drain',
    );
  });

  it('dies by its will when it is killed, and is born with the next number', async () => {
    const before = of('NBIRTH').at(-1)?.value('bdSeq');
    await daemon.kill();
    await until(() => of('NDEATH').length === 1, 'the death');
    expect(of('NDEATH')[0]?.value('bdSeq')).toBe(before);
    const births = of('NBIRTH').length;
    daemon = start();
    await until(() => of('NBIRTH').length > births, 'the next birth');
    expect(of('NBIRTH').at(-1)?.value('bdSeq')).toBe(Number(before) + 1);
  });

  it('says itself that it goes when it is stopped', async () => {
    const before = of('NBIRTH').at(-1)?.value('bdSeq');
    await daemon.stop();
    await until(() => of('NDEATH').length === 2, 'the death');
    expect(of('NDEATH')[1]?.value('bdSeq')).toBe(before);
  });
});
