import type { Logger } from '../../core/index.ts';

type QueuedPacket = { payload: string | Buffer };
type Subscriber = { clientId: string };

/** The part of aedes' persistence through which messages for persistent sessions are queued. */
export type SessionPersistence = {
  outgoingEnqueueCombi(subscribers: Subscriber[], packet: QueuedPacket): Promise<void>;
  outgoingClearMessageId(
    client: { id: string },
    packet: { messageId: number },
  ): Promise<QueuedPacket | undefined>;
};

/** What one client may have waiting. */
const MAX_MESSAGES = 4096;
/** What all clients together may have waiting. */
const MAX_TOTAL_BYTES = 32 * 1024 * 1024;
/** Clients that have anything waiting. */
const MAX_QUEUES = 128;

/**
 * aedes keeps QoS 1 messages for absent clients in memory without a bound. New messages for a client
 * whose queue is full are dropped, as Mosquitto does with `max_queued_messages`.
 */
export function boundPersistence(persistence: SessionPersistence, logger: Logger): void {
  const queues = new Map<string, { messages: number; full: boolean }>();
  let totalBytes = 0;
  const enqueue = persistence.outgoingEnqueueCombi.bind(persistence);
  const clear = persistence.outgoingClearMessageId.bind(persistence);

  persistence.outgoingEnqueueCombi = (subscribers, packet) => {
    const bytes = packet.payload.length;
    const taken = subscribers.filter(({ clientId }) => {
      let queue = queues.get(clientId);
      if (queue === undefined) {
        if (queues.size >= MAX_QUEUES) return false;
        queue = { messages: 0, full: false };
        queues.set(clientId, queue);
      }
      if (queue.messages >= MAX_MESSAGES || totalBytes + bytes > MAX_TOTAL_BYTES) {
        if (!queue.full) {
          logger.warn({ client: clientId }, 'embedded broker: the queue of a client is full');
        }
        queue.full = true;
        return false;
      }
      queue.messages += 1;
      totalBytes += bytes;
      return true;
    });
    return enqueue(taken, packet);
  };
  persistence.outgoingClearMessageId = async (client, packet) => {
    const gone = await clear(client, packet);
    const queue = queues.get(client.id);
    if (gone !== undefined && queue !== undefined) {
      queue.messages -= 1;
      totalBytes -= gone.payload.length;
      queue.full = false;
      if (queue.messages <= 0) queues.delete(client.id);
    }
    return gone;
  };
}
