import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  mosquittoAvailable,
  startAedes,
  startMosquitto,
  type TestBroker,
} from '../fakes/brokers.ts';
import {
  BASE,
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

const root = `${BASE}/${NODE_ID}`;
const ask = (content: string) => [{ role: 'user', content }];

const BROKERS: { name: string; start: () => Promise<TestBroker>; version: 4 | 5; skip: boolean }[] =
  [
    { name: 'aedes, MQTT 3.1.1', start: startAedes, version: 4, skip: false },
    { name: 'Mosquitto, MQTT 5', start: startMosquitto, version: 5, skip: !mosquittoAvailable() },
    {
      name: 'Mosquitto, MQTT 3.1.1',
      start: startMosquitto,
      version: 4,
      skip: !mosquittoAvailable(),
    },
  ];

for (const { name, start, version, skip } of BROKERS) {
  describe.skipIf(skip)(`the daemon with the bundled model on ${name}`, () => {
    let broker: TestBroker;
    let device: Device;
    let daemon: DaemonProcess;
    const folder = temporaryFolder();

    beforeAll(async () => {
      broker = await start();
      device = await connectDevice(broker.url, { protocolVersion: version });
      daemon = startDaemonProcess({ brokerUrl: broker.url, stateFolder: folder.path });
      await waitOnline(device);
    });
    afterAll(async () => {
      const code = await daemon.stop();
      expect(code, daemon.output()).toBe(0);
      await until(
        () => device.messages(`${root}/state`).at(-1)?.includes('"offline"') ?? false,
        'the state topic to say offline',
      );
      await device.close();
      await broker.close();
      folder.remove();
    });

    it('turns a Chinese command into JSON', async () => {
      await device.prompt({ id: 'zh', messages: ask('把客厅的灯调到30%') });
      const frame = await device.terminal('zh');
      expect(frame).toMatchObject({ type: 'done', model: 'twowatt-nano', finish_reason: 'stop' });
      expect(JSON.parse(frame.type === 'done' ? frame.text : '')).toMatchObject({
        intent: 'set',
        room: 'living_room',
        device: 'light',
      });
      expect(frame).toMatchObject({ usage: { prompt_tokens: 16, cached_tokens: 0 } });
    });

    it('streams deltas that add up to the terminal text', async () => {
      await device.prompt({ id: 'stream', stream: true, messages: ask('what is MQTT') });
      const frame = await device.terminal('stream');
      const frames = device.frames('stream');
      expect(frames[0]?.type).toBe('accepted');
      const deltas = frames.filter((candidate) => candidate.type === 'delta');
      expect(deltas.map(({ seq }) => seq)).toEqual(deltas.map((_, index) => index));
      expect(deltas.length).toBeGreaterThan(2);
      expect(deltas.map(({ text }) => text).join('')).toBe(frame.type === 'done' ? frame.text : '');
    });

    it('answers bare text with bare text, and bare errors with !code', async () => {
      await device.publish(`${root}/prompt/text`, 'turn off the fan in the bedroom');
      await until(() => device.messages(`${root}/reply/text`).length === 1, 'the bare answer');
      await device.publish(`${root}/prompt/text`, ' ');
      await until(() => device.messages(`${root}/reply/text`).length === 2, 'the bare error');
      const [answer = '', error] = device.messages(`${root}/reply/text`);
      expect(JSON.parse(answer)).toMatchObject({ intent: 'off', device: 'fan', room: 'bedroom' });
      expect(error).toMatch(/^!invalid_request /);
    });

    it('keeps a session, gives the stored answer again, and refuses the id for another body', async () => {
      const first = {
        id: 's1',
        session: 'talk',
        messages: ask('turn on the light in the kitchen'),
      };
      await device.prompt(first);
      await device.terminal('s1');
      await device.prompt({ id: 's2', session: 'talk', messages: ask('and turn it off again') });
      expect(await device.terminal('s2')).toMatchObject({ type: 'done' });
      await device.prompt(first);
      await until(() => device.terminals('s1').length === 2, 'the copy');
      expect(new Set(device.terminals('s1')).size).toBe(1);
      await device.prompt({ ...first, seed: 1 });
      await until(() => device.terminals('s1').length === 3, 'the refusal');
      expect(JSON.parse(device.terminals('s1')[2] ?? '')).toMatchObject({
        error: { code: 'invalid_request', param: 'id' },
      });
    });

    it('reports log-probabilities and confidence', async () => {
      await device.prompt({
        id: 'lp',
        messages: ask('what is MQTT'),
        max_tokens: 4,
        logprobs: true,
        top_logprobs: 2,
      });
      const frame = await device.terminal('lp');
      if (frame.type !== 'done') throw new Error(JSON.stringify(frame));
      expect(frame.finish_reason).toBe('length');
      expect(frame.logprobs?.content).toHaveLength(4);
      const mean =
        (frame.logprobs?.content ?? []).reduce((sum, token) => sum + token.logprob, 0) / 4;
      expect(frame.confidence).toBeCloseTo(Math.exp(mean), 4);
      expect(frame.logprobs?.content[0]?.top_logprobs).toHaveLength(2);
    });

    it('cancels what waits and what runs', async () => {
      const long = { prompt: 'Once', max_tokens: 1500, temperature: 2, seed: 1 };
      await device.prompt({ id: 'c1', ...long, stream: true });
      await device.prompt({ id: 'c2', ...long });
      await until(() => device.frames('c1').some(({ type }) => type === 'delta'), 'a delta');
      await device.publish(`${root}/cancel`, JSON.stringify({ id: 'c2' }));
      await device.publish(`${root}/cancel`, JSON.stringify({ id: 'c1' }));
      expect(await device.terminal('c2')).toMatchObject({ error: { code: 'cancelled' } });
      const running = await device.terminal('c1');
      // An end-of-sequence token may have come first: then there was nothing left to cancel.
      expect(running.type).toBe('done');
    });

    it('answers the prompt although its engine is killed', async () => {
      await device.prompt({ id: 'k', messages: ask('what is MQTT') });
      killQuietly(await daemon.enginePid());
      expect(await device.terminal('k', 60_000)).toMatchObject({ type: 'done' });
    });

    it('serves requests, drains and resumes', async () => {
      const request = async (verb: string, args: object = {}) => {
        const topic = `${root}/response/${verb}`;
        const before = device.messages(topic).length;
        await device.publish(
          `${root}/request/${verb}`,
          JSON.stringify({ transaction: verb, ...args }),
        );
        await until(() => device.messages(topic).length > before, `the response to ${verb}`);
        return JSON.parse(device.messages(topic).at(-1) ?? '') as { status: string; data: object };
      };
      expect(await request('ping')).toMatchObject({ transaction: 'ping', status: 'ok' });
      expect(await request('ping', { telemetry: true })).toMatchObject({
        data: { telemetry: { v: 1, node: NODE_ID, clock: { synchronised: true } } },
      });
      expect(await request('model.list')).toMatchObject({
        data: { active: { id: 'twowatt-nano' } },
      });
      expect(await request('governor.set', { budget_w: 'much' })).toMatchObject({
        error: { code: 'invalid_request', param: 'budget_w' },
      });
      expect(await request('governor.set', {})).toMatchObject({
        error: { code: 'invalid_request' },
      });
      expect(await request('decisions', { limit: 1 })).toMatchObject({
        status: 'ok',
        data: { decisions: [{ target: 'edge', endpoint: null, error: null }] },
      });
      expect(await request('model.rollback')).toMatchObject({ error: { code: 'unsupported' } });
      expect(
        await request('config.set', {
          set: {
            'telemetry.interval_s': 20,
            'mqtt.url': 'mqtt://evil',
            'router.privacy_default': 'any',
          },
        }),
      ).toMatchObject({
        data: {
          applied: ['telemetry.interval_s'],
          refused: [{ key: 'mqtt.url' }, { key: 'router.privacy_default' }],
        },
      });
      const settings = (await request('config.get')).data as {
        settings: { key: string; value: unknown; origin: { source: string } }[];
      };
      expect(settings.settings.find(({ key }) => key === 'telemetry.interval_s')).toMatchObject({
        value: 20,
        origin: { source: 'remote' },
      });
      await request('drain');
      await device.prompt({ id: 'd1', messages: ask('what is MQTT') });
      expect(await device.terminal('d1')).toMatchObject({ error: { code: 'draining' } });
      await request('resume');
      await device.prompt({ id: 'd2', messages: ask('what is MQTT') });
      expect(await device.terminal('d2')).toMatchObject({ type: 'done' });
    });

    it('retains info and health, and publishes telemetry', async () => {
      const latest = (topic: string) => device.messages(`${root}/${topic}`).at(-1) ?? 'null';
      await until(() => latest('telemetry') !== 'null', 'telemetry', 60_000);
      expect(JSON.parse(latest('info'))).toMatchObject({
        node: NODE_ID,
        model: { id: 'twowatt-nano', form: 'int8' },
        limits: { max_payload_bytes: 65536 },
      });
      expect(JSON.parse(latest('health'))).toBeInstanceOf(Array);
      expect(JSON.parse(latest('telemetry'))).toMatchObject({
        v: 1,
        node: NODE_ID,
        power: { budget_w: expect.any(Number), scope: 'above_idle', measured: false },
        engine: { model: 'twowatt-nano', slots: 1 },
        queue: { depth: expect.any(Number) },
      });
    });

    if (version === 5) {
      it('echoes Correlation Data and user properties to the Response Topic', async () => {
        const received = new Promise<{ correlation: string; properties: unknown }>((resolve) => {
          device.client.on('message', (topic, _payload, packet) => {
            if (topic !== `${BASE}/elsewhere/answers`) return;
            resolve({
              correlation: packet.properties?.correlationData?.toString() ?? '',
              properties: packet.properties?.userProperties,
            });
          });
        });
        await device.prompt(
          { messages: ask('what is MQTT') },
          {
            properties: {
              responseTopic: `${BASE}/elsewhere/answers`,
              correlationData: Buffer.from([0, 255, 7]),
              userProperties: { traceparent: '00-abc' },
              messageExpiryInterval: 60,
            },
          },
        );
        expect(await received).toMatchObject({
          correlation: Buffer.from([0, 255, 7]).toString(),
          properties: { traceparent: '00-abc' },
        });
      });
    }
  });
}
