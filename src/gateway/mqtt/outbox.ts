import type { Connection, Outgoing, PublishOutcome } from './connection.ts';

export type Outbox = {
  /** Sends at QoS 1; `lost` at once when the outbox is full, and for all when it closes. */
  send: (message: Outgoing) => Promise<PublishOutcome>;
  /** Resolves when nothing is on its way. */
  idle(): Promise<void>;
  /** The connection is gone: everything unacknowledged is lost. */
  close(): void;
};

/** Unacknowledged messages on the wire, when the broker allows more. */
const LARGEST_WINDOW = 64;
/**
 * What may wait for its turn. A refused prompt has no journal behind it, so there is room for the
 * refusals of a storm (about 300 bytes each); what is beyond is lost.
 */
const MAX_WAITING_MESSAGES = 8192;
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/**
 * The way out at QoS 1, for one connection. mqtt.js does not count what it sends, but a broker ends
 * the connection of a client that exceeds its Receive Maximum, so the window is kept here. Nothing
 * outlives the connection: the journal decides what is sent again, and a second memory in mqtt.js
 * would send it twice.
 */
export function createOutbox(connection: Connection, brokerReceiveMaximum: number): Outbox {
  const window = Math.max(1, Math.min(LARGEST_WINDOW, brokerReceiveMaximum));
  const waiting: { message: Outgoing; resolve: (outcome: PublishOutcome) => void }[] = [];
  const idlers: (() => void)[] = [];
  let waitingBytes = 0;
  let onWire = 0;
  let closed = false;

  const pump = () => {
    while (onWire < window) {
      const next = closed ? undefined : waiting.shift();
      if (next === undefined) break;
      waitingBytes -= next.message.payload.length;
      onWire += 1;
      connection.publish(next.message, (outcome) => {
        onWire -= 1;
        next.resolve(outcome);
        pump();
      });
    }
    if (onWire === 0 && waiting.length === 0) for (const wake of idlers.splice(0)) wake();
  };

  return {
    send(message) {
      const full = waiting.length >= MAX_WAITING_MESSAGES || waitingBytes >= MAX_WAITING_BYTES;
      if (closed || full) return Promise.resolve('lost');
      return new Promise((resolve) => {
        waitingBytes += message.payload.length;
        waiting.push({ message: { ...message, qos: 1 }, resolve });
        pump();
      });
    },
    idle: () =>
      new Promise((resolve) => {
        idlers.push(resolve);
        pump();
      }),
    close() {
      closed = true;
      for (const { resolve } of waiting.splice(0)) resolve('lost');
      pump();
    },
  };
}
