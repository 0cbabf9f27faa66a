import type { IPublishPacket } from 'mqtt';
import { type Clock, type Logger, type TimerHandle, toTwowattError } from '../../core/index.ts';
import { poolTopics } from '../../protocol/index.ts';
import type { Connection } from './connection.ts';
import { type HeldPacket, readCancel, shorten, toInboundPrompt } from './messages.ts';
import { createRouter, type Route } from './routes.ts';
import type { MqttGatewayHandlers, MqttGatewayOptions } from './types.ts';

export type Inbound = {
  /** Takes a message off a connection; `next` lets the connection read on. */
  receive(packet: IPublishPacket, connection: Connection, next: () => void): void;
  /** Hands out no further message; resolves when the one in work is acknowledged. */
  stop(): Promise<void>;
};

type Job = { packet: HeldPacket; connection: Connection; receivedMs: number; route: Route };
/** With the intake full we read nothing, so pings are ours to send: at a third of the keepalive. */
const FULL_PING_DIVISOR = 3;

/**
 * The way in. Prompts and cancels wait in one line and are handled one at a time, each acknowledged
 * when its handler is through; requests and state messages are acknowledged and handled at once.
 *
 * Invariants:
 * - at most `receiveMaximum` messages wait here. MQTT 5 brokers keep to that by themselves; for
 *   MQTT 3.1.1 and QoS 0 the connection is not read until there is room, so TCP holds the rest.
 * - a message is acknowledged on the connection that it came by, or not at all: packet ids mean
 *   nothing on the next one. What was handed out on a dead connection is still handled; the broker
 *   sends it again and the journal knows it.
 */
export function createInbound(
  options: MqttGatewayOptions,
  handlers: Pick<MqttGatewayHandlers, 'onPrompt' | 'onCancel'> & {
    onRequest: (verb: string, packet: IPublishPacket) => void;
    onState: (packet: IPublishPacket) => void;
    onWatched: (packet: IPublishPacket) => void;
    /** A subscription of an earlier configuration still lives in our session. */
    onStaleSubscription: (topics: string[]) => void;
  },
  logger: Logger,
  clock: Clock,
): Inbound {
  const routeOf = createRouter(options);
  const line: Job[] = [];
  let working: Promise<void> | undefined;
  let resume: { next: () => void; pings: TimerHandle } | undefined;
  let stopped = false;

  const push = (job: Job) => {
    line.push(job);
    working ??= work();
  };
  const acknowledge = (packet: IPublishPacket, connection: Connection) => {
    if (packet.qos === 1 && packet.messageId !== undefined) {
      connection.acknowledge(packet.messageId);
    }
  };

  const handle = async ({ packet, receivedMs, route }: Job): Promise<void> => {
    if (route.kind === 'cancel') {
      const id = readCancel(packet.payload);
      if (id === undefined) logger.debug({ topic: packet.topic }, 'ignored a cancel without an id');
      else handlers.onCancel(id);
    } else if (route.kind === 'prompt') {
      const waitedMs = clock.monotonicMs() - receivedMs;
      await handlers.onPrompt(toInboundPrompt(packet, route.prompt, waitedMs));
    }
  };

  const work = async (): Promise<void> => {
    for (let job = line.shift(); job !== undefined; job = stopped ? undefined : line.shift()) {
      if (resume !== undefined) {
        const { next, pings } = resume;
        resume = undefined;
        pings.cancel();
        next();
      }
      try {
        await handle(job);
      } catch (error) {
        logger.error(
          { topic: job.packet.topic, error: toTwowattError(error).message },
          'a message could not be handled; it is acknowledged all the same',
        );
      }
      acknowledge(job.packet, job.connection);
    }
    working = undefined;
  };

  return {
    receive(packet, connection, next) {
      // Read on, for the acknowledgements of our last messages; what is not acknowledged stays with
      // the broker.
      if (stopped) return next();
      const route = routeOf(packet.topic);
      if (packet.retain && route.kind !== 'state') {
        logger.debug({ topic: packet.topic }, 'ignored a retained message');
        acknowledge(packet, connection);
        return next();
      }
      switch (route.kind) {
        case 'state':
          acknowledge(packet, connection);
          handlers.onState(packet);
          return next();
        case 'watched':
          acknowledge(packet, connection);
          handlers.onWatched(packet);
          return next();
        case 'request':
          // Before it runs: a `restart` that is acknowledged after it would be sent to us again.
          acknowledge(packet, connection);
          handlers.onRequest(route.verb, packet);
          return next();
        case 'stranger':
          acknowledge(packet, connection);
          handlers.onStaleSubscription([packet.topic]);
          return next();
        case 'prompt':
          if (route.strayPool !== undefined) {
            const pool = poolTopics(options.baseTopic, route.strayPool);
            handlers.onStaleSubscription([pool.sharedPrompt, pool.cancel]);
          }
          break;
        case 'cancel':
          break;
      }
      push({
        packet: shorten(packet, options.maxPayloadBytes),
        connection,
        receivedMs: clock.monotonicMs(),
        route,
      });
      if (line.length < options.receiveMaximum) return next();
      resume?.pings.cancel();
      const pings = clock.setRepeating((connection.keepaliveS() * 1000) / FULL_PING_DIVISOR, () =>
        connection.keepAlive(),
      );
      resume = { next, pings };
    },
    async stop() {
      stopped = true;
      resume?.pings.cancel();
      resume?.next();
      resume = undefined;
      await working;
    },
  };
}
