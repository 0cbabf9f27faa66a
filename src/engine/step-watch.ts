import type { Clock, TimerHandle } from '../core/index.ts';

/**
 * Calls `onStuck` when there was no sign of life for `limitMs`. One timer for a whole job: when it
 * fires it looks at the last sign and sleeps on for the rest, so a sign costs no timer.
 */
export class StepWatch {
  readonly #clock: Clock;
  readonly #rightlyIdle: () => boolean;
  readonly #onStuck: (limitMs: number) => void;
  #lastSignMs = 0;
  #timer: TimerHandle | undefined;

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
    this.sign();
    this.#look(limitMs, limitMs);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #look(delayMs: number, limitMs: number): void {
    this.#timer = this.#clock.setTimer(delayMs, () => {
      if (this.#rightlyIdle()) this.sign();
      const leftMs = this.#lastSignMs + limitMs - this.#clock.monotonicMs();
      if (leftMs > 0) this.#look(leftMs, limitMs);
      else this.#onStuck(limitMs);
    });
  }
}
