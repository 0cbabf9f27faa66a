import type { Clock } from '../core/index.ts';
import type { BreakerState } from './types.ts';

/** At one fault in five, five in a row come once in 3,000 calls; an outage has them within seconds. */
const FAILURES_TO_OPEN = 5;
const SHORTEST_OPEN_MS = 1000;
const LONGEST_OPEN_MS = 30_000;
/** A wrong key or model name does not mend itself. */
const BROKEN_OPEN_MS = 60_000;

export type Verdict = 'success' | 'failure' | 'broken' | 'none';

/**
 * Stops calls to an endpoint that fails. After five failures in a row it opens, for a second at first
 * and doubling to half a minute; then one call is let through as a probe, and its success closes it.
 * On the injected clock, which is why it is our own.
 */
export class Breaker {
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  #openings = 0;
  #openUntilMs: number | null = null;
  #probing = false;
  #downSinceMs: number | null = null;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  get state(): BreakerState {
    if (this.#openUntilMs === null) return 'closed';
    return this.#clock.monotonicMs() < this.#openUntilMs ? 'open' : 'half_open';
  }

  get downSinceMs(): number | null {
    return this.#openUntilMs === null ? null : this.#downSinceMs;
  }

  /** Until a call may pass; 0 when one may now, Infinity while a probe's verdict is out. */
  waitMs(): number {
    if (this.#openUntilMs === null) return 0;
    if (this.#probing) return Infinity;
    return Math.max(0, this.#openUntilMs - this.#clock.monotonicMs());
  }

  /**
   * Lets a call pass; call only when `waitMs()` is 0. The result takes the verdict: of a probe as soon
   * as it answers, and again if its answer breaks later.
   */
  enter(): (verdict: Verdict) => void {
    let probe = this.#openUntilMs !== null;
    if (probe) this.#probing = true;
    return (verdict) => {
      const wasProbe = probe;
      if (probe) this.#probing = false;
      probe = false;
      if (verdict === 'success') this.#close();
      else if (verdict !== 'none') this.#fail(wasProbe, verdict === 'broken');
    };
  }

  #close(): void {
    this.#failures = 0;
    this.#openings = 0;
    this.#openUntilMs = null;
    this.#downSinceMs = null;
  }

  #fail(probe: boolean, broken: boolean): void {
    const nowMs = this.#clock.monotonicMs();
    this.#downSinceMs ??= nowMs;
    this.#failures += 1;
    // Calls that began before it opened only confirm what is known.
    if (this.#openUntilMs !== null && !probe) return;
    if (!probe && !broken && this.#failures < FAILURES_TO_OPEN) return;
    const doubled = Math.min(LONGEST_OPEN_MS, SHORTEST_OPEN_MS * 2 ** Math.min(10, this.#openings));
    this.#openings += 1;
    // Boards that lost the same endpoint together must not knock together.
    const openMs = (broken ? BROKEN_OPEN_MS : doubled) * (0.75 + this.#random() / 2);
    this.#openUntilMs = nowMs + openMs;
  }
}
