import type { IConnackPacket, IPublishPacket } from 'mqtt';
import { type Clock, type Logger, sleep, type TimerHandle } from '../../core/index.ts';
import { type InfoMessage, nodeTopics, type StateMessage } from '../../protocol/index.ts';
import { createBackoff } from './backoff.ts';
import {
  type Connection,
  type ConnectionEnd,
  openConnection,
  type Outgoing,
  parseBrokerUrl,
} from './connection.ts';
import { createDuplicateGuard } from './duplicate-guard.ts';
import { createInbound } from './inbound.ts';
import { readState } from './messages.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { boundPacketMemory } from './packet-memory.ts';
import { writeProperties } from './properties.ts';
import { createProtocolChoice } from './protocol-choice.ts';
import { createReplies } from './replies.ts';
import { createRequests } from './requests.ts';
import { createRetainedDocuments } from './retained.ts';
import { ownSubscriptions, sharedSubscriptions } from './routes.ts';
import type { MqttGateway, MqttGatewayHandlers, MqttGatewayOptions } from './types.ts';

/** A connection that is subscribed and ready to deliver. */
export type Session = {
  connection: Connection;
  outbox: Outbox;
  /** The largest packet that the broker takes. */
  maximumPacketBytes: number;
};

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;
/** With a second node of our id about, both stay away longer, so that they do not fight. */
const LONGEST_DUPLICATE_RETRY_MS = 60_000;
/** A connection that lived this long was a good one: the next retry begins small again. */
const STABLE_MS = 30_000;
/** A broker that has accepted us answers SUBSCRIBE at once, or something is broken. */
const SUBSCRIBE_TIMEOUT_MS = 15_000;
/** Least time between two repetitions of our state after somebody else's Last Will overwrote it. */
const REASSERT_MS = 5000;
/**
 * MQTT 5 Maximum Packet Size. What is larger never reaches us: the broker drops it, unanswered. What
 * is smaller and over `maxPayloadBytes` is answered with `payload_too_large`.
 */
const MAXIMUM_PACKET_BYTES = 8 * 1024 * 1024;

