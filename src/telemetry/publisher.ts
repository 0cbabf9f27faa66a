import { type Clock, type Logger, silentLogger, type TimerHandle } from '../core/index.ts';
import type { Telemetry } from '../protocol/index.ts';
import { isNews } from './change.ts';

type TelemetryIntervals = {
  /** Between messages while prompts run or wait, milliseconds. */
  busyMs: number;
  /** Between messages while nothing runs, milliseconds. */
  idleMs: number;
  /** Fewest milliseconds between two messages when values change early. */
  minMs: number;
};

export type TelemetryPublisherOptions = {
  clock: Clock;
  collect: () => Promise<Telemetry> | Telemetry;
  /** Takes a message that is due: sends it, or keeps it until it can be sent. */
  publish: (telemetry: Telemetry) => void;
  /** Read at each look, so that a changed setting takes effect within ten seconds. */
  intervals: () => TelemetryIntervals;
  /** How often values that nobody announces (temperature, memory) are looked at (default: every ten seconds). */
  lookPeriodMs?: () => number;
  logger?: Logger;
};

export type TelemetryPublisher = {
  /** Something may have changed (the engine's state, the queue, the connection): look soon. */
  poke(): void;
  /** There is a connection, or somebody new who listens: a message is due now. */
  greet(): void;
  /** The last message that was due; null before the first. */
  last(): Telemetry | null;
  close(): void;
};

const LOOK_PERIOD_MS = 10_000;

const isBusy = (telemetry: Telemetry): boolean =>
  telemetry.engine.state === 'busy' || telemetry.queue.depth > 0;

/**
 * Publishes telemetry at the busy or idle interval, and earlier when a value has moved by more than
 * its step, but never closer together than `minMs`. The first message goes out at once.
 */
export function createTelemetryPublisher(options: TelemetryPublisherOptions): TelemetryPublisher {
  const { clock, collect, publish, intervals, logger = silentLogger } = options;
  const lookPeriodMs = options.lookPeriodMs ?? (() => LOOK_PERIOD_MS);
  let last: { telemetry: Telemetry; atMs: number } | undefined;
  let timer: { handle: TimerHandle; dueMs: number } | undefined;
  let looking = false;
  let pokedMeanwhile = false;
  let closed = false;
  let greeting = false;

  /** Moves the next look forward to `dueMs`; never back. */
  const lookAt = (dueMs: number): void => {
    if (closed || (timer !== undefined && timer.dueMs <= dueMs)) return;
    timer?.handle.cancel();
    const handle = clock.setTimer(Math.max(0, dueMs - clock.monotonicMs()), () => {
      timer = undefined;
      void look();
    });
    timer = { handle, dueMs };
  };

  /** When the next message may go out; the interval itself wins over a longer `minMs`. */
  const earliest = (now: number): number => {
    if (last === undefined) return now;
    const { minMs, busyMs } = intervals();
    return Math.max(now, last.atMs + Math.min(minMs, busyMs));
  };

  const consider = (telemetry: Telemetry): void => {
    const now = clock.monotonicMs();
    const { busyMs, idleMs } = intervals();
    const period = isBusy(telemetry) ? busyMs : idleMs;
    const due = last === undefined || greeting ? now : last.atMs + period;
    const news = last !== undefined && isNews(last.telemetry, telemetry);
    if (now >= due || (news && now >= earliest(now))) {
      greeting = false;
      publish(telemetry);
      last = { telemetry, atMs: now };
      lookAt(now + Math.min(period, lookPeriodMs()));
    } else {
      lookAt(Math.min(due, news ? earliest(now) : now + lookPeriodMs()));
    }
  };

  const look = async (): Promise<void> => {
    if (looking) {
      pokedMeanwhile = true;
      return;
    }
    looking = true;
    try {
      const telemetry = await collect();
      if (!closed) consider(telemetry);
    } catch (error) {
      logger.warn({ error }, 'telemetry could not be made');
      lookAt(clock.monotonicMs() + LOOK_PERIOD_MS);
    } finally {
      looking = false;
      if (pokedMeanwhile) {
        pokedMeanwhile = false;
        poke();
      }
    }
  };

  const poke = (): void => {
    if (looking) pokedMeanwhile = true;
    else lookAt(greeting ? clock.monotonicMs() : earliest(clock.monotonicMs()));
  };

  lookAt(clock.monotonicMs());
  return {
    poke,
    greet() {
      greeting = true;
      poke();
    },
    last: () => last?.telemetry ?? null,
    close() {
      closed = true;
      timer?.handle.cancel();
    },
  };
}
