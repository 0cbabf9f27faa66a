import { ERROR_TABLE, sleep, TwowattError } from '../core/index.ts';
import type { FinishReason } from '../protocol/index.ts';
import { Call, type CallDeps, type CallPart, type Ticket } from './call.ts';
import type { EndpointRuntime } from './endpoint.ts';
import { type Failure, unavailable } from './failure.ts';
import type { Fleet } from './fleet.ts';
import { fullJitterMs, type RetryBudget } from './retry-budget.ts';
import type { CloudPart, CloudRequest } from './types.ts';

/** At one call in five failing, five failures in a row come once in 3,000 prompts. */
const MOST_FAILURES = 5;
/** A first token sooner than this needs no help, and timers are not exact enough for it. */
const SHORTEST_HEDGE_MS = 50;
/** Where all calls take about the same time, many would end just after the percentile. */
const HEDGE_MARGIN = 1.1;
/** For patient prompts whose extra calls are used up. */
const PATIENT_WAIT_MS = 1000;

export type Totals = {
  prompts: number;
  calls: number;
  retries: number;
  hedges: number;
  restarts: number;
};

export type PromptRunDeps = CallDeps & {
  fleet: Fleet;
  retries: RetryBudget;
  hedging: boolean;
  random: () => number;
  totals: Totals;
};

const CUT = unavailable('stream cut');

type Ended = 'cancelled' | 'expired' | 'closed';
type Opened = { call: Call; part: CallPart } | { failure: Failure };

/** One prompt on its way: calls, hedges and retries until there is an answer or nothing is left to try. */
export class PromptRun {
  readonly #deps: PromptRunDeps;
  readonly #request: CloudRequest;
  readonly #controller = new AbortController();
  readonly #startedMs: number;
  readonly #tries = new Map<EndpointRuntime, number>();
  readonly #excluded = new Set<EndpointRuntime>();
  readonly #calls: Call[] = [];
  #ended: Ended | null = null;
  #firstTextMs: number | null = null;
  #reached = false;

  constructor(deps: PromptRunDeps, request: CloudRequest) {
    this.#deps = deps;
    this.#request = request;
    this.#startedMs = deps.clock.monotonicMs();
  }

  end(why: Ended): void {
    this.#ended ??= why;
    this.#controller.abort();
  }

