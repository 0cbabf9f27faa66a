import {
  type Clock,
  type Logger,
  type Span,
  type TimerHandle,
  TwowattError,
} from '../core/index.ts';
import { parseJson } from '../protocol/index.ts';
import { Answer } from './answer.ts';
import type { Reservation } from './budget.ts';
import { cleanMessage } from './clean.ts';
import { createDecoder } from './decoder.ts';
import type { EndpointRuntime, Lease } from './endpoint.ts';
import {
  type Failure,
  failureOfStatus,
  failureOfThrown,
  retryAfterMs,
  unavailable,
} from './failure.ts';
import type { Send } from './send.ts';
import { guessPromptTokens, priceOf } from './tokens.ts';
import type { CloudRequest, TransportResponse } from './types.ts';
import { type ProviderError, providerErrorOf, type WireEvent } from './wire.ts';

/** For usage and `[DONE]`, once the answer is whole; then the answer is given without them. */
const EPILOGUE_MS = 2000;
const LONGEST_ERROR_BYTES = 65_536;

export type CallPart =
  /** The model thinks, and no text has come yet. */
  | { type: 'thinking' }
  | { type: 'delta'; text: string }
  | { type: 'complete' }
  | { type: 'failed'; failure: Failure };

export type CallDeps = { send: Send; clock: Clock; logger: Logger };

/** What a call runs on; all of it is given back when the call ends. */
export type Ticket = { endpoint: EndpointRuntime; lease: Lease; reservation: Reservation };

const ABANDONED: Failure = unavailable('abandoned', { blame: 'none' });
const SILENT: Failure = unavailable('no first token', { blame: 'down' });

/**
 * One HTTP call to one endpoint: sends, watches the waits, reads, and in the end settles its lease, its
 * reservation and the endpoint's figures, however it ends. `parts` closes with `complete` or `failed`.
 */
export class Call {
  readonly endpoint: EndpointRuntime;
  readonly answer: Answer;
  readonly parts: AsyncGenerator<CallPart, void, undefined>;
  /** Resolves when everything is given back. */
  readonly settled: Promise<void>;
  /** Known once settled. */
  cost = 0;
  readonly #deps: CallDeps;
  readonly #ticket: Ticket;
  readonly #request: CloudRequest;
  readonly #controller = new AbortController();
  readonly #startedMs: number;
  readonly #span: Span;
  #resolveSettled: () => void = () => {};
  #timedOut: Failure | null = null;
  #firstTokenMs: number | null = null;
  #status: number | null = null;
  #sent = false;
  #accepted = false;
  #refused = false;
  #closed = false;

