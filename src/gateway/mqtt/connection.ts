import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Duplex, PassThrough } from 'node:stream';
import { MqttClient, type IClientOptions, type IConnackPacket, type IPublishPacket } from 'mqtt';
import { TwowattError } from '../../core/index.ts';
import {
  type ConnectionProblem,
  disconnectProblem,
  errorProblem,
  refusalProblem,
  refusesProtocol,
} from './problems.ts';
import type { MqttTlsOptions } from './types.ts';

export type BrokerAddress = {
  host: string;
  port: number;
  secure: boolean;
  username?: string;
  password?: string;
};

export type Outgoing = {
  topic: string;
  payload: string | Buffer;
  qos: 0 | 1;
  retain: boolean;
  properties?: NonNullable<IPublishPacket['properties']>;
};

/** `refused`: the broker took it off our hands but will never deliver it (PUBACK of 0x80 and above). */
export type PublishOutcome = 'acknowledged' | 'refused' | 'lost';

export type Subscription = { topic: string; qos: 0 | 1 };

export type ConnectionEnd = ConnectionProblem & {
  /** The broker had accepted us. */
  accepted: boolean;
  /** It refused the protocol version, or left without a word before accepting us. */
  suspectsProtocol: 'refused' | 'silent' | undefined;
  takenOver: boolean;
};

/** One network connection to the broker, from CONNECT to its end. It never reconnects. */
export type Connection = {
  readonly protocol: 4 | 5;
  publish(message: Outgoing, done?: (outcome: PublishOutcome) => void): void;
  /** Returns the topics that the broker refused. Rejects when the connection ends before. */
  subscribe(subscriptions: Subscription[]): Promise<string[]>;
  unsubscribe(topics: string[]): Promise<void>;
  acknowledge(packetId: number): void;
  /** Bytes that the socket has not taken yet. */
  bufferedBytes(): number;
  /** Tells the broker that we are alive although we read nothing from it. */
  keepAlive(): void;
  /** The interval in force; the broker may have set a shorter one than we asked for. */
  keepaliveS(): number;
  /** DISCONNECT (no Last Will) and close, or cut. */
  end(how: 'politely' | 'cut'): void;
};

export type ConnectionOptions = {
  address: BrokerAddress;
  tls?: MqttTlsOptions | (() => MqttTlsOptions);
  protocol: 4 | 5;
  clientId: string;
  keepaliveS: number;
  receiveMaximum: number;
  sessionExpiryS: number;
  maximumPacketBytes: number;
  /** Null leaves nothing behind that a broker would publish. */
  will: Outgoing | null;
  /** True begins a session that ends with the connection; default false. */
  clean?: boolean;
};

export type ConnectionEvents = {
  onAccepted(connack: IConnackPacket): void;
  /** The next packet of any kind is read once `next` was called. */
  onMessage(packet: IPublishPacket, next: () => void): void;
  onEnd(end: ConnectionEnd): void;
};

const CONNECT_TIMEOUT_MS = 15_000;

export function parseBrokerUrl(text: string): BrokerAddress {
  const refuse = (cause?: unknown) =>
    new TwowattError(
      'invalid_request',
      'mqtt.url: expected mqtt://host:port or mqtts://host:port',
      cause === undefined ? { param: 'mqtt.url' } : { param: 'mqtt.url', cause },
    );
  let url: URL;
  try {
    url = new URL(text);
  } catch (error) {
    throw refuse(error);
  }
  const secure = ['mqtts:', 'ssl:', 'tls:'].includes(url.protocol);
  if ((!secure && !['mqtt:', 'tcp:'].includes(url.protocol)) || url.hostname === '') throw refuse();
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (secure ? 8883 : 1883) : Number(url.port),
    secure,
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
  };
}

/**
 * Deltas are small and a person may watch them come, so Nagle is off. mqtt.js's own builders are
 * left out: they would load ws and socks.
 */
