import type { Clock, TimerHandle } from '../core/index.ts';

/**
 * Calls `onStuck` when there was no sign of life for as long as the limit says. One timer for a whole
 * job: when it fires it looks at the last sign and sleeps on for the rest, so a sign costs no timer, and
 * another limit only where it is shorter.
 */
export class StepWatch {
  readonly #clock: Clock;
  readonly #rightlyIdle: () => boolean;
  readonly #onStuck: (limitMs: number) => void;
  #lastSignMs = 0;
  #limitMs = 0;
  #timer: TimerHandle | undefined;
  #dueMs = 0;
  #foundStuck = false;

  constructor(
    clock: Clock,
    parts: { rightlyIdle: () => boolean; onStuck: (limitMs: number) => void },
  ) {
    this.#clock = clock;
    this.#rightlyIdle = parts.rightlyIdle;
    this.#onStuck = parts.onStuck;
  }

  sign(): void {
    this.#lastSignMs = this.#clock.monotonicMs();
  }

  start(limitMs: number): void {
    this.stop();
    this.#limitMs = limitMs;
    this.sign();
    this.#look(limitMs);
  }

  /** A sign of life, and another limit from now on; only while started. */
  expect(limitMs: number): void {
    if (this.#timer === undefined) return;
    this.sign();
    this.#limitMs = limitMs;
    // The other way round the timer fires early, finds time left, and sleeps on.
    if (this.#lastSignMs + limitMs < this.#dueMs) {
      this.#timer.cancel();
      this.#look(limitMs);
    }
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#foundStuck = false;
  }

  /** What it watches is silent for longer than it may, and was not helped by what `onStuck` did. */
  overdue(graceMs: number): boolean {
    if (this.#foundStuck) return this.#clock.monotonicMs() > this.#dueMs + graceMs;
    if (this.#timer === undefined || this.#rightlyIdle()) return false;
    return this.#clock.monotonicMs() > this.#lastSignMs + this.#limitMs + graceMs;
  }

  #look(delayMs: number): void {
    this.#dueMs = this.#clock.monotonicMs() + delayMs;
    this.#timer = this.#clock.setTimer(delayMs, () => {
      if (this.#rightlyIdle()) this.sign();
      const leftMs = this.#lastSignMs + this.#limitMs - this.#clock.monotonicMs();
      if (leftMs > 0) this.#look(leftMs);
      else {
        this.#timer = undefined;
        this.#foundStuck = true;
        this.#onStuck(this.#limitMs);
      }
    });
  }
}
