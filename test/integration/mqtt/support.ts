import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import { createSystemClock, newId, silentLogger, type Logger } from '../../../src/core/index.ts';
import {
  createMqttGateway,
  type MqttGateway,
  type MqttGatewayHandlers,
  type MqttGatewayOptions,
} from '../../../src/gateway/mqtt/index.ts';
import type { InboundPrompt } from '../../../src/service/ports.ts';
import {
  mosquittoAvailable,
  startAedes,
  startMosquitto,
  type TestBroker,
} from '../../fakes/brokers.ts';

export const BASE = 'twowatt/v1';
const NODE = 'board';
export const TOPIC = `${BASE}/${NODE}`;

export type Flavour = {
  name: string;
  protocol: 4 | 5;
  aedes: boolean;
  start: () => Promise<TestBroker>;
};

/** Every broker and version that the gateway promises to work with. */
export function flavours(): Flavour[] {
  const list: Flavour[] = [
    { name: 'aedes, MQTT 3.1.1', protocol: 4, aedes: true, start: () => startAedes() },
  ];
  if (mosquittoAvailable()) {
    list.push(
      { name: 'Mosquitto, MQTT 5', protocol: 5, aedes: false, start: () => startMosquitto() },
      { name: 'Mosquitto, MQTT 3.1.1', protocol: 4, aedes: false, start: () => startMosquitto() },
    );
  }
  return list;
}

/** Bytes of buffers that something still refers to. */
export function liveBufferBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // The second begins when the first one's buffers, which another thread frees, are gone.
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}

export async function until(
  condition: () => boolean,
  what: string,
  timeoutMs = 20_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await new Promise((wake) => setTimeout(wake, 5));
  }
}

/** Long enough for a local broker to have delivered what it was going to deliver. */
export const quiet = (ms = 250): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

export type TestNode = {
  gateway: MqttGateway;
  prompts: InboundPrompt[];
  texts(): string[];
  cancels: string[];
  verbs: { verb: string; args: Record<string, unknown> }[];
  connections: string[];
  duplicates: string[];
  logs: { level: string; message: string }[];
  online(): Promise<void>;
};

export type TestNodeOptions = Partial<MqttGatewayOptions> & {
  onPrompt?: (message: InboundPrompt) => Promise<void>;
  onVerb?: MqttGatewayHandlers['onVerb'];
};

/** A gateway with handlers that write down what they were called with. */
export function createTestNode(url: string, options: TestNodeOptions = {}): TestNode {
  const { onPrompt, onVerb, ...overrides } = options;
  const prompts: InboundPrompt[] = [];
  const cancels: string[] = [];
  const verbs: TestNode['verbs'] = [];
  const connections: string[] = [];
  const duplicates: string[] = [];
  const logs: TestNode['logs'] = [];
  const log = (level: string) => (_fields: unknown, message: string) =>
    logs.push({ level, message });
  const logger: Logger = {
    ...silentLogger,
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    child: () => logger,
  };
  const gateway = createMqttGateway({
    options: {
      url,
      baseTopic: BASE,
      node: NODE,
      pools: [],
      instance: newId(),
      keepaliveS: 60,
      receiveMaximum: 20,
      sessionExpiryS: 86_400,
      maxPayloadBytes: 65_536,
      ...overrides,
    },
    handlers: {
      async onPrompt(message) {
        prompts.push(message);
        await onPrompt?.(message);
      },
      onCancel: (id) => cancels.push(id),
      async onVerb(verb, args) {
        verbs.push({ verb, args });
        return onVerb?.(verb, args);
      },
      onConnection: (state) => connections.push(state),
      onDuplicateNode: (detail) => duplicates.push(detail),
      onDuplicateNodeGone: () => duplicates.push('gone'),
    },
    logger,
    clock: createSystemClock(),
  });
  return {
    gateway,
    prompts,
    texts: () => prompts.map(({ payload }) => Buffer.from(payload).toString()),
    cancels,
    verbs,
    connections,
    duplicates,
    logs,
    async online() {
      gateway.publishState('online');
      gateway.start();
      await until(() => gateway.connected(), 'the gateway to connect');
    },
  };
}

type Received = { topic: string; text: string; packet: IPublishPacket };

export type TestDevice = {
  client: MqttClient;
  received: Received[];
  on(topic: string): Received[];
  send(
    topic: string,
    payload: string | Buffer,
    options?: Parameters<MqttClient['publishAsync']>[2],
  ): Promise<void>;
  close(): Promise<void>;
};

/** A client that hears everything below the base topic. */
export async function connectTestDevice(
  url: string,
  protocol: 4 | 5,
  options: IClientOptions = {},
): Promise<TestDevice> {
  const client = await connectAsync(url, {
    protocolVersion: protocol,
    reconnectPeriod: 50,
    ...options,
  });
  const received: Received[] = [];
  client.on('error', () => {});
  client.on('message', (topic, payload, packet) => {
    received.push({ topic, text: payload.toString(), packet });
  });
  await client.subscribeAsync([`${BASE}/#`, 'elsewhere/#'], { qos: 1 });
  return {
    client,
    received,
    on: (topic) => received.filter((message) => message.topic === topic),
    async send(topic, payload, publishOptions) {
      await client.publishAsync(topic, payload, { qos: 1, ...publishOptions });
    },
    close: () => client.endAsync(true),
  };
}

export function answer(topic: string, payload: string, more: object = {}) {
  return {
    seq: 1,
    id: 'a',
    payload,
    reply: {
      kind: 'mqtt' as const,
      topic,
      format: 'frames' as const,
      correlation: null,
      userProperties: null,
      ...more,
    },
  };
}