  async *parts(signal: AbortSignal): AsyncGenerator<CloudPart, void, undefined> {
    const { clock, retries, totals } = this.#deps;
    const cancel = () => this.end('cancelled');
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel, { once: true });
    const leftMs = this.#request.deadlineMs - clock.monotonicMs();
    if (leftMs <= 0) this.end('expired');
    const deadline = clock.setTimer(leftMs, () => this.end('expired'));
    totals.prompts += 1;
    retries.onPrompt();
    try {
      yield* this.#tryAll();
    } finally {
      deadline.cancel();
      signal.removeEventListener('abort', cancel);
      this.end('cancelled');
      await this.settled();
    }
  }

  async *#tryAll(): AsyncGenerator<CloudPart, void, undefined> {
    let last: Failure | null = null;
    for (let failures = 0; ;) {
      if (this.#ended !== null) return yield await this.#endPart(this.#ended, null);
      const ticket = await this.#deps.fleet.board(
        this.#request,
        { tries: this.#tries, excluded: this.#excluded },
        this.#controller.signal,
      );
      if (ticket instanceof TwowattError) {
        if (this.#ended !== null) return yield await this.#endPart(this.#ended, null);
        return yield await this.#errorPart(withCause(ticket, last));
      }

      const opened = await this.#open(ticket);
      let failure = 'failure' in opened ? opened.failure : null;
      let emitted = false;
      if ('call' in opened) {
        const { call } = opened;
        this.#reached = true;
        for (let part = opened.part; failure === null; part = await nextPart(call)) {
          if (part.type === 'complete') {
            return yield await this.#donePart(call, call.answer.finishReason);
          }
          if (part.type === 'failed') failure = part.failure;
          if (part.type !== 'delta') continue;
          emitted = true;
          this.#firstTextMs ??= this.#deps.clock.monotonicMs() - this.#startedMs;
          yield part;
        }
        if (this.#ended !== null) return yield await this.#endPart(this.#ended, call);
        await this.#onFailure(call, failure);
      }
      if (this.#ended !== null) return yield await this.#endPart(this.#ended, null);
      failures += 1;
      last = failure ?? CUT;
      const stop = await this.#beforeRetry(last, failures, emitted);
      if (stop !== null) return yield stop;
      if (emitted) {
        this.#deps.totals.restarts += 1;
        this.#firstTextMs = null;
        yield { type: 'restart', reason: 'cloud stream broken' };
      }
    }
  }

  /** Waits until the next try may begin; the terminal part when there is to be none. */
  async #beforeRetry(
    failure: Failure,
    failures: number,
    emitted: boolean,
  ): Promise<CloudPart | null> {
    const { clock, random, retries, totals } = this.#deps;
    const { patient, deadlineMs, mayRestart } = this.#request;
    if (failure.next === 'final' || (emitted && !mayRestart)) return this.#errorPart(failure);
    if (!patient && failures >= MOST_FAILURES) return this.#errorPart(failure);
    for (let allowed = retries.take(); !allowed; allowed = retries.take()) {
      if (!patient) return this.#errorPart(failure);
      await sleep(clock, PATIENT_WAIT_MS, this.#controller.signal);
      if (this.#ended !== null) return this.#endPart(this.#ended, null);
    }
    const waitMs = fullJitterMs(failures, random);
    if (!patient && clock.monotonicMs() + waitMs >= deadlineMs) return this.#errorPart(failure);
    await sleep(clock, waitMs, this.#controller.signal);
    if (this.#ended !== null) return this.#endPart(this.#ended, null);
    totals.retries += 1;
    return null;
  }

  #start(ticket: Ticket): Call {
    const call = new Call(this.#deps, ticket, this.#request);
    this.#calls.push(call);
    this.#deps.totals.calls += 1;
    const { signal } = this.#controller;
    if (signal.aborted) call.abandon();
    else signal.addEventListener('abort', () => call.abandon(), { once: true });
    return call;
  }

  /** The first call that answers, of the one on `ticket` and a hedge when it is slower than usual. */
  async #open(ticket: Ticket): Promise<Opened> {
    const call = this.#start(ticket);
    const first = this.#firstOf(call);
    const usualMs = this.#deps.hedging ? ticket.endpoint.latency.quantile(0.95) : null;
    if (usualMs === null) return first;
    const overdue = new AbortController();
    const waited = sleep(
      this.#deps.clock,
      Math.max(SHORTEST_HEDGE_MS, usualMs * HEDGE_MARGIN),
      AbortSignal.any([overdue.signal, this.#controller.signal]),
    );
    const soon = await Promise.race([first, waited]);
    overdue.abort();
    if (soon !== undefined) return soon;
    const hedge = this.#ended === null ? this.#hedge(ticket.endpoint) : null;
    if (hedge === null) return first;
    return this.#race([
      { call, first },
      { call: hedge, first: this.#firstOf(hedge) },
    ]);
  }

  async #race(runners: { call: Call; first: Promise<Opened> }[]): Promise<Opened> {
    const places = runners.map(({ first }, at) => first.then((opened) => ({ at, opened })));
    const { at, opened } = await Promise.race(places);
    const other = runners[1 - at];
    const answered = 'call' in opened || opened.failure.next === 'final';
    if (!answered && other !== undefined) return other.first;
    other?.call.abandon();
    return opened;
  }

  #hedge(slow: EndpointRuntime): Call | null {
    const { fleet, retries, totals } = this.#deps;
    const endpoint = fleet.hedgeFor(slow, this.#request, this.#excluded);
    if (endpoint === null || !retries.takeForHedge()) return null;
    const ticket = fleet.enter(endpoint, this.#request);
    if (ticket === null) return null;
    totals.hedges += 1;
    return this.#start(ticket);
  }

  async #firstOf(call: Call): Promise<Opened> {
    const part = await nextPart(call);
    if (part.type !== 'failed') return { call, part };
    const { failure } = part;
    await this.#onFailure(call, failure);
    return { failure };
  }

  async #donePart(call: Call, finishReason: FinishReason | null): Promise<CloudPart> {
    // Ends the hedge that lost, and closes the call itself.
    await call.parts.return();
    this.end('cancelled');
    await this.settled();
    const { name: endpoint, model, currency } = call.endpoint.spec;
    return {
      type: 'done',
      result: {
        text: call.answer.text,
        finishReason: finishReason ?? 'cancelled',
        usage: call.answer.usage(),
        endpoint,
        model,
        cost: this.#cost(currency),
        timing: {
          firstTokenMs: this.#firstTextMs,
          totalMs: this.#deps.clock.monotonicMs() - this.#startedMs,
        },
        confidence: call.answer.confidence(),
        logprobs: call.answer.logprobs(),
        calls: this.#calls.length,
      },
    };
  }

  /** The answer's part when it was ended from outside. */
  async #endPart(ended: Ended, call: Call | null): Promise<CloudPart> {
    if (ended === 'cancelled') {
      if (call !== null && call.answer.text !== '') return this.#donePart(call, 'cancelled');
      return this.#errorPart(new TwowattError('cancelled', 'cancelled before the first token'));
    }
    if (ended === 'closed') {
      return this.#errorPart(new TwowattError('draining', 'the cloud client is closing'));
    }
    if (this.#request.patient && !this.#reached) {
      const message = 'no cloud endpoint could be reached before the deadline';
      return this.#errorPart(new TwowattError('cloud_unavailable', message));
    }
    return this.#errorPart(new TwowattError('expired', 'the deadline passed before the answer'));
  }

  async #errorPart(error: TwowattError | Failure): Promise<CloudPart> {
    this.end('cancelled');
    await this.settled();
    const body =
      error instanceof TwowattError
        ? error.toBody()
        : {
            code: error.code,
            message: error.message,
            retryable: ERROR_TABLE[error.code].retryable,
            ...(error.retryAfterMs === undefined
              ? {}
              : { retry_after_ms: Math.ceil(error.retryAfterMs) }),
          };
    const currency = this.#calls[0]?.endpoint.spec.currency ?? this.#deps.fleet.currency;
    return { type: 'error', error: body, cost: this.#cost(currency), calls: this.#calls.length };
  }

  /** What the calls that are charged in `currency` have cost. */
  #cost(currency: string): { amount: number; currency: string } {
    const amount = this.#calls
      .filter(({ endpoint }) => endpoint.spec.currency === currency)
      .reduce((sum, { cost }) => sum + cost, 0);
    return { amount, currency };
  }

  async #onFailure(call: Call, failure: Failure): Promise<void> {
    this.#tries.set(call.endpoint, (this.#tries.get(call.endpoint) ?? 0) + 1);
    if (failure.next === 'elsewhere') this.#excluded.add(call.endpoint);
    // Its place and its money must be free before the next choice.
    await call.parts.return();
  }

  /** Resolves when all calls so far have given everything back. */
  async settled(): Promise<void> {
    await Promise.all(this.#calls.map(({ settled }) => settled));
  }
}

/** That nobody can be asked is news only to those who have not asked yet; the others learn why. */
function withCause(error: TwowattError, last: Failure | null): TwowattError {
  const { code, retryAfterMs } = error;
  if (code !== 'cloud_unavailable' || last === null) return error;
  return new TwowattError(code, last.message, retryAfterMs === undefined ? {} : { retryAfterMs });
}

async function nextPart(call: Call): Promise<CallPart> {
  const next = await call.parts.next();
  return next.done === true ? { type: 'failed', failure: CUT } : next.value;
}
