import {
  type Clock,
  type ErrorBody,
  type Logger,
  newId,
  type TimerHandle,
  TwowattError,
  toTwowattError,
} from '../core/index.ts';
import type { EngineStatus, GenerationPart } from '../protocol/index.ts';
import type { ModelTrouble } from '../engine/index.ts';
import type { Engine } from '../service/index.ts';

/** A model that could not be prepared is tried again: somebody may be copying it right now. */
const RETRY_MS = 60_000;

/** Why no model could be prepared. */
export class PrepareError extends TwowattError {
  readonly trouble: ModelTrouble;
  constructor(trouble: ModelTrouble, body: ErrorBody) {
    super(body.code, body.message, body.param === undefined ? {} : { param: body.param });
    this.trouble = trouble;
  }
}

/** The health condition that explains an engine which is unavailable. */
export type Trouble = ModelTrouble;

/** An engine that also counts its work, for the watchdog, and knows what is wrong, for the health list. */
export type RunningEngine = Engine & {
  progress(): number;
  /** Whoever watches over its steps and loads has failed to. */
  overdue(): boolean;
  trouble(): Trouble | null;
};

export type ModelEngine = RunningEngine & {
  /** Resolves when the engine is for the first time ready, or known to be unavailable. */
  settled: Promise<void>;
};

/**
 * An engine whose model still has to be found, and perhaps converted, which takes minutes for a big
 * one on a board. Until then it is `starting`; if the model cannot be had it is `unavailable` with
 * the reason, and tried again.
 */
export function createModelEngine(options: {
  prepare: () => Promise<RunningEngine>;
  clock: Clock;
  logger: Logger;
}): ModelEngine {
  const { clock, logger } = options;
  const listeners = new Map<string, (status: EngineStatus) => void>();
  let inner: RunningEngine | undefined;
  let problem: ErrorBody | null = null;
  let trouble: Trouble | null = null;
  let retry: TimerHandle | undefined;
  let closed = false;
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>();

  const status = (): EngineStatus =>
    inner?.status() ?? {
      state: problem === null ? 'starting' : 'unavailable',
      model: null,
      problem,
      threads: 0,
      pid: null,
      restarts: 0,
      tokensTotal: 0,
      tokensPerS: 0,
      rssBytes: null,
    };
  const announce = () => {
    const now = status();
    if (now.state !== 'starting') settle();
    for (const listener of listeners.values()) listener(now);
  };

  async function prepare(): Promise<void> {
    try {
      const engine = await options.prepare();
      if (closed) {
        await engine.close();
        return;
      }
      inner = engine;
      problem = null;
      inner.onStatus(announce);
    } catch (error) {
      problem = toTwowattError(error).toBody();
      trouble = error instanceof PrepareError ? error.trouble : 'engine_unavailable';
      logger.error({ code: problem.code, param: problem.param }, `no model: ${problem.message}`);
      if (!closed) retry = clock.setTimer(RETRY_MS, () => void prepare());
    }
    announce();
  }
  void prepare();

  return {
    settled,
    status,
    trouble: () => (inner === undefined ? trouble : inner.trouble()),
    progress: () => inner?.progress() ?? 0,
    overdue: () => inner?.overdue() ?? false,
    async *generate(request, signal): AsyncIterable<GenerationPart> {
      if (inner) yield* inner.generate(request, signal);
      else {
        const error = problem ?? {
          code: 'model_unavailable',
          message: 'the model is not ready yet',
          retryable: true,
        };
        yield { type: 'error', error };
      }
    },
    onStatus(listener) {
      const key = newId();
      listeners.set(key, listener);
      return () => listeners.delete(key);
    },
    async close() {
      closed = true;
      retry?.cancel();
      await inner?.close();
    },
  };
}
