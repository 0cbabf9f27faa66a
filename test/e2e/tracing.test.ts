import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  mosquittoAvailable,
  startAedes,
  startMosquitto,
  type TestBroker,
} from '../fakes/brokers.ts';
import {
  type CollectedSpan,
  type OtlpCollector,
  startOtlpCollector,
  treeOf,
} from '../fakes/otlp-collector.ts';
import {
  connectDevice,
  type DaemonProcess,
  type Device,
  startDaemonProcess,
  temporaryFolder,
  until,
} from './harness.ts';

/** Two daemons start here, one after the other, on a machine that may have other things to do. */
const PATIENCE_MS = 90_000;
const PARENT = '00f067aa0ba902b7';
/** Words of the prompts and of the answers that the bundled model gives them. */
const WORDS = /台灯|autumn|leaves|lamp/;
const EDGE_TREE = [
  'prompt',
  '  receive',
  '  journal',
  '  queue wait',
  '  route',
  '  engine',
  '    prefill',
  '    decode',
  '  reply',
];

/** A board whose cloud is another twowatt; both tell one collector. */
describe('traces of two nodes', () => {
  const folders = [temporaryFolder(), temporaryFolder()];
  let collector: OtlpCollector;
  let broker: TestBroker;
  let device: Device;
  let board: DaemonProcess;
  let gateway: DaemonProcess;

  beforeAll(async () => {
    collector = await startOtlpCollector();
    broker = await (mosquittoAvailable() ? startMosquitto() : startAedes());
    device = await connectDevice(broker.url, { protocolVersion: mosquittoAvailable() ? 5 : 4 });
    const traced = `tracing.endpoint=${collector.url}`;
    gateway = startDaemonProcess({
      brokerUrl: broker.url,
      stateFolder: folders[1]!.path,
      set: ['node.id=gateway', traced, 'router.low_confidence_action=answer'],
    });
    const endpoint = {
      name: 'gateway',
      base_url: `${await gateway.httpUrl(PATIENCE_MS)}/v1`,
      model: 'twowatt-nano',
    };
    board = startDaemonProcess({
      brokerUrl: broker.url,
      stateFolder: folders[0]!.path,
      set: [traced, `cloud.endpoints=${JSON.stringify([endpoint])}`],
    });
    for (const daemon of [board, gateway]) {
      const url = await daemon.httpUrl(PATIENCE_MS);
      await until(async () => (await fetch(`${url}/readyz`)).ok, 'both to be ready', PATIENCE_MS);
    }
  }, 4 * PATIENCE_MS);
  afterAll(async () => {
    await board.stop();
    await gateway.stop();
    await device.close();
    await broker.close();
    await collector.close();
    for (const folder of folders) folder.remove();
  });

  const ask = async (traceId: string, content: string, fields: object = {}) => {
    const response = await fetch(`${await board.httpUrl()}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        traceparent: `00-${traceId}-${PARENT}-01`,
      },
      body: JSON.stringify({ messages: [{ role: 'user', content }], ...fields }),
    });
    expect(await response.text()).toContain('"choices"');
  };
  const traceOf = async (traceId: string, spans: number): Promise<CollectedSpan[]> => {
    const mine = () => collector.spans.filter((span) => span.traceId === traceId);
    await until(() => mine().length >= spans, `${spans} spans`);
    return mine();
  };

  it('an answer of the board: the whole way under the client’s span', async () => {
    const traceId = 'a'.repeat(32);
    await ask(traceId, '打开书房的台灯', { route: 'edge' });
    const spans = await traceOf(traceId, EDGE_TREE.length);
    expect(treeOf(spans)).toEqual(EDGE_TREE);
    expect(spans.find(({ name }) => name === 'prompt')).toMatchObject({
      service: 'twowatt',
      node: 'board',
      kind: 2,
      parentSpanId: PARENT,
    });
    const { startedMs, endedMs } = spans.find(({ name }) => name === 'engine')!;
    for (const { name, startedMs: from, endedMs: to } of spans) {
      if (!['prefill', 'decode'].includes(name)) continue;
      expect(from).toBeGreaterThanOrEqual(startedMs - 1);
      expect(to).toBeLessThanOrEqual(endedMs + 1);
    }
  });

  it('an answer of the cloud: one trace over both nodes', async () => {
    const traceId = 'b'.repeat(32);
    await ask(traceId, 'Write a poem about autumn leaves.', { route: 'cloud' });
    const spans = await traceOf(traceId, 6 + EDGE_TREE.length);
    expect(treeOf(spans)).toEqual([
      'prompt',
      '  receive',
      '  journal',
      '  queue wait',
      '  route',
      '  cloud call',
      ...EDGE_TREE.map((line) => `    ${line}`),
      '  reply',
    ]);
    const call = spans.find(({ name }) => name === 'cloud call')!;
    expect(call).toMatchObject({
      node: 'board',
      kind: 3,
      attributes: { 'twowatt.endpoint': 'gateway', 'http.response.status_code': 200 },
    });
    expect(spans.find(({ parentSpanId }) => parentSpanId === call.spanId)?.node).toBe('gateway');
  });

  it.skipIf(!mosquittoAvailable())(
    'over MQTT 5 the user property goes in, and the node’s own comes back',
    async () => {
      const traceId = 'c'.repeat(32);
      let returned: unknown;
      device.client.on('message', (topic, _payload, { properties }) => {
        if (topic.endsWith('/reply/traced')) returned = properties?.userProperties?.['traceparent'];
      });
      await device.prompt(
        { id: 'traced', messages: [{ role: 'user', content: 'turn on the lamp' }], route: 'edge' },
        { properties: { userProperties: { traceparent: `00-${traceId}-${PARENT}-01` } } },
      );
      await device.terminal('traced');
      const spans = await traceOf(traceId, EDGE_TREE.length);
      expect(treeOf(spans)).toEqual(EDGE_TREE);
      const prompt = spans.find(({ name }) => name === 'prompt');
      expect(prompt).toMatchObject({ kind: 5, parentSpanId: PARENT });
      expect(returned).toBe(`00-${traceId}-${prompt?.spanId}-01`);
    },
  );

  it('no span holds a word of what was asked or answered', () => {
    expect(collector.requests.length).toBeGreaterThan(1);
    for (const { text } of collector.requests) expect(text).not.toMatch(WORDS);
  });

  it('a collector that is away costs no prompt, and no time at the end', async () => {
    await collector.close();
    for (let n = 0; n < 3; n += 1) await ask('d'.repeat(32), 'turn off the fan', { route: 'edge' });
    expect(await board.stop()).toBe(0);
  });
});
