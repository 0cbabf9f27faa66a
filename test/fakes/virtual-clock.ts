import type { Clock, TimerHandle } from '../../src/core/index.ts';

export type VirtualClockOptions = { wallMs?: number; bootId?: string; wallTrusted?: boolean };

export interface VirtualClock extends Clock {
  /**
   * Moves monotonic and wall time on by `ms`. Timers that fall due run in the order of their due
   * times, each at its own time, and pending microtasks are awaited after each one.
   */
  advance(ms: number): Promise<void>;
  /** Sets the wall clock on or back (NTP comes up, an operator types a date); nothing else moves. */
  jumpWall(ms: number): void;
  setWallTrusted(trusted: boolean): void;
  /** A new boot: monotonic time starts again, timers are gone; the wall clock moves by `downMs` (default 0). */
  reboot(options?: { downMs?: number; wallTrusted?: boolean }): void;
  /** Timers still waiting; lets a test prove that a stop left nothing behind. */
  pendingTimers(): number;
}

type Timer = { dueMs: number; order: number; periodMs: number | null; callback: () => void };

/** Monotonic time a short while after boot: zero would hide faults that confuse "0" with "unset". */
const UPTIME_AT_START_MS = 1000;
/** setInterval's own lower bound; a period of 0 would keep `advance` busy for ever. */
const SHORTEST_PERIOD_MS = 1;

async function settle(): Promise<void> {
  // A continuation may queue others; a macrotask turn comes only after all of them.
  await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A clock that moves only when a test moves it. */
export function createVirtualClock(options: VirtualClockOptions = {}): VirtualClock {
  let monotonic = UPTIME_AT_START_MS;
  let wall = options.wallMs ?? Date.UTC(2026, 5, 1);
  let trusted = options.wallTrusted ?? true;
  let boot = options.bootId ?? 'boot-1';
  let reboots = 0;
  let order = 0;
  const timers = new Set<Timer>();

  const add = (delayMs: number, periodMs: number | null, callback: () => void): TimerHandle => {
    const timer = { dueMs: monotonic + Math.max(0, delayMs), order: order++, periodMs, callback };
    timers.add(timer);
    return { cancel: () => timers.delete(timer) };
  };

  const nextDue = (untilMs: number): Timer | undefined => {
    let next: Timer | undefined;
    for (const timer of timers) {
      if (timer.dueMs > untilMs) continue;
      const sooner =
        next === undefined ||
        timer.dueMs < next.dueMs ||
        (timer.dueMs === next.dueMs && timer.order < next.order);
      if (sooner) next = timer;
    }
    return next;
  };

  const moveTo = (target: number) => {
    wall += target - monotonic;
    monotonic = target;
  };

  return {
    monotonicMs: () => monotonic,
    wallMs: () => wall,
    bootId: () => boot,
    wallTrusted: () => trusted,
    setTimer: (delayMs, callback) => add(delayMs, null, callback),
    setRepeating: (periodMs, callback) => {
      const period = Math.max(SHORTEST_PERIOD_MS, periodMs);
      return add(period, period, callback);
    },
    async advance(ms) {
      const bootBefore = boot;
      const target = monotonic + ms;
      await settle();
      for (let timer = nextDue(target); timer; timer = nextDue(target)) {
        moveTo(Math.max(monotonic, timer.dueMs));
        if (timer.periodMs === null) {
          timers.delete(timer);
        } else {
          timer.dueMs += timer.periodMs;
          timer.order = order++;
        }
        timer.callback();
        await settle();
        if (boot !== bootBefore) return;
      }
      moveTo(Math.max(monotonic, target));
    },
    jumpWall(ms) {
      wall += ms;
    },
    setWallTrusted(value) {
      trusted = value;
    },
    reboot({ downMs = 0, wallTrusted = trusted } = {}) {
      reboots += 1;
      boot = `${options.bootId ?? 'boot'}-after-${reboots}`;
      monotonic = UPTIME_AT_START_MS;
      wall += downMs;
      trusted = wallTrusted;
      timers.clear();
    },
    pendingTimers: () => timers.size,
  };
}
