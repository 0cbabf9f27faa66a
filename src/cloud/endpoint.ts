import type { Clock, Logger } from '../core/index.ts';
import { Breaker, type Verdict } from './breaker.ts';
import type { Failure } from './failure.ts';
import { Latency } from './latency.ts';
import { TokenGauge } from './tokens.ts';
import type { CloudEndpoint, EndpointState } from './types.ts';

export type Availability =
  | { now: true }
  /** `ms` is Infinity where only another call's end can change it. */
  | { now: false; why: 'busy' | 'resting' | 'down'; ms: number };

/** One of the places that may run; every lease is given back once. */
export type Lease = {
  /** The first token of a probe is proof enough; the rest may take minutes. */
  answering(): void;
  done(outcome: Failure | 'success'): void;
};

export type EndpointDeps = { clock: Clock; logger: Logger; random: () => number };

/** Weight of the newest answer in the running mean of lengths. */
const NEWEST_WEIGHT = 0.1;

/** What is known of an endpoint while the daemon runs. */
export class EndpointRuntime {
  readonly spec: CloudEndpoint;
  readonly latency = new Latency();
  readonly promptGauge = new TokenGauge();
  readonly answerGauge = new TokenGauge();
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #breaker: Breaker;
  readonly #onChange: () => void;
  #inFlight = 0;
  #restUntilMs = 0;
  #problem: string | null = null;
  #calls = 0;
  #failures = 0;
  #cost = 0;
  #answerTokens: number | null = null;

  /** `onChange` is called when a call more may be possible. */
  constructor(spec: CloudEndpoint, deps: EndpointDeps, onChange: () => void) {
    this.spec = spec;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#breaker = new Breaker(deps.clock, deps.random);
    this.#onChange = onChange;
  }

  availability(): Availability {
    const down = this.#breaker.waitMs();
    if (down > 0) return { now: false, why: 'down', ms: down };
    const rest = this.#restUntilMs - this.#clock.monotonicMs();
    if (rest > 0) return { now: false, why: 'resting', ms: rest };
    if (this.#inFlight >= this.spec.maxConcurrency) {
      return { now: false, why: 'busy', ms: Infinity };
    }
    return { now: true };
  }

  /** Nothing speaks against it, so that an extra call is no probe. */
  get healthy(): boolean {
    return this.#breaker.state === 'closed' && this.availability().now;
  }

  /** Call only while `availability()` is now. */
  enter(): Lease {
    const verdict = this.#watched(this.#breaker.enter());
    this.#inFlight += 1;
    this.#calls += 1;
    let open = true;
    return {
      answering: () => {
        if (this.#breaker.state !== 'half_open') return;
        verdict('success');
        this.#onChange();
      },
      done: (outcome) => {
        if (!open) return;
        open = false;
        this.#inFlight -= 1;
        if (outcome === 'success') {
          this.#problem = null;
          verdict('success');
        } else {
          this.#fail(outcome);
          verdict(BLAME_VERDICT[outcome.blame]);
        }
        this.#onChange();
      },
    };
  }

  observeAnswer(tokens: number): void {
    const mean = this.#answerTokens ?? tokens;
    this.#answerTokens = mean + NEWEST_WEIGHT * (tokens - mean);
  }

  /** Tokens of an answer that may have `most` of them; half of that before any is known. */
  usualAnswerTokens(most: number): number {
    return Math.min(most, this.#answerTokens ?? most / 2);
  }

  addCost(amount: number): void {
    this.#cost += amount;
  }

  /** How long it has not been reachable; null while it is, as far as is known. */
  unreachableForMs(): number | null {
    const since = this.#breaker.downSinceMs;
    return since === null ? null : this.#clock.monotonicMs() - since;
  }

  state(): EndpointState {
    const { name, model, tier, maxConcurrency, currency } = this.spec;
    return {
      name,
      model,
      tier,
      breaker: this.#breaker.state,
      unreachableForMs: this.unreachableForMs(),
      problem: this.#problem,
      restingMs: Math.max(0, this.#restUntilMs - this.#clock.monotonicMs()),
      inFlight: this.#inFlight,
      maxConcurrency,
      firstTokenP50Ms: this.latency.quantile(0.5),
      firstTokenP95Ms: this.latency.quantile(0.95),
      calls: this.#calls,
      failures: this.#failures,
      cost: { amount: this.#cost, currency },
    };
  }

  #watched(verdict: (verdict: Verdict) => void): (verdict: Verdict) => void {
    return (what) => {
      const before = this.#breaker.downSinceMs;
      verdict(what);
      const after = this.#breaker.downSinceMs;
      const fields = { endpoint: this.spec.name, problem: this.#problem };
      if (before === null && after !== null) {
        this.#logger.warn(fields, 'a cloud endpoint fails and is not asked for a while');
      }
      if (before !== null && after === null) this.#logger.info(fields, 'a cloud endpoint is back');
    };
  }

  #fail(failure: Failure): void {
    if (failure.blame !== 'none') {
      this.#problem = failure.reason;
      this.#failures += 1;
    }
    if (failure.retryAfterMs !== undefined) {
      const untilMs = this.#clock.monotonicMs() + failure.retryAfterMs;
      this.#restUntilMs = Math.max(this.#restUntilMs, untilMs);
    }
  }
}

const BLAME_VERDICT = {
  down: 'failure',
  broken: 'broken',
  alive: 'success',
  none: 'none',
} as const satisfies Record<Failure['blame'], Verdict>;
