import { type ErrorBody, newId } from '../../core/index.ts';
import { FRAME_VERSION, type Frame } from '../../protocol/index.ts';
import type { ReplyPort } from '../../service/ports.ts';

/** A request that waits for its frames; closed by exactly one terminal frame or by `leave`. */
export type Exchange = {
  id: string;
  topic: string;
  /** Names this one request, in the form of Correlation Data. */
  correlation: string;
  /** The client has hung up. */
  leave(): void;
};

export type Exchanges = ReplyPort & {
  open(clientId: string | undefined, onFrame: (frame: Frame) => void): Exchange;
  /** Ends all that is open with this error. */
  failAll(error: ErrorBody): void;
  count(): number;
};

type Open = {
  id: string;
  /** A made-up id never comes again. */
  idGiven: boolean;
  topic: string;
  correlation: string;
  onFrame: (frame: Frame) => void;
};

/** So many ids whose clients hung up are remembered, each a few dozen bytes. */
const MOST_ABANDONED_IDS = 1000;

/**
 * The open requests, as reply topics. All connections of one life of the daemon share a topic, so that
 * the same id and body asked twice gets one answer, as over MQTT. What a client gave up on must not
 * be given to its next try, so an abandoned id moves on to a fresh topic.
 */
export function createExchanges(options: {
  node: string;
  instance: string;
  /** The last client that waited for this answer has gone. */
  onAbandoned: (id: string, topic: string) => void;
}): Exchanges {
  const byPrompt = new Map<string, Set<Open>>();
  const byRequest = new Map<string, Open>();
  const abandonedTimes = new Map<string, number>();

  const promptKey = (id: string, topic: string) => `${topic} ${id}`;

  function remove(open: Open): boolean {
    if (!byRequest.delete(open.correlation)) return false;
    const key = promptKey(open.id, open.topic);
    const waiting = byPrompt.get(key);
    waiting?.delete(open);
    if (waiting?.size === 0) byPrompt.delete(key);
    return true;
  }

  function abandon(open: Open): void {
    if (!remove(open) || byPrompt.has(promptKey(open.id, open.topic))) return;
    if (open.idGiven) moveOn(open.id);
    options.onAbandoned(open.id, open.topic);
  }

  function moveOn(id: string): void {
    const times = (abandonedTimes.get(id) ?? 0) + 1;
    abandonedTimes.delete(id);
    abandonedTimes.set(id, times);
    const [oldest] = abandonedTimes.keys();
    if (abandonedTimes.size > MOST_ABANDONED_IDS && oldest !== undefined) {
      abandonedTimes.delete(oldest);
    }
  }

  return {
    open(clientId, onFrame) {
      const requestId = newId();
      const id = clientId ?? requestId;
      const times = abandonedTimes.get(id);
      const topic = times === undefined ? options.instance : `${options.instance}/${times}`;
      const correlation = Buffer.from(requestId).toString('base64');
      const open: Open = { id, idGiven: clientId !== undefined, topic, correlation, onFrame };
      byRequest.set(correlation, open);
      const key = promptKey(id, topic);
      byPrompt.set(key, (byPrompt.get(key) ?? new Set()).add(open));
      return { id, topic, correlation, leave: () => abandon(open) };
    },
    async deliver({ seq, id, reply, payload }) {
      // Nothing was stored for a refusal (seq 0): it concerns the one request that was refused.
      const refused = seq === 0 ? byRequest.get(reply.correlation ?? '') : undefined;
      const receivers =
        seq === 0
          ? refused === undefined
            ? []
            : [refused]
          : [...(byPrompt.get(promptKey(id, reply.topic)) ?? [])];
      const frame = receivers.length === 0 ? undefined : (JSON.parse(payload) as Frame);
      for (const open of receivers) {
        remove(open);
        if (frame !== undefined) open.onFrame(frame);
      }
      // Delivered or past delivery: who has hung up does not come back for it.
      return true;
    },
    trySend({ reply, payload }) {
      byRequest.get(reply.correlation ?? '')?.onFrame(JSON.parse(payload) as Frame);
    },
    gone: ({ id, reply }) => !byPrompt.has(promptKey(id, reply.topic)),
    failAll(error) {
      for (const open of byRequest.values()) {
        remove(open);
        const { id } = open;
        open.onFrame({ v: FRAME_VERSION, id, node: options.node, type: 'error', error });
      }
    },
    count: () => byRequest.size,
  };
}
