import type { IPublishPacket } from 'mqtt';
import { type Clock, type Logger, sleep } from '../../../core/index.ts';
import { createBackoff } from '../backoff.ts';
import {
  type Connection,
  type ConnectionEnd,
  openConnection,
  parseBrokerUrl,
  type Subscription,
} from '../connection.ts';
import { boundPacketMemory } from '../packet-memory.ts';
import { createProtocolChoice } from '../protocol-choice.ts';
import type { MqttTlsOptions } from '../types.ts';

/** What a fleet server hears; `acknowledge` gives a QoS 1 message up, after which the broker forgets it. */
export type FleetMessage = {
  topic: string;
  payload: Buffer;
  retained: boolean;
  qos: 0 | 1;
  acknowledge: () => void;
};

export type FleetLinkOptions = {
  url: string;
  username?: string;
  password?: string;
  tls?: MqttTlsOptions;
  /** Stable over restarts, and different for each server: the broker keeps the session under it. */
  clientId: string;
  keepaliveS: number;
  /** Seconds for which the broker keeps messages for us while we are away. */
  sessionExpiryS: number;
  /** Messages that the broker may send ahead of their acknowledgement. */
  receiveMaximum: number;
  /** Shared subscriptions are left out on a broker of MQTT 3.1.1. */
  subscriptions: (protocol: 4 | 5) => Subscription[];
  clock: Clock;
  logger: Logger;
  /** Called for each message in the order of arrival; the next is read once `next` was called. */
  onMessage: (message: FleetMessage, next: () => void) => void;
  onConnection: (connected: boolean, detail: string) => void;
  random?: () => number;
};

/** A fleet server on its broker: one session that outlives connections and restarts. */
export type FleetLink = {
  connected(): boolean;
  /** QoS 1; resolves to whether the broker took it. */
  publish(topic: string, payload: string, retain?: boolean): Promise<boolean>;
  close(): Promise<void>;
};

const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;
const STABLE_MS = 10_000;
const SUBSCRIBE_TIMEOUT_MS = 60_000;
const MAXIMUM_PACKET_BYTES = 1024 * 1024;
const CLOSE_MS = 2000;

/**
 * Connects, and goes on until `close`. The acknowledgement of a message is the handler's: what it has not
 * acknowledged when the connection ends, the broker sends again (MQTT 5, section 4.4).
 */
export function openFleetLink(options: FleetLinkOptions): FleetLink {
  boundPacketMemory();
  const { clock, logger } = options;
  const address = {
    ...parseBrokerUrl(options.url),
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
  };
  const backoff = createBackoff(FIRST_RETRY_MS, options.random ?? Math.random);
  const choice = createProtocolChoice('auto', clock);
  const closing = new AbortController();
  let connection: Connection | undefined;
  let settled = false;
  let aliveMs = 0;
  /** QoS 1 messages of this connection that the broker has not been told of, oldest first. */
  let unconfirmed: { done: boolean; confirm: () => void }[] = [];
  let lastProblem = '';

  const receive = (packet: IPublishPacket, from: Connection, next: () => void): void => {
    // Behind many messages the answer to a ping comes too late; that they come is sign of life enough.
    if (clock.monotonicMs() - aliveMs > options.keepaliveS * 500) {
      aliveMs = clock.monotonicMs();
      from.keepAlive();
    }
    const { messageId, qos } = packet;
    const slot = { done: false, confirm: () => from.acknowledge(messageId ?? 0) };
    if (qos !== 0) unconfirmed.push(slot);
    options.onMessage(
      {
        topic: packet.topic,
        payload: packet.payload as Buffer,
        retained: packet.retain,
        qos: qos === 0 ? 0 : 1,
        acknowledge() {
          slot.done = true;
          // In the order in which they came (MQTT 5, section 4.6): those before may still be on their way to disk.
          while (unconfirmed[0]?.done === true) unconfirmed.shift()?.confirm();
        },
      },
      next,
    );
  };

  const subscribe = async (accepted: Connection): Promise<void> => {
    const refused = await accepted.subscribe(options.subscriptions(accepted.protocol));
    if (refused.length > 0) {
      logger.error({ topics: refused }, 'the broker refused subscriptions; check its access rules');
    }
    settled = true;
    lastProblem = '';
    options.onConnection(true, `connected to ${address.host}:${address.port}`);
  };

  const converse = (): Promise<ConnectionEnd & { livedMs: number }> =>
    new Promise((resolve) => {
      const beganMs = clock.monotonicMs();
      const current = openConnection(
        {
          address,
          ...(options.tls === undefined ? {} : { tls: options.tls }),
          protocol: choice.next(),
          clientId: options.clientId,
          keepaliveS: options.keepaliveS,
          receiveMaximum: options.receiveMaximum,
          sessionExpiryS: options.sessionExpiryS,
          maximumPacketBytes: MAXIMUM_PACKET_BYTES,
          will: null,
        },
        {
          onAccepted() {
            choice.accepted();
            const patience = clock.setTimer(SUBSCRIBE_TIMEOUT_MS, () => current.end('cut'));
            subscribe(current)
              .catch(() => current.end('cut'))
              .finally(() => patience.cancel());
          },
          onMessage: (packet, next) => receive(packet, current, next),
          onEnd(end) {
            const was = settled;
            settled = false;
            connection = undefined;
            unconfirmed = [];
            if (!closing.signal.aborted && (was || end.kind !== lastProblem)) {
              lastProblem = end.kind;
              logger.warn({ problem: end.kind }, `${end.message}; trying again`);
              options.onConnection(false, end.message);
            }
            resolve({ ...end, livedMs: clock.monotonicMs() - beganMs });
          },
        },
      );
      connection = current;
    });

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      const end = await converse();
      if (closing.signal.aborted) return;
      if (!end.accepted && choice.failed(end.suspectsProtocol)) continue;
      if (end.accepted && end.livedMs >= STABLE_MS) backoff.reset();
      await sleep(clock, backoff.next(LONGEST_RETRY_MS), closing.signal);
    }
  };
  const running = run();

  return {
    connected: () => settled,
    publish(topic, payload, retain = false) {
      const here = connection;
      if (here === undefined || !settled) return Promise.resolve(false);
      return new Promise((resolve) => {
        here.publish({ topic, payload, qos: 1, retain }, (outcome) =>
          resolve(outcome === 'acknowledged'),
        );
      });
    },
    async close() {
      closing.abort();
      connection?.end('politely');
      const cut = clock.setTimer(CLOSE_MS, () => connection?.end('cut'));
      await running;
      cut.cancel();
    },
  };
}
