import type { ServerResponse } from 'node:http';
import type { Clock } from '../../core/index.ts';

/** Shorter than the patience of common proxies (60 s), so that a silent stream is not taken for dead. */
const HEARTBEAT_MS = 15_000;
/** A reader that takes nothing over so many heartbeats is cut off. */
const STALLED_BEATS = 2;
/** Bytes that may wait for a slow reader; beyond it nothing but the end of an answer is written. */
const MAX_BACKLOG_BYTES = 64 * 1024;

/** A response of server-sent events (HTML Living Standard, section 9.2). */
export type EventStream = {
  send(data: object | string, event?: string): void;
  /** The reader is behind: what can wait should, until `onRoom`. */
  backlogged(): boolean;
  end(): void;
};

/** Sends the head at once. The stream ends by itself when the reader stalls or goes. */
export function openEventStream(
  response: ServerResponse,
  options: { clock: Clock; onRoom?: () => void; onClose?: () => void },
): EventStream {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff',
  });
  response.flushHeaders();
  let stalledBeats = 0;
  const heartbeat = options.clock.setRepeating(HEARTBEAT_MS, () => {
    stalledBeats = response.writableNeedDrain ? stalledBeats + 1 : 0;
    if (stalledBeats >= STALLED_BEATS) response.destroy();
    else if (!response.writableNeedDrain) response.write(': waiting\n\n');
  });
  response.on('drain', () => {
    stalledBeats = 0;
    options.onRoom?.();
  });
  response.once('close', () => {
    heartbeat.cancel();
    options.onClose?.();
  });
  return {
    send(data, event) {
      if (response.destroyed || response.writableEnded) return;
      const text = typeof data === 'string' ? data : JSON.stringify(data);
      response.write(`${event === undefined ? '' : `event: ${event}\n`}data: ${text}\n\n`);
    },
    backlogged: () => response.writableLength > MAX_BACKLOG_BYTES,
    end() {
      response.end();
    },
  };
}
