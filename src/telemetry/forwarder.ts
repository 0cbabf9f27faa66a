import { type Clock, type Logger, silentLogger, type TimerHandle } from '../core/index.ts';
import type { Telemetry } from '../protocol/index.ts';
import { type BacklogBounds, createBacklog, keep, type Kept, lateMessage } from './backlog.ts';

export type ForwarderOptions = {
  clock: Clock;
  logger?: Logger;
  /** Sends one message; `lost` when there is no connection, or it ended before the broker confirmed. */
  publish: (telemetry: Telemetry) => Promise<'acknowledged' | 'refused' | 'lost'>;
  online: () => boolean;
  /** Whether the time of day can be trusted now. */
  synchronised: () => boolean;
  bounds: () => BacklogBounds;
  /** Where what waits outlives a restart; null: nowhere. */
  file: string | null;
  /** 0 to 1. */
  random?: () => number;
};

export type Forwarder = {
  /** Sends it, or keeps it for later. */
  offer(telemetry: Telemetry): void;
  /** There is a connection (again): what waits goes out, slowly. */
  connected(): void;
  waiting(): { messages: number; bytes: number };
  /** Writes what waits to disk. */
  close(): void;
};

/**
 * Flood control: a broker that comes back sees all its boards at once, and what happens now matters more
 * than what has happened. So late messages begin within half a minute, at random, and follow each other
 * slowly: a thousand boards send at most five hundred of them a second.
 */
const SPREAD_MS = 30_000;
const PACE_MS = 2_000;
/** The message that greets a new connection says what these would have said. */
const SUPERSEDED_MS = 10_000;

/** Store and forward: telemetry reaches the broker now, or later and marked as late. */
export function createForwarder(options: ForwarderOptions): Forwarder {
  const { clock, logger = silentLogger, publish, online, random = Math.random } = options;
  const backlog = createBacklog({ clock, logger, bounds: options.bounds, file: options.file });
  let timer: TimerHandle | undefined;
  let closed = false;

  const schedule = (delayMs: number): void => {
    if (closed || timer !== undefined || backlog.size() === 0) return;
    timer = clock.setTimer(delayMs, () => {
      timer = undefined;
      void sendOldest();
    });
  };

  const sendOldest = async (): Promise<void> => {
    const kept = online() ? backlog.oldest() : undefined;
    if (kept === undefined) return;
    const outcome = await publish(lateMessage(kept, clock, options.synchronised()));
    // A broker that refuses one will refuse it again.
    if (outcome !== 'lost') backlog.remove(kept);
    if (backlog.size() === 0) backlog.save();
    schedule(PACE_MS * (0.5 + random()));
  };

  const store = (kept: Kept): void => {
    if (closed) return;
    backlog.add(kept);
    if (online()) schedule(PACE_MS);
  };

  const sendOrStore = async (telemetry: Telemetry): Promise<void> => {
    const kept = keep(telemetry, clock);
    if (!online() || (await publish(telemetry)) === 'lost') store(kept);
  };

  return {
    offer(telemetry) {
      void sendOrStore(telemetry);
    },
    connected() {
      backlog.dropSince(clock.monotonicMs() - SUPERSEDED_MS);
      schedule(SPREAD_MS * random());
    },
    waiting: () => ({ messages: backlog.size(), bytes: backlog.bytes() }),
    close() {
      closed = true;
      timer?.cancel();
      backlog.save();
    },
  };
}