  constructor(deps: CallDeps, ticket: Ticket, request: CloudRequest) {
    this.#deps = deps;
    this.#ticket = ticket;
    this.#request = request;
    this.endpoint = ticket.endpoint;
    this.answer = new Answer(ticket.endpoint, request);
    this.#startedMs = deps.clock.monotonicMs();
    this.#span = request.trace.child('cloud call', { kind: 'client' });
    this.settled = new Promise((resolve) => (this.#resolveSettled = resolve));
    this.parts = this.#run();
  }

  /** Ends the call; nobody reads its parts any more. Nothing happens to a call that has settled. */
  abandon(): void {
    if (this.#closed) return;
    this.#controller.abort();
    // A generator that never began has nothing to return from.
    void this.parts.next().then(() => this.parts.return());
  }

  async *#run(): AsyncGenerator<CallPart, void, undefined> {
    let outcome: Failure | 'success' = ABANDONED;
    const { spec } = this.endpoint;
    const total = this.#timer(spec.totalTimeoutMs, 'total timeout');
    try {
      for await (const part of this.#exchange()) {
        if (part.type === 'failed') {
          outcome = part.failure;
          return yield part;
        }
        if (part.type === 'complete') outcome = 'success';
        yield part;
      }
    } catch (thrown) {
      outcome = this.#failureOf(thrown);
      yield { type: 'failed', failure: outcome };
    } finally {
      total.cancel();
      this.#settle(outcome);
    }
  }

  async *#exchange(): AsyncGenerator<CallPart, void, undefined> {
    const { spec } = this.endpoint;
    const first = this.#timer(spec.firstTokenTimeoutMs, 'no first token');
    try {
      this.#sent = !this.#controller.signal.aborted;
      const response = await this.#abortable(
        this.#deps.send(spec, this.#request, this.#span.traceparent, this.#controller.signal),
      );
      this.#status = response.status;
      if (response.status !== 200) {
        this.#refused = true;
        const said = await this.#readError(response);
        const rest = retryAfterMs(response.headers, this.#deps.clock);
        const words = this.#clean(said);
        yield { type: 'failed', failure: failureOfStatus(response.status, said, words, rest) };
        return;
      }
      this.#accepted = true;
      yield* this.#read(response, first);
    } finally {
      first.cancel();
    }
  }

  async *#read(
    response: TransportResponse,
    first: TimerHandle,
  ): AsyncGenerator<CallPart, void, undefined> {
    const decoder = createDecoder();
    const bytes = response.body[Symbol.asyncIterator]();
    let idle: TimerHandle | null = null;
    try {
      let ended = false;
      for (let over = false; !over;) {
        const chunk = await this.#nextChunk(bytes);
        over = chunk.done === true;
        const events = chunk.done === true ? decoder.end() : decoder.feed(chunk.value);
        if (events.length > 0) idle?.cancel();
        let text = '';
        for (const event of events) {
          if (event.type === 'end') over = ended = true;
          const failure = this.#failureIn(event);
          if (failure !== null && text !== '') yield { type: 'delta', text };
          if (failure !== null) return yield { type: 'failed', failure };
          this.answer.take(event);
          if (this.answer.endless) {
            const rest = { next: 'elsewhere', blame: 'broken' } as const;
            return yield { type: 'failed', failure: unavailable('endless answer', rest) };
          }
          if (event.type === 'text') text += event.text;
          if (event.type === 'thought' && this.#firstTokenMs === null) yield { type: 'thinking' };
          if (event.type === 'text' || event.type === 'thought') this.#onToken(first);
        }
        if (text !== '') yield { type: 'delta', text };
        // Armed only while bytes are waited for: a slow reader is no silent endpoint.
        if (!over && events.length > 0) idle = this.#armIdle(first);
      }
      // Some servers leave the finish reason out, others `[DONE]`; without both the answer is not whole.
      if (this.answer.finishReason === null && (!ended || this.answer.text === '')) {
        yield { type: 'failed', failure: unavailable('stream cut') };
        return;
      }
      this.answer.finishReason ??= 'stop';
      first.cancel();
      this.#onToken(first);
      this.#drain(bytes);
      yield { type: 'complete' };
    } finally {
      idle?.cancel();
    }
  }

  /** The next bytes. Once the answer is whole, no break of the stream can spoil it. */
  async #nextChunk(bytes: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.#abortable(bytes.next());
    } catch (thrown) {
      if (this.answer.finishReason === null) throw thrown;
      return { done: true, value: undefined };
    }
  }

  #armIdle(first: TimerHandle): TimerHandle | null {
    const { idleTimeoutMs } = this.endpoint.spec;
    if (this.answer.finishReason !== null) {
      first.cancel();
      return this.#timer(Math.min(EPILOGUE_MS, idleTimeoutMs), 'idle timeout');
    }
    return this.#firstTokenMs === null ? null : this.#timer(idleTimeoutMs, 'idle timeout');
  }

  #onToken(first: TimerHandle): void {
    if (this.#firstTokenMs !== null) return;
    first.cancel();
    this.#firstTokenMs = this.#deps.clock.monotonicMs() - this.#startedMs;
    this.#ticket.lease.answering();
  }

  #failureIn(event: WireEvent): Failure | null {
    if (this.answer.finishReason !== null) return null;
    if (event.type === 'malformed') return unavailable(event.why);
    if (event.type === 'error') {
      const { said } = event;
      return failureOfStatus(said.status ?? 500, said, this.#clean(said), undefined);
    }
    if (event.type === 'finish' && event.filtered && this.answer.text === '') {
      const message = "the cloud endpoint's content filter refused the prompt";
      return {
        code: 'invalid_request',
        message,
        reason: 'content filter',
        next: 'final',
        blame: 'alive',
      };
    }
    return null;
  }

  /** Reads on to the end of the body in the background, so that the connection can serve again. */
  #drain(bytes: AsyncIterator<Uint8Array>): void {
    const timer = this.#deps.clock.setTimer(EPILOGUE_MS, () => this.#controller.abort());
    const read = async () => {
      try {
        while ((await this.#abortable(bytes.next())).done !== true);
      } catch {
        // The answer is whole; how the connection ends is of no interest.
      } finally {
        timer.cancel();
      }
    };
    void read();
  }

  async #readError(response: TransportResponse): Promise<ProviderError> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    try {
      const bytes = response.body[Symbol.asyncIterator]();
      for (let next = await this.#abortable(bytes.next()); next.done !== true;) {
        length += next.value.length;
        chunks.push(next.value);
        if (length > LONGEST_ERROR_BYTES) break;
        next = await this.#abortable(bytes.next());
      }
      const value = parseJson(Buffer.concat(chunks).toString('utf8'));
      return providerErrorOf(value) ?? NOTHING_SAID;
    } catch {
      // The status alone tells enough.
      return NOTHING_SAID;
    } finally {
      if (length > LONGEST_ERROR_BYTES) this.#controller.abort();
    }
  }

  #clean({ message }: ProviderError): string {
    return cleanMessage(message, this.#request, this.endpoint.spec.apiKey);
  }

  #timer(ms: number, reason: string): TimerHandle {
    return this.#deps.clock.setTimer(ms, () => {
      this.#timedOut ??= unavailable(reason);
      this.#controller.abort();
    });
  }

  #failureOf(thrown: unknown): Failure {
    if (this.#timedOut !== null) return this.#timedOut;
    if (this.#controller.signal.aborted) return ABANDONED;
    if (thrown instanceof TwowattError) {
      const { code, message } = thrown;
      return { code, message, reason: code, next: 'final', blame: 'none' };
    }
    return failureOfThrown(thrown);
  }

  #settle(outcome: Failure | 'success'): void {
    const { lease, reservation, endpoint } = this.#ticket;
    const waitedMs = this.#deps.clock.monotonicMs() - this.#startedMs;
    const silent = this.#firstTokenMs === null && !this.#refused && this.#sent;
    const abandoned = outcome === ABANDONED;
    const usualMs = endpoint.latency.quantile(0.95);
    // A dead endpoint whose calls are always outrun by hedges must be found out as well.
    const overdue = abandoned && silent && usualMs !== null && waitedMs > usualMs;
    if (this.#firstTokenMs !== null) endpoint.latency.add(this.#firstTokenMs);
    else if (overdue || (silent && this.#timedOut !== null)) endpoint.latency.add(waitedMs);
    const verdict = overdue ? SILENT : outcome;
    if (outcome === 'success') this.answer.teach();
    this.cost = this.#costNow();
    reservation.settle(this.cost);
    endpoint.addCost(this.cost);
    const said = {
      id: this.#request.id,
      endpoint: endpoint.spec.name,
      firstTokenMs: this.#firstTokenMs,
      totalMs: waitedMs,
    };
    if (verdict === 'success') this.#deps.logger.debug(said, 'a cloud call answered');
    else this.#deps.logger.debug({ ...said, reason: verdict.reason }, 'a cloud call failed');
    this.#endSpan(verdict);
    lease.done(verdict);
    this.#closed = true;
    // A body that nobody reads to its end would keep its connection from all later calls.
    if (outcome !== 'success') this.#controller.abort();
    this.#resolveSettled();
  }

  #endSpan(verdict: Failure | 'success'): void {
    const { spec } = this.endpoint;
    const usage = this.#accepted ? this.answer.usage() : null;
    this.#span.end({
      attributes: {
        'gen_ai.request.model': spec.model,
        'gen_ai.usage.input_tokens': usage?.promptTokens,
        'gen_ai.usage.output_tokens': usage?.completionTokens,
        'http.response.status_code': this.#status,
        'twowatt.endpoint': spec.name,
        'twowatt.first_token_ms': this.#firstTokenMs,
        'twowatt.cost': this.cost,
      },
      ...(verdict === 'success' ? {} : { error: verdict.reason }),
    });
  }

  /**
   * What the endpoint charges as far as it can be known: what it reports, else what it produced. A call
   * that was ended by us while the endpoint may have been reading counts with its prompt.
   */
  #costNow(): number {
    const { spec, promptGauge } = this.endpoint;
    if (this.#accepted) {
      const { promptTokens, completionTokens } = this.answer.usage();
      return priceOf(spec, promptTokens, completionTokens);
    }
    if (this.#refused || !this.#sent || !this.#controller.signal.aborted) return 0;
    return priceOf(spec, promptGauge.correct(guessPromptTokens(this.#request)), 0);
  }

  /** Rejects as soon as the call is ended, whatever a transport makes of its signal. */
  #abortable<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this.#controller;
    return new Promise((resolve, reject) => {
      const abort = () => reject(new Error('the call was ended'));
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
      promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
  }
}

const NOTHING_SAID: ProviderError = { status: null, code: '', message: '' };