function openSocket(address: BrokerAddress, tls: ConnectionOptions['tls']): Duplex {
  const { host, port } = address;
  if (!address.secure) return connectTcp({ host, port, noDelay: true });
  try {
    const socket = connectTls({
      host,
      port,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(typeof tls === 'function' ? tls() : tls),
    });
    socket.setNoDelay(true);
    return socket;
  } catch (error) {
    // Certificates that are gone, or that OpenSSL cannot read: the end of this connection only.
    return new PassThrough().destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

export function openConnection(options: ConnectionOptions, events: ConnectionEvents): Connection {
  const { address, protocol, will } = options;
  const where = `${address.host}:${address.port}`;
  let problem: ConnectionProblem | undefined;
  let suspectsProtocol: ConnectionEnd['suspectsProtocol'];
  let accepted = false;
  let takenOver = false;
  let ended = false;
  const waiting = new Set<(outcome: PublishOutcome) => void>();

  const properties: NonNullable<IClientOptions['properties']> = {
    sessionExpiryInterval: options.sessionExpiryS,
    receiveMaximum: options.receiveMaximum,
    maximumPacketSize: options.maximumPacketBytes,
  };
  const client = new MqttClient(() => openSocket(address, options.tls), {
    protocolVersion: protocol,
    clientId: options.clientId,
    clean: options.clean ?? false,
    keepalive: options.keepaliveS,
    timerVariant: 'native',
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    log: () => {},
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ...(will === null
      ? {}
      : {
          will: {
            topic: will.topic,
            payload: typeof will.payload === 'string' ? Buffer.from(will.payload) : will.payload,
            qos: will.qos,
            retain: will.retain,
            ...(protocol === 5 && will.properties ? { properties: will.properties } : {}),
          },
        }),
    ...(protocol === 5 ? { properties } : {}),
  });

  // mqtt.js handles one packet at a time and would read no PUBACK and no PINGRESP while a message
  // waits here; an error as the answer makes it go on without acknowledging (lib/handlers/publish.js),
  // and we acknowledge ourselves, later.
  client.handleMessage = (packet, done) => {
    events.onMessage(packet, () => done(packet.qos === 0 ? undefined : new Error('held')));
  };
  client.on('packetreceive', (packet) => {
    // Earlier than mqtt.js's `connect`, which comes ticks after the first queued messages.
    if (packet.cmd !== 'connack') return;
    const code = packet.reasonCode ?? packet.returnCode ?? 0;
    if (code === 0) accepted = true;
    else {
      problem = refusalProblem(where, code);
      if (refusesProtocol(code)) suspectsProtocol = 'refused';
    }
  });
  client.on('connect', (connack) => events.onAccepted(connack));
  client.on('disconnect', (packet) => {
    problem = disconnectProblem(where, packet.reasonCode ?? 0);
    takenOver = packet.reasonCode === 0x8e;
  });
  client.on('error', (error) => {
    problem ??= errorProblem(where, error);
    // A parse error leaves the socket open although nothing on it can be understood any more.
    client.stream.destroy();
  });
  client.on('close', () => {
    if (ended) return;
    ended = true;
    if (!accepted && problem === undefined) suspectsProtocol = 'silent';
    for (const done of waiting) done('lost');
    waiting.clear();
    events.onEnd({
      ...(problem ?? errorProblem(where, undefined)),
      accepted,
      suspectsProtocol,
      takenOver,
    });
  });

  return {
    protocol,
    publish(message, done) {
      if (ended || !client.connected) return done?.('lost');
      const { topic, payload, qos, retain } = message;
      const publishOptions = {
        qos,
        retain,
        ...(protocol === 5 && message.properties ? { properties: message.properties } : {}),
      };
      if (done === undefined) {
        client.publish(topic, payload, publishOptions);
        return;
      }
      const settle = (outcome: PublishOutcome) => {
        if (waiting.delete(settle)) done(outcome);
      };
      waiting.add(settle);
      client.publish(topic, payload, publishOptions, (error) => {
        if (!error) settle('acknowledged');
        else settle('code' in error && typeof error.code === 'number' ? 'refused' : 'lost');
      });
    },
    subscribe(subscriptions) {
      const map = Object.fromEntries(
        subscriptions.map(({ topic, qos }) => [topic, { qos, nl: false, rap: false, rh: 0 }]),
      );
      return new Promise((resolve, reject) => {
        client.subscribe(map, (error, _subscriptions, suback) => {
          if (suback === undefined) {
            reject(error ?? new Error('no answer to SUBSCRIBE'));
            return;
          }
          const granted = suback.granted.map(Number);
          resolve(
            subscriptions
              .filter((_, index) => (granted[index] ?? 0x80) >= 0x80)
              .map((s) => s.topic),
          );
        });
      });
    },
    async unsubscribe(topics) {
      await client.unsubscribeAsync(topics);
    },
    acknowledge(packetId) {
      if (ended || client.stream.destroyed) return;
      // PUBACK with reason 0: these four bytes in both versions (MQTT 5, section 3.4.2.1).
      client.stream.write(Buffer.of(0x40, 2, packetId >> 8, packetId & 0xff));
    },
    bufferedBytes: () => client.stream.writableLength,
    keepAlive() {
      if (!client.connected) return;
      client.sendPing();
      client.reschedulePing(true);
    },
    keepaliveS: () => client.keepalive,
    end(how) {
      if (ended) return;
      // Not `end(true)`: mqtt.js ignores it after an `end()` that still waits for acknowledgements.
      if (how === 'politely' && client.connected) client.end();
      else client.stream.destroy();
    },
  };
}
