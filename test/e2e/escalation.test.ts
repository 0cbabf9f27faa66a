import { createServer, request as httpRequest, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  freePort,
  type MosquittoBroker,
  mosquittoAvailable,
  startMosquitto,
} from '../fakes/brokers.ts';
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

const GATEWAY = 'gateway';
const POEM = 'Write a short poem about autumn leaves.';

/** Stands between the board and its cloud and keeps what passes; `cut` is a lost network. */
async function startWire(targetPort: number) {
  const passed: string[] = [];
  let lost = false;
  const server: Server = createServer((incoming, outgoing) => {
    if (lost) {
      incoming.socket.destroy();
      return;
    }
    const { method, url: path, headers } = incoming;
    const onward = httpRequest(
      { host: '127.0.0.1', port: targetPort, method, path, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on('error', () => outgoing.destroy());
    passed.push(JSON.stringify(headers));
    incoming.on('data', (chunk: Buffer) => passed.push(chunk.toString()));
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    passed: () => passed.join('\n'),
    lose: (value: boolean) => {
      lost = value;
      if (value) server.closeAllConnections();
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A board whose cloud is another twowatt, over real HTTP; both run the bundled model. */
describe.skipIf(!mosquittoAvailable())('a board and a bigger machine at the gateway', () => {
  const folders = [temporaryFolder(), temporaryFolder()];
  let broker: MosquittoBroker;
  let device: Device;
  let board: DaemonProcess;
  let gateway: DaemonProcess;
  let wire: Awaited<ReturnType<typeof startWire>>;

  beforeAll(async () => {
    broker = await startMosquitto();
    device = await connectDevice(broker.url);
    const port = await freePort();
    wire = await startWire(port);
    const endpoint = {
      name: GATEWAY,
      base_url: `http://127.0.0.1:${wire.port}/v1`,
      model: 'twowatt-nano',
      price_in: 1,
      price_out: 2,
    };
    gateway = startDaemonProcess({
      brokerUrl: broker.url,
      stateFolder: folders[1]!.path,
      // It answers whatever it is asked: what the board makes of that is the board's business.
      set: [`node.id=${GATEWAY}`, `http.port=${port}`, 'router.low_confidence_action=answer'],
    });
    board = startDaemonProcess({
      brokerUrl: broker.url,
      stateFolder: folders[0]!.path,
      set: [`cloud.endpoints=${JSON.stringify([endpoint])}`],
    });
    for (const node of [NODE_ID, GATEWAY]) {
      await until(
        () =>
          device.messages(`${BASE}/${node}/info`).at(-1)?.includes('"id":"twowatt-nano"') ?? false,
        `the model of ${node}`,
      );
    }
  });
  afterAll(async () => {
    await board.stop();
    await gateway.stop();
    await device.close();
    wire.close();
    await broker.close();
    for (const folder of folders) folder.remove();
  });

  const ask = async (id: string, content: string, fields: object = {}) => {
    await device.prompt({ id, messages: [{ role: 'user', content }], ...fields });
    return device.terminal(id, 60_000);
  };

  it('answers at home what the board knows', async () => {
    expect(await ask('home', '打开书房的台灯')).toMatchObject({
      type: 'done',
      route: { target: 'edge', reasons: ['low_difficulty'], escalated: false },
    });
    expect(wire.passed()).toBe('');
  });

  it('escalates what the board is not sure of, and says what it cost', async () => {
    const frame = await ask('poem', POEM, { stream: true });
    expect(frame).toMatchObject({
      type: 'done',
      route: { target: 'cloud', endpoint: GATEWAY, escalated: true },
      cost: { currency: 'USD' },
    });
    if (frame.type !== 'done') return;
    expect(frame.route.reasons[0]).toBe('low_confidence');
    const { prompt_tokens: read, completion_tokens: written } = frame.usage;
    expect(frame.cost.amount).toBeCloseTo((read * 1 + written * 2) / 1e6, 9);
    expect(wire.passed()).toContain('"twowatt-hops":"1"');
  });

  it('lets nothing private out, and puts masked values back', async () => {
    const before = wire.passed().length;
    const frame = await ask('local', `${POEM} For anna.local@example.org`, { privacy: 'local' });
    expect(['done', 'error']).toContain(frame.type);
    expect(wire.passed().length).toBe(before);
    await ask('masked', 'Write a poem for anna.masked@example.org', { route: 'cloud' });
    expect(wire.passed().length).toBeGreaterThan(before);
    expect(wire.passed()).not.toMatch(/anna\.(local|masked)/);
  });

  it('answers without the network, and finds the cloud again', async () => {
    wire.lose(true);
    const insisting = await ask('alone', POEM, { route: 'cloud', deadline_ms: 3000 });
    expect(insisting).toMatchObject({ type: 'error', error: { code: 'cloud_unavailable' } });
    const home = await ask('home2', '打开书房的台灯');
    expect(home).toMatchObject({ type: 'done', route: { target: 'edge' } });
    const poem = await ask('poem2', POEM);
    // With nobody to ask, an unsure answer is kept or, if it were a command, refused.
    if (poem.type === 'error') expect(poem.error.code).toBe('low_confidence');
    else expect(poem.route).toMatchObject({ target: 'edge' });
    wire.lose(false);
    const back = await ask('back', POEM, { route: 'cloud', deadline_ms: 60_000 });
    expect(back).toMatchObject({ type: 'done', route: { target: 'cloud' } });
  });

  it('tells its decisions', async () => {
    await device.publish(
      `${BASE}/${NODE_ID}/request/decisions`,
      JSON.stringify({ transaction: 1, limit: 50 }),
    );
    const topic = `${BASE}/${NODE_ID}/response/decisions`;
    await until(() => device.messages(topic).length > 0, 'the decisions');
    const { data } = JSON.parse(device.messages(topic)[0] ?? '{}') as {
      data: { decisions: { id: string; endpoint: string | null }[] };
    };
    expect(data.decisions.find(({ id }) => id === 'poem')).toMatchObject({ endpoint: GATEWAY });
    expect(data.decisions.find(({ id }) => id === 'home')).toMatchObject({ endpoint: null });
  });
});
