import { signal } from '@preact/signals';
import { createEventReader, type StreamEvent } from '../lib/event-text.ts';
import { reconnectWaitMs } from '../lib/reconnect.ts';
import { address, headersFor, problemOf } from './api.ts';

export type LinkState = 'connecting' | 'live' | 'reconnecting' | 'stopped';

/** Twice the server's heartbeat: a connection that is silent for longer is dead, whatever TCP believes. */
const SILENCE_MS = 35_000;

export type Feed = { start(): void; stop(): void; restart(): void };

export const linkState = signal<LinkState>('connecting');
/** When the stream was last heard, by `performance.now()`. */
export const lostSince = signal<number | null>(null);

/**
 * Keeps one stream of server-sent events open. Not the browser's EventSource: that sends no
 * Authorization header, does not say why it was refused, and does not notice a dead connection.
 */
export function createFeed(options: {
  /** Asked anew at each try, so that it can name what was seen last. */
  path: () => string;
  onEvent: (event: StreamEvent) => void;
}): Feed {
  let current: AbortController | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;

  const later = (): void => {
    if (lostSince.value === null) lostSince.value = Date.now();
    linkState.value = 'reconnecting';
    failures += 1;
    clearTimeout(timer);
    timer = setTimeout(() => void open(), reconnectWaitMs(failures, Math.random()));
  };

  const open = async (): Promise<void> => {
    const mine = new AbortController();
    current?.abort();
    current = mine;
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    const heard = (): void => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => mine.abort(), SILENCE_MS);
    };
    try {
      heard();
      const response = await fetch(address(options.path()), {
        headers: { ...headersFor(false), accept: 'text/event-stream' },
        credentials: 'same-origin',
        cache: 'no-store',
        signal: mine.signal,
      });
      if (!response.ok || response.body === null) throw await problemOf(response);
      const read = createEventReader(options.onEvent);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        if (linkState.value !== 'live') {
          linkState.value = 'live';
          lostSince.value = null;
          failures = 0;
        }
        heard();
        read(value);
      }
    } catch {
      // Said by `linkState`; whoever shows the page knows what it means.
    } finally {
      clearTimeout(watchdog);
    }
    if (current === mine) later();
  };

  const stop = (): void => {
    clearTimeout(timer);
    const last = current;
    current = undefined;
    last?.abort();
    linkState.value = 'stopped';
  };

  // A laptop that wakes up should not wait for the next try.
  addEventListener('online', () => {
    if (linkState.value === 'reconnecting') void open();
  });

  return {
    start() {
      linkState.value = 'connecting';
      failures = 0;
      void open();
    },
    stop,
    restart() {
      stop();
      linkState.value = 'connecting';
      void open();
    },
  };
}
