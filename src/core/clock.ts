import { readFileSync } from 'node:fs';

export type TimerHandle = { cancel(): void };

/**
 * Time, injected. Durations and deadlines use `monotonicMs` only: boards have no battery-backed
 * clock, so the wall clock may jump by years when the network comes up.
 */
export interface Clock {
  /** Milliseconds since boot of the machine; never jumps, comparable between processes of one boot. */
  monotonicMs(): number;
  /** Milliseconds since 1970 as the machine believes. For people to read, never for arithmetic. */
  wallMs(): number;
  /** Names the boot that `monotonicMs` counts from. */
  bootId(): string;
  /** False while the wall clock is known or likely not to have been set since boot. */
  wallTrusted(): boolean;
  /** Runs `callback` once after `delayMs`; a timer never keeps the process alive by itself. */
  setTimer(delayMs: number, callback: () => void): TimerHandle;
  setRepeating(periodMs: number, callback: () => void): TimerHandle;
}

/** setTimeout's limit is a signed 32-bit integer; longer delays would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** No board of ours can honestly believe a date before this code was written. */
const EARLIEST_PLAUSIBLE_WALL_MS = Date.UTC(2026, 0, 1);

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}

export function createSystemClock(): Clock {
  const boot = readBootId();
  return {
    monotonicMs: () => Number(process.hrtime.bigint()) / 1e6,
    wallMs: () => Date.now(),
    bootId: () => boot,
    wallTrusted: () => Date.now() >= EARLIEST_PLAUSIBLE_WALL_MS,
    setTimer(delayMs, callback) {
      const timer = setTimeout(callback, Math.min(Math.max(0, delayMs), LONGEST_TIMER_MS));
      timer.unref();
      return { cancel: () => clearTimeout(timer) };
    },
    setRepeating(periodMs, callback) {
      const timer = setInterval(callback, periodMs);
      timer.unref();
      return { cancel: () => clearInterval(timer) };
    },
  };
}

/** A promise that resolves after `delayMs`, or as soon as `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.setTimer(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
