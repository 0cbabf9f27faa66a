import { type Clock, sleep, TwowattError } from '../../src/core/index.ts';
import type {
  EngineState,
  EngineStatus,
  GenerateRequest,
  GenerationPart,
} from '../../src/protocol/index.ts';
import type { Engine } from '../../src/service/index.ts';

export type FakeEngineOptions = {
  clock: Clock;
  /**
   * The answer to a request; an error ends the stream with it. Each character counts as a token. Asked
   * again when the engine restarts.
   */
  answer: (request: GenerateRequest) => string | TwowattError;
  /** Time that a token takes. 0: all at once. */
  tokenMs?: number;
  state?: EngineState;
};

export type FakeEngine = Engine & {
  /** Every request that it was asked to run, in order. */
  requests: GenerateRequest[];
  setState(state: EngineState, problem?: TwowattError): void;
  /** Sends a `restart` part into the running answer, as the supervisor does after a crash. */
  restartNext(): void;
  closed: boolean;
};

/** An engine that answers from a script, one token a character, and obeys the contract of `Engine`. */
export function createFakeEngine(options: FakeEngineOptions): FakeEngine {
  const listeners = new Set<(status: EngineStatus) => void>();
  const requests: GenerateRequest[] = [];
  let state = options.state ?? 'ready';
  let problem: TwowattError | null = null;
  let tokensTotal = 0;
  let restarting = false;
  // One job at a time, first come first served, as the real supervisor does.
  let last: Promise<void> = Promise.resolve();

  const status = (): EngineStatus => ({
    state,
    model: {
      id: 'fake',
      digest: '0'.repeat(64),
      architecture: 'ernie4_5',
      form: 'int8',
      parameters: 1,
      contextTokens: 1000,
    },
    problem: problem?.toBody() ?? null,
    threads: 1,
    pid: null,
    restarts: 0,
    tokensTotal,
    tokensPerS: options.tokenMs ? 1000 / options.tokenMs : 0,
    rssBytes: null,
  });
  const setState: FakeEngine['setState'] = (next, why) => {
    state = next;
    problem = why ?? null;
    for (const listener of listeners) listener(status());
  };

  async function* run(
    request: GenerateRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GenerationPart> {
    const startedAt = options.clock.monotonicMs();
    const answer = options.answer(request);
    if (answer instanceof TwowattError) {
      yield { type: 'error', error: answer.toBody() };
      return;
    }
    const prompt = (request.messages ?? []).map(({ content }) => content).join('\n');
    let whole = answer;
    let tokens = Array.from(whole).slice(0, request.maxTokens);
    let text = '';
    for (let at = 0; at < tokens.length; at += 1) {
      if (options.tokenMs) await sleep(options.clock, options.tokenMs, signal);
      if (restarting) {
        // The real supervisor runs the prompt again from its beginning.
        restarting = false;
        const again = options.answer(request);
        if (typeof again === 'string') whole = again;
        tokens = Array.from(whole).slice(0, request.maxTokens);
        text = '';
        at = 0;
        yield { type: 'restart', reason: 'engine_restarted' };
      }
      if (signal.aborted) break;
      const token = tokens[at] ?? '';
      text += token;
      tokensTotal += 1;
      yield { type: 'delta', text: token };
    }
    if (signal.aborted && text === '') {
      yield {
        type: 'error',
        error: new TwowattError('cancelled', 'cancelled before the first token').toBody(),
      };
      return;
    }
    const ranMs = options.clock.monotonicMs() - startedAt;
    yield {
      type: 'done',
      result: {
        text,
        finishReason: signal.aborted
          ? 'cancelled'
          : tokens.length < Array.from(whole).length
            ? 'length'
            : 'stop',
        promptTokens: Array.from(request.prompt ?? prompt).length,
        completionTokens: Array.from(text).length,
        cachedTokens: 0,
        prefillMs: options.tokenMs ?? 0,
        decodeMs: ranMs,
        confidence: text === '' ? null : 0.9,
        logprobs: request.topLogprobs === null ? null : [],
      },
    };
  }

  const engine: FakeEngine = {
    requests,
    closed: false,
    status,
    setState,
    restartNext() {
      restarting = true;
    },
    generate(request, signal) {
      const before = last;
      const { promise, resolve } = Promise.withResolvers<void>();
      last = promise;
      // At once, within the call, as the real supervisor does: its listeners may call back into ours.
      if (state === 'ready') setState('busy');
      return (async function* () {
        await before;
        requests.push(request);
        if (state === 'ready') setState('busy');
        try {
          yield* run(request, signal);
        } finally {
          resolve();
          if (state === 'busy') setState('ready');
        }
      })();
    },
    onStatus(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      engine.closed = true;
      await last;
    },
  };
  return engine;
}
