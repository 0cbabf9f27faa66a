import { type Clock, TwowattError } from '../core/index.ts';
import type { DailyBudget } from './budget.ts';
import type { Ticket } from './call.ts';
import type { EndpointRuntime } from './endpoint.ts';
import { rank } from './selection.ts';
import { mostPromptTokens, priceOf } from './tokens.ts';
import type { CloudRequest, Failover } from './types.ts';

/** Resting endpoints that are back within this are waited for, before a prompt is given up. */
const PATIENCE_MS = 10_000;
/**
 * So long a prompt waits while all endpoints are out. A breaker that has just opened may have done so by
 * chance, and a probe under way will tell soon; without this, one second costs all prompts of that second.
 */
const DOWN_PATIENCE_MS = 2000;

export type Attempts = {
  tries: ReadonlyMap<EndpointRuntime, number>;
  excluded: ReadonlySet<EndpointRuntime>;
};

type Blocked = {
  busy: boolean;
  /** Why there is no money for an endpoint that has a place. */
  poor: TwowattError | null;
  /** A probe is under way. */
  probing: boolean;
  restMs: number;
  downMs: number;
};

/** The endpoints together: who may take a prompt now, and what to wait for when nobody may. */
export class Fleet {
  readonly #endpoints: readonly EndpointRuntime[];
  readonly #budget: DailyBudget;
  readonly #failover: Failover;
  readonly #clock: Clock;
  readonly #random: () => number;
  #waiting: (() => void)[] = [];
  readonly currency: string;

  constructor(options: {
    endpoints: readonly EndpointRuntime[];
    budget: DailyBudget;
    failover: Failover;
    currency: string;
    clock: Clock;
    random: () => number;
  }) {
    this.#endpoints = options.endpoints;
    this.#budget = options.budget;
    this.#failover = options.failover;
    this.#clock = options.clock;
    this.#random = options.random;
    this.currency = options.currency;
  }

  /** A call ended: somebody who waits may have its place or its money. */
  ring(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** A place and the money for one call, now; null when the budget has not got it. */
  enter(endpoint: EndpointRuntime, request: CloudRequest): Ticket | null {
    const reservation = this.#budget.reserve(upperCost(endpoint, request));
    if (reservation === null) return null;
    return { endpoint, reservation, lease: endpoint.enter() };
  }

  /**
   * Waits for a place at the best endpoint there is. An error when there is none and waiting is no use;
   * when `signal` aborts, whatever comes first.
   */
  async board(
    request: CloudRequest,
    { tries, excluded }: Attempts,
    signal: AbortSignal,
  ): Promise<Ticket | TwowattError> {
    const startedMs = this.#clock.monotonicMs();
    for (;;) {
      const order = rank(this.#endpoints, request, this.#failover, tries, this.#random);
      const open = order.filter((endpoint) => !excluded.has(endpoint));
      if (order.length === 0) return nobodyServes(request);
      const blocked: Blocked = {
        busy: false,
        poor: null,
        probing: false,
        restMs: Infinity,
        downMs: Infinity,
      };
      for (const endpoint of open) {
        const availability = endpoint.availability();
        if (availability.now) {
          const ticket = this.enter(endpoint, request);
          if (ticket !== null) return ticket;
          const refusal = this.#budget.refusal(upperCost(endpoint, request));
          if (refusal === null) blocked.busy = true;
          else blocked.poor ??= refusal;
        } else if (availability.why === 'busy') blocked.busy = true;
        else if (availability.why === 'resting') {
          blocked.restMs = Math.min(blocked.restMs, availability.ms);
        } else {
          blocked.downMs = Math.min(blocked.downMs, availability.ms);
          blocked.probing ||= availability.ms === Infinity;
        }
      }
      const waitedMs = this.#clock.monotonicMs() - startedMs;
      const wait = this.#waitFor(blocked, request, open.length, waitedMs);
      if (wait instanceof TwowattError) return wait;
      await this.#change(wait, signal);
      if (signal.aborted) return new TwowattError('cancelled', 'ended while waiting');
    }
  }

  /** A healthy endpoint of the same tier that may take a second call for the same prompt. */
  hedgeFor(
    slow: EndpointRuntime,
    request: CloudRequest,
    excluded: ReadonlySet<EndpointRuntime>,
  ): EndpointRuntime | null {
    const { tier } = slow.spec;
    const order = rank(this.#endpoints, { ...request, tier }, 'none', new Map(), this.#random);
    const free = (other: EndpointRuntime) =>
      other !== slow && !excluded.has(other) && other.healthy;
    return order.find(free) ?? null;
  }

  /** Who would be asked first if all were well. */
  firstChoice(request: CloudRequest): EndpointRuntime | null {
    return rank(this.#endpoints, request, this.#failover, new Map(), () => 0.5)[0] ?? null;
  }

  /** Milliseconds to wait, or why there is no use in it. */
  #waitFor(
    blocked: Blocked,
    request: CloudRequest,
    candidates: number,
    waitedMs: number,
  ): number | TwowattError {
    const { patient, deadlineMs } = request;
    const soonestMs = Math.min(blocked.restMs, blocked.downMs);
    if (blocked.busy) return soonestMs;
    if (blocked.poor !== null) return blocked.poor;
    if (patient && candidates > 0) return soonestMs;
    const leftMs = deadlineMs - this.#clock.monotonicMs();
    if (blocked.restMs <= PATIENCE_MS && blocked.restMs < leftMs) return blocked.restMs;
    const downLeftMs = Math.min(DOWN_PATIENCE_MS - waitedMs, leftMs);
    if (downLeftMs > 0 && (blocked.probing || blocked.downMs < downLeftMs)) {
      return Math.min(blocked.downMs, downLeftMs);
    }
    return new TwowattError(
      'cloud_unavailable',
      'no cloud endpoint can be asked at present',
      Number.isFinite(soonestMs) ? { retryAfterMs: soonestMs } : {},
    );
  }

  /** Returns after `ms`, after a change at some endpoint, or when `signal` aborts. */
  #change(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const timer = Number.isFinite(ms) ? this.#clock.setTimer(ms, () => wake()) : null;
      const wake = () => {
        timer?.cancel();
        signal.removeEventListener('abort', wake);
        this.#waiting = this.#waiting.filter((other) => other !== wake);
        resolve();
      };
      this.#waiting.push(wake);
      if (signal.aborted) wake();
      else signal.addEventListener('abort', wake, { once: true });
    });
  }
}

export const upperCost = ({ spec }: EndpointRuntime, request: CloudRequest): number =>
  priceOf(spec, mostPromptTokens(request), request.maxTokens);

function nobodyServes({ model }: CloudRequest): TwowattError {
  return model === null
    ? new TwowattError('cloud_unavailable', 'no cloud endpoint of this tier is configured')
    : new TwowattError('invalid_request', `no cloud endpoint serves the model ${model}`, {
        param: 'model',
      });
}