export function createMqttGateway(parts: {
  options: MqttGatewayOptions;
  handlers: MqttGatewayHandlers;
  logger: Logger;
  clock: Clock;
}): MqttGateway {
  boundPacketMemory();
  const { options, handlers, logger, clock } = parts;
  const address = {
    ...parseBrokerUrl(options.url),
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
  };
  const topics = nodeTopics(options.baseTopic, options.node);
  const will: Outgoing = {
    topic: topics.state,
    payload: JSON.stringify(stateMessage('offline', null)),
    qos: 1,
    retain: true,
    properties: writeProperties('application/json'),
  };
  const backoff = createBackoff(FIRST_RETRY_MS, options.random ?? Math.random);
  const choice = createProtocolChoice(options.protocol ?? 'auto', clock);
  const closing = new AbortController();
  let running: Promise<void> | undefined;
  let connection: Connection | undefined;
  let session: Session | undefined;
  let settling: Promise<void> | undefined;
  let state: StateMessage | undefined;
  let info: InfoMessage | undefined;
  let features: string[] = [];
  let lastProblem: string | undefined;

  const guard = createDuplicateGuard({
    instance: options.instance,
    clock,
    onDuplicate: handlers.onDuplicateNode,
    onGone: handlers.onDuplicateNodeGone,
  });
  const retained = createRetainedDocuments((topic) => {
    if (topic === topics.state) guard.established();
    handlers.onRetained?.(topic);
  });
  const replies = createReplies(
    () => session,
    () => settling,
    logger,
  );
  const inbound = createInbound(
    options,
    {
      onPrompt: handlers.onPrompt,
      onCancel: handlers.onCancel,
      onRequest: createRequests(options, handlers.onVerb, replies.send, logger),
      onState,
      onWatched: ({ topic, payload }) => handlers.onWatched?.(topic, Buffer.from(payload)),
      onStaleSubscription(stale) {
        logger.info({ topics: stale }, 'ended a subscription of an earlier configuration');
        connection?.unsubscribe(stale).catch(() => {});
      },
    },
    logger,
    clock,
  );

  function stateMessage(name: StateMessage['state'], since: string | null): StateMessage {
    return { state: name, since, instance: options.instance };
  }

  function onState(packet: IPublishPacket): void {
    const message = readState(packet.payload);
    if (message === undefined || closing.signal.aborted) return;
    guard.stateSeen(message, packet.retain);
    // A Last Will that comes late (of our own last connection, or of a stranger) must not stay.
    if (message.state === 'offline' && !packet.retain) reassert();
  }

  let reasserting: TimerHandle | undefined;
  let reassertedAt = Number.NEGATIVE_INFINITY;
  function reassert(): void {
    if (reasserting !== undefined) return;
    const delayMs = Math.max(0, reassertedAt + REASSERT_MS - clock.monotonicMs());
    reasserting = clock.setTimer(delayMs, () => {
      reasserting = undefined;
      if (closing.signal.aborted) return;
      reassertedAt = clock.monotonicMs();
      retained.resend(topics.state);
    });
  }

  function setInfo(): void {
    if (info === undefined) return;
    retained.set(topics.info, { ...info, features: [...info.features, ...features] });
  }

  /** Subscribes, then says that we are there: who sees `online` may send at once. */
  async function settle(accepted: Connection, connack: IConnackPacket): Promise<void> {
    choice.accepted();
    const broker = connack.properties ?? {};
    const sharing =
      options.pools.length > 0 &&
      state?.state !== 'draining' &&
      broker.sharedSubscriptionAvailable !== false;
    const shared = sharing ? sharedSubscriptions(options) : [];
    // Every time, also when the session is still there: the pools may have changed, and the broker
    // answers with the retained state that the guard wants to see.
    const refused = await accepted.subscribe([...ownSubscriptions(options), ...shared]);
    if (connection !== accepted) return;
    if (refused.length > 0) {
      logger.warn({ topics: refused }, 'the broker refuses subscriptions; check its access rules');
    }
    features = accepted.protocol === 5 ? ['mqtt5'] : [];
    if (options.pools.length > 0) {
      const served =
        accepted.protocol === 5 &&
        broker.sharedSubscriptionAvailable !== false &&
        !shared.some(({ topic }) => refused.includes(topic));
      if (served) features.push('pools');
      else
        logger.warn(
          { pools: options.pools },
          'this broker does not promise shared subscriptions: pools may stay without prompts',
        );
    }
    const outbox = createOutbox(accepted, broker.receiveMaximum ?? 65_535);
    session = {
      connection: accepted,
      outbox,
      maximumPacketBytes: broker.maximumPacketSize ?? Number.POSITIVE_INFINITY,
    };
    setInfo();
    retained.attach(outbox.send);
    retained.resend();
    const message = `connected to ${address.host}:${address.port} with MQTT ${accepted.protocol === 5 ? '5' : '3.1.1'}`;
    logger.info({ protocol: accepted.protocol, sessionPresent: connack.sessionPresent }, message);
    handlers.onConnection('connected', { message, protocol: accepted.protocol });
  }

  /** One connection from beginning to end. */
  function converse(): Promise<ConnectionEnd & { livedMs: number }> {
    return new Promise((resolve) => {
      const beganMs = clock.monotonicMs();
      const current = openConnection(
        {
          address,
          ...(options.tls === undefined ? {} : { tls: options.tls }),
          protocol: choice.next(),
          clientId: `twowatt-${options.node}`,
          keepaliveS: options.keepaliveS,
          receiveMaximum: options.receiveMaximum,
          sessionExpiryS: options.sessionExpiryS,
          maximumPacketBytes: Math.max(MAXIMUM_PACKET_BYTES, 2 * options.maxPayloadBytes),
          will,
        },
        {
          onAccepted(connack) {
            const patience = clock.setTimer(SUBSCRIBE_TIMEOUT_MS, () => current.end('cut'));
            settling = settle(current, connack)
              .catch((error: unknown) => {
                logger.debug({ error: String(error) }, 'the connection ended while subscribing');
                current.end('cut');
              })
              .finally(() => patience.cancel());
          },
          onMessage: (packet, next) => inbound.receive(packet, current, next),
          onEnd(end) {
            const ended = session;
            connection = undefined;
            session = undefined;
            retained.attach(undefined);
            ended?.outbox.close();
            if (end.takenOver) guard.takenOver();
            if (!closing.signal.aborted) report(end, ended !== undefined);
            resolve({ ...end, livedMs: clock.monotonicMs() - beganMs });
          },
        },
      );
      connection = current;
    });
  }

  /** Each problem is told once, not once per attempt. */
  function report(end: ConnectionEnd, wasConnected: boolean): void {
    if (!wasConnected && end.kind === lastProblem) {
      logger.debug({ problem: end.kind }, end.message);
      return;
    }
    lastProblem = end.kind;
    logger.warn({ problem: end.kind }, `${end.message}; trying again`);
    handlers.onConnection('disconnected', { message: end.message, protocol: 0 });
  }

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      const end = await converse();
      if (closing.signal.aborted) return;
      if (!end.accepted && choice.failed(end.suspectsProtocol)) continue;
      if (end.accepted && end.livedMs >= STABLE_MS && !guard.active()) backoff.reset();
      const capMs = guard.active() ? LONGEST_DUPLICATE_RETRY_MS : LONGEST_RETRY_MS;
      await sleep(clock, backoff.next(capMs), closing.signal);
    }
  }

  return {
    ...replies,
    start() {
      running ??= run();
    },
    connected: () => session !== undefined,
    protocol: () => session?.connection.protocol,
    publishState(name) {
      if (closing.signal.aborted || state?.state === name) return;
      state = stateMessage(
        name,
        clock.wallTrusted() ? new Date(clock.wallMs()).toISOString() : null,
      );
      retained.set(topics.state, state);
      const shared = sharedSubscriptions(options);
      if (session === undefined || shared.length === 0) return;
      const moved =
        name === 'draining'
          ? session.connection.unsubscribe(shared.map(({ topic }) => topic))
          : session.connection.subscribe(shared);
      moved.catch(() => {
        // The connection is gone; `settle` looks at the state when there is a new one.
      });
    },
    publishInfo(message) {
      info = message;
      setInfo();
    },
    publishHealth(conditions) {
      retained.set(topics.health, conditions);
    },
    resendRetained: (topic) => retained.resend(topic),
    publishRetained: (topic, value) => retained.set(topic, value),
    publishTelemetry(telemetry) {
      return replies.sendTelemetry(topics.telemetry, telemetry);
    },
    async close(deadlineMs) {
      if (closing.signal.aborted) return running;
      const deadline = new AbortController();
      const timer = clock.setTimer(deadlineMs, () => deadline.abort());
      const aborted = new Promise<void>((resolve) => {
        deadline.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      const inTime = (work: Promise<unknown>) => Promise.race([work, aborted]);
      await inTime(sayGoodbye());
      closing.abort();
      reasserting?.cancel();
      guard.stop();
      const polite = session !== undefined && !deadline.signal.aborted;
      connection?.end(polite ? 'politely' : 'cut');
      if (running !== undefined) await inTime(running);
      connection?.end('cut');
      timer.cancel();
      await running;
    },
  };

  async function sayGoodbye(): Promise<void> {
    const shared = sharedSubscriptions(options).map(({ topic }) => topic);
    if (session !== undefined && shared.length > 0) {
      await session.connection.unsubscribe(shared).catch(() => {});
    }
    await inbound.stop();
    const last = session;
    if (last === undefined) return;
    await last.outbox.idle();
    state = stateMessage(
      'offline',
      clock.wallTrusted() ? new Date(clock.wallMs()).toISOString() : null,
    );
    retained.set(topics.state, state);
    await last.outbox.idle();
  }
}
