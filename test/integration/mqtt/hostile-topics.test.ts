import { afterEach, describe, expect, it } from 'vitest';
import { mosquittoAvailable, startMosquitto } from '../../fakes/brokers.ts';
import { BASE, connectTestDevice, createTestNode, quiet, TOPIC, until } from './support.ts';

describe.skipIf(!mosquittoAvailable())('topics that somebody chose with care', () => {
  const cleanUp: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of cleanUp.splice(0).reverse()) await step();
  });

  async function board() {
    const broker = await startMosquitto();
    cleanUp.push(() => broker.close());
    const device = await connectTestDevice(broker.url, 5);
    cleanUp.push(() => device.close());
    const node = createTestNode(broker.url, { pools: ['hall'] });
    cleanUp.push(() => node.gateway.close(2000));
    await node.online();
    return { device, node };
  }

  it('a request whose name fills its topic does not end the connection', async () => {
    const { device, node } = await board();
    for (const length of [200, 65_000, 65_535 - `${TOPIC}/request/`.length]) {
      await device.send(`${TOPIC}/request/${'v'.repeat(length)}`, '{"transaction":1}');
    }
    await device.send(`${TOPIC}/request/ping`, '{"transaction":2}');
    await until(() => device.on(`${TOPIC}/response/ping`).length === 1, 'the response');
    expect(node.connections).toEqual(['connected']);
    expect(node.verbs).toHaveLength(1);
    expect(device.received.filter(({ topic }) => topic.includes('/response/'))).toHaveLength(1);
  });

  it('names that no request has are answered on their own level only', async () => {
    const { device, node } = await board();
    const names = ['..', '$SYS', 'ping ', 'PING', '\u202Egnip', '%2F', 'config.set.'];
    for (const name of names) await device.send(`${TOPIC}/request/${name}`, '{"transaction":1}');
    await until(
      () => names.every((name) => device.on(`${TOPIC}/response/${name}`).length === 1),
      'every refusal',
    );
    for (const name of names) {
      const { error } = JSON.parse(device.on(`${TOPIC}/response/${name}`)[0]?.text ?? '') as {
        error: { code: string };
      };
      expect(error.code, name).toBe('unsupported');
    }
    expect(node.verbs).toEqual([]);
  });

  it('what lies beside its own topics does not reach it', async () => {
    const { device, node } = await board();
    for (const topic of [
      `${BASE}/pool/other/prompt`,
      `${BASE}/pool/hall/prompt/text`,
      `${BASE}/board/prompt/`,
      `${BASE}/board//prompt`,
      `${BASE}/Board/prompt`,
      `${BASE}/board/request/a/b`,
      `/${BASE}/board/prompt`,
    ]) {
      await device.send(topic, 'x');
    }
    await device.send(`${TOPIC}/prompt`, 'last');
    await until(() => node.prompts.length > 0, 'the prompt');
    await quiet();
    expect(node.texts()).toEqual(['last']);
  });

  it('a cancel and a state message with anything in them change nothing', async () => {
    const { device, node } = await board();
    for (const payload of [
      '',
      'null',
      '[]',
      '{"id":7}',
      `{"id":"${'x'.repeat(2000)}"}`,
      '\u0000',
    ]) {
      await device.send(`${TOPIC}/cancel`, payload);
      await device.send(`${TOPIC}/state`, payload);
    }
    await device.send(`${TOPIC}/cancel`, '{"id":"last"}');
    await until(() => node.cancels.length > 0, 'the cancel');
    expect(node.cancels).toEqual(['last']);
    expect(node.duplicates).toEqual([]);
    expect(node.gateway.connected()).toBe(true);
  });
});
