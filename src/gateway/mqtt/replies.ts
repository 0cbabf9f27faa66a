import type { Logger } from '../../core/index.ts';
import type { Telemetry } from '../../protocol/index.ts';
import type { ReplyPort } from '../../service/ports.ts';
import type { Outgoing, PublishOutcome } from './connection.ts';
import type { Session } from './gateway.ts';
import { type Echo, writeProperties } from './properties.ts';

type Answer = Parameters<ReplyPort['trySend']>[0];

export type Replies = ReplyPort & {
  /** A response to a request: QoS 1, lost without a connection. */
  send: (message: Outgoing) => void;
  /** `lost` at once without a connection, or while the one before is not acknowledged yet. */
  sendTelemetry(topic: string, telemetry: Telemetry): Promise<PublishOutcome>;
};

/** Deltas are dropped while the socket holds more than this: a slow broker must not cost memory. */
const MAX_BUFFERED_BYTES = 64 * 1024;
/** Upper bound of what a PUBLISH needs besides topic, payload and echoed properties. */
const PACKET_OVERHEAD_BYTES = 128;

/** A broker cuts the connection of whom sends such a topic, and would do so again at each retry. */
const UNPUBLISHABLE = ['+', '#', '\u0000'];
const isPublishable = (topic: string): boolean =>
  topic.length > 0 &&
  Buffer.byteLength(topic) <= 65_535 &&
  !UNPUBLISHABLE.some((character) => topic.includes(character));

function echoBytes({ correlation, userProperties }: Echo): number {
  let bytes = correlation?.length ?? 0;
  for (const [name, values] of Object.entries(userProperties ?? {})) {
    for (const value of [values].flat()) {
      bytes += Buffer.byteLength(name) + Buffer.byteLength(value) + 5;
    }
  }
  return bytes;
}

/** `settling` resolves when the connection that was just accepted is subscribed, or gone. */
export function createReplies(
  current: () => Session | undefined,
  settling: () => Promise<void> | undefined,
  logger: Logger,
): Replies {
  let telemetryOnWire = false;

  const toOutgoing = ({ reply, payload }: Answer, qos: 0 | 1): Outgoing => ({
    topic: reply.topic,
    payload,
    qos,
    retain: false,
    properties: writeProperties(reply.format === 'text' ? 'text/plain' : 'application/json', reply),
  });
  /** Why no retry will ever get this answer through. */
  const hopeless = ({ reply, payload }: Answer, session: Session): string | undefined => {
    if (!isPublishable(reply.topic)) return 'its reply topic cannot be published to';
    const bytes =
      Buffer.byteLength(payload) +
      Buffer.byteLength(reply.topic) +
      echoBytes(reply) +
      PACKET_OVERHEAD_BYTES;
    if (bytes > session.maximumPacketBytes) {
      return `it needs about ${bytes} bytes and the broker takes ${session.maximumPacketBytes}`;
    }
    return undefined;
  };

  return {
    async deliver(answer) {
      // The broker hands out what has waited for us before it answers SUBSCRIBE; refusals and repeated
      // answers would be lost here, since no journal sends them again.
      if (current() === undefined) await settling();
      const session = current();
      if (session === undefined) return false;
      const problem = hopeless(answer, session);
      if (problem !== undefined) {
        logger.error({ id: answer.id }, `an answer is given up: ${problem}`);
        return true;
      }
      const outcome = await session.outbox.send(toOutgoing(answer, 1));
      if (outcome === 'refused') {
        logger.warn(
          { id: answer.id, topic: answer.reply.topic },
          'the broker refuses an answer; check its access rules',
        );
      }
      return outcome !== 'lost';
    },
    gone: () => false,
    trySend(answer) {
      const session = current();
      if (session === undefined || hopeless(answer, session) !== undefined) return;
      if (session.connection.bufferedBytes() > MAX_BUFFERED_BYTES) return;
      session.connection.publish(toOutgoing(answer, 0));
    },
    send(message) {
      void (async () => {
        if (current() === undefined) await settling();
        await current()?.outbox.send(message);
      })();
    },
    async sendTelemetry(topic, telemetry) {
      const session = current();
      if (session === undefined || telemetryOnWire) return 'lost';
      telemetryOnWire = true;
      try {
        return await session.outbox.send({
          topic,
          payload: JSON.stringify(telemetry),
          qos: 1,
          retain: false,
          properties: writeProperties('application/json'),
        });
      } finally {
        telemetryOnWire = false;
      }
    },
  };
}
