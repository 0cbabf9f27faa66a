import { connect, type Socket } from 'node:net';
import { generate, type Packet, parser } from 'mqtt-packet';
import { parseBrokerUrl } from '../connection.ts';

export type LightMessage = { topic: string; payload: Buffer; retain: boolean };

export type LightClientOptions = {
  /** `mqtt://host:port`; TLS is left out. */
  url: string;
  clientId: string;
  /** Seconds; whoever uses the client calls `ping` often enough. */
  keepaliveS: number;
  username?: string;
  password?: string;
  will?: { topic: string; payload: string };
  onConnected: () => void;
  onMessage?: (message: LightMessage) => void;
  /** A broker took a QoS 1 message. */
  onAcknowledged?: () => void;
  /** Also when the connection was never made. */
  onClosed: (reason: string) => void;
};

export type LightClient = {
  subscribe(topics: readonly string[]): void;
  publish(topic: string, payload: string, retain?: boolean): void;
  ping(): void;
  /** Messages that wait for their acknowledgement. */
  unacknowledged(): number;
  /** `cut`: without DISCONNECT, so that the broker publishes the will. */
  end(how: 'politely' | 'cut'): void;
};

/**
 * The least client that is a board to a broker: MQTT 5, QoS 1, one connection, no store, no timers. mqtt.js
 * takes some 60 kB and half a millisecond of CPU per connection; the simulator holds ten thousand.
 */
export function openLightClient(options: LightClientOptions): LightClient {
  const { host, port } = parseBrokerUrl(options.url);
  const socket: Socket = connect({ host, port, noDelay: true });
  const incoming = parser({ protocolVersion: 5 });
  const waiting = new Set<number>();
  let lastId = 0;
  let connected = false;
  let ended = false;
  let reason = 'closed';

  const send = (packet: Packet): void => {
    if (!ended) socket.write(generate(packet, { protocolVersion: 5 }));
  };
  const nextId = (): number => {
    do lastId = (lastId % 65_535) + 1;
    while (waiting.has(lastId));
    return lastId;
  };

  socket.once('connect', () => {
    send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 5,
      clean: true,
      clientId: options.clientId,
      keepalive: options.keepaliveS,
      ...(options.username === undefined ? {} : { username: options.username }),
      ...(options.password === undefined ? {} : { password: Buffer.from(options.password) }),
      ...(options.will === undefined
        ? {}
        : {
            will: {
              topic: options.will.topic,
              payload: Buffer.from(options.will.payload),
              qos: 1,
              retain: true,
            },
          }),
    });
  });
  const accepted = (code: number): void => {
    if (code !== 0) {
      reason = `refused: ${code}`;
      socket.destroy();
      return;
    }
    connected = true;
    options.onConnected();
  };
  incoming.on('packet', (packet: Packet) => {
    if (packet.cmd === 'connack') accepted(packet.reasonCode ?? 0);
    else if (packet.cmd === 'publish') {
      if (packet.qos !== 0) send({ cmd: 'puback', messageId: packet.messageId ?? 0 });
      const { topic, payload, retain } = packet;
      options.onMessage?.({ topic, payload: payload as Buffer, retain });
    } else if (packet.cmd === 'puback') {
      if (waiting.delete(packet.messageId ?? 0)) options.onAcknowledged?.();
    } else if (packet.cmd === 'disconnect') {
      reason = `disconnected: ${packet.reasonCode ?? 0}`;
    }
  });
  incoming.on('error', (error: Error) => {
    reason = error.message;
    socket.destroy();
  });
  socket.on('data', (chunk) => incoming.parse(chunk));
  socket.on('error', (error) => {
    reason = error.message;
  });
  socket.once('close', () => {
    ended = true;
    options.onClosed(reason);
  });

  return {
    subscribe(topics) {
      send({
        cmd: 'subscribe',
        messageId: nextId(),
        subscriptions: topics.map((topic) => ({ topic, qos: 1 as const })),
      });
    },
    publish(topic, payload, retain = false) {
      if (ended || !connected) return;
      const messageId = nextId();
      waiting.add(messageId);
      send({ cmd: 'publish', topic, payload, qos: 1, retain, dup: false, messageId });
    },
    ping: () => send({ cmd: 'pingreq' }),
    unacknowledged: () => waiting.size,
    end(how) {
      if (how === 'politely' && connected) {
        send({ cmd: 'disconnect' });
        socket.end();
      } else socket.destroy();
    },
  };
}
