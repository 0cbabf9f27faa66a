import type { Outgoing, PublishOutcome } from './connection.ts';
import { writeProperties } from './properties.ts';

export type RetainedDocuments = {
  /** Remembers the document and sends it when there is a connection; null is removed from the broker. */
  set(topic: string, value: object | null): void;
  /** Sends one (or all) of them again, whatever the broker may hold. */
  resend(topic?: string): void;
  /** Where to send; undefined without a connection. */
  attach(send: ((message: Outgoing) => Promise<PublishOutcome>) | undefined): void;
};

/** A retained message without payload removes what the broker holds (MQTT 5, section 3.3.1.3). */
const REMOVAL = '';

/**
 * State, info and health: the broker holds the last of each. Only the newest version of a document
 * waits, so that a health condition that flaps behind a slow broker costs no memory.
 */
export function createRetainedDocuments(
  onAcknowledged: (topic: string) => void,
): RetainedDocuments {
  type Document = { payload: string; onWire: boolean; stale: boolean };
  const documents = new Map<string, Document>();
  let send: ((message: Outgoing) => Promise<PublishOutcome>) | undefined;

  const flush = async (topic: string, document: Document): Promise<void> => {
    const sender = send;
    if (sender === undefined || document.onWire) return;
    document.onWire = true;
    document.stale = false;
    const outcome = await sender({
      topic,
      payload: document.payload,
      qos: 1,
      retain: true,
      properties: writeProperties('application/json'),
    });
    document.onWire = false;
    if (outcome === 'acknowledged') {
      if (document.payload === REMOVAL && !document.stale) documents.delete(topic);
      onAcknowledged(topic);
    }
    if (document.stale && send !== undefined) await flush(topic, document);
  };
  const renew = (topic: string, document: Document) => {
    document.stale = true;
    void flush(topic, document);
  };

  return {
    set(topic, value) {
      const payload = value === null ? REMOVAL : JSON.stringify(value);
      const document = documents.get(topic);
      if (document === undefined) {
        const fresh = { payload, onWire: false, stale: false };
        documents.set(topic, fresh);
        renew(topic, fresh);
      } else if (document.payload !== payload) {
        document.payload = payload;
        renew(topic, document);
      }
    },
    resend(topic) {
      for (const [name, document] of documents) {
        if (topic === undefined || topic === name) renew(name, document);
      }
    },
    attach(sender) {
      send = sender;
    },
  };
}
