import { type Clock, type Logger, sleep } from '../../core/index.ts';
import { createBackoff } from './backoff.ts';
import { type ConnectionEnd, openConnection, parseBrokerUrl } from './connection.ts';
import type { MqttTlsOptions } from './types.ts';

type Message = { topic: string; payload: Buffer };

export type WillLinkOptions = {
  url: string;
  username?: string;
  password?: string;
  tls?: MqttTlsOptions;
  clientId: string;
  keepaliveS: number;
  /** Subscribed to, at QoS 1, before `onOpen`. */
  topics: string[];
  /** Asked before each connection: what the broker publishes when it breaks (QoS 1, not retained). */
  will: () => Message;
  /** Publishes at QoS 0; says nothing once the connection has ended. */
  onOpen: (publish: (message: Message) => void) => void;
  onClosed: () => void;
  onMessage: (payload: Buffer) => void;
  clock: Clock;
  logger: Logger;
};

export type WillLink = {
  /** Publishes the will itself, so that nobody waits for the broker to notice, and disconnects. */
  close(): Promise<void>;
};

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 60_000;
const STABLE_MS = 30_000;
const RECEIVE_MAXIMUM = 16;
const MAXIMUM_PACKET_BYTES = 256 * 1024;
const GOODBYE_MS = 2000;

/**
 * A connection beside the node's own, for protocols that want a Last Will of theirs: MQTT allows one will
 * per connection, and ours says that the node is offline. Clean session, MQTT 3.1.1, which every broker speaks.
 */
export function openWillLink(options: WillLinkOptions): WillLink {
  const { clock, logger } = options;
  const address = {
    ...parseBrokerUrl(options.url),
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
  };
  const closing = new AbortController();
  const backoff = createBackoff(FIRST_RETRY_MS, Math.random);
  let current: { connection: ReturnType<typeof openConnection>; will: Message } | undefined;
  let isOpen = false;

  const converse = (will: Message): Promise<ConnectionEnd> =>
    new Promise((resolve) => {
      const connection = openConnection(
        {
          address,
          ...(options.tls === undefined ? {} : { tls: options.tls }),
          protocol: 4,
          clientId: options.clientId,
          keepaliveS: options.keepaliveS,
          receiveMaximum: RECEIVE_MAXIMUM,
          sessionExpiryS: 0,
          maximumPacketBytes: MAXIMUM_PACKET_BYTES,
          clean: true,
          will: { ...will, qos: 1, retain: false },
        },
        {
          onAccepted() {
            const subscriptions = options.topics.map((topic) => ({ topic, qos: 1 as const }));
            connection
              .subscribe(subscriptions)
              .then((refused) => {
                if (refused.length > 0)
                  logger.warn({ topics: refused }, 'a subscription is refused');
                isOpen = true;
                return options.onOpen((message) =>
                  connection.publish({ ...message, qos: 0, retain: false }),
                );
              })
              .catch(() => connection.end('cut'));
          },
          onMessage(packet, next) {
            if (packet.qos === 1 && packet.messageId !== undefined) {
              connection.acknowledge(packet.messageId);
            }
            // A retained command is one that was meant for somebody long ago.
            if (!packet.retain) options.onMessage(Buffer.from(packet.payload));
            next();
          },
          onEnd(end) {
            isOpen = false;
            current = undefined;
            options.onClosed();
            resolve(end);
          },
        },
      );
      current = { connection, will };
    });

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      const beganMs = clock.monotonicMs();
      const end = await converse(options.will());
      if (closing.signal.aborted) return;
      logger.info({ problem: end.kind }, `${end.message}; trying again`);
      if (end.accepted && clock.monotonicMs() - beganMs >= STABLE_MS) backoff.reset();
      await sleep(clock, backoff.next(LONGEST_RETRY_MS), closing.signal);
    }
  };
  const running = run();

  return {
    async close() {
      closing.abort();
      const last = current;
      if (last !== undefined && isOpen) {
        const { connection, will } = last;
        const { promise: told, resolve: tell } = Promise.withResolvers<void>();
        connection.publish({ ...will, qos: 1, retain: false }, () => tell());
        await Promise.race([told, sleep(clock, GOODBYE_MS)]);
        connection.end('politely');
      } else last?.connection.end('cut');
      const cut = clock.setTimer(GOODBYE_MS, () => last?.connection.end('cut'));
      await running;
      cut.cancel();
    },
  };
}
