import {
  type Clock,
  type ErrorBody,
  type Logger,
  type TimerHandle,
  TwowattError,
} from '../core/index.ts';
import type {
  EngineState,
  EngineStatus,
  GenerateRequest,
  GenerationPart,
  ModelFacts,
} from '../protocol/index.ts';
import { type EngineProcess, residentBytes, startEngineProcess } from './engine-process.ts';
import type { StepGate, StepReport } from './gate.ts';
import { GateRelay } from './gate-relay.ts';
import type { FromEngine, ModelTrouble } from './messages.ts';
import { PartStream } from './part-stream.ts';
import { Restarts } from './restarts.ts';
import { createStepLimits, type StepLimits } from './step-limit.ts';
import { StepWatch } from './step-watch.ts';
import { DEFAULTS, type EngineSupervisorOptions } from './supervisor-options.ts';

type Job = {
  id: number;
  request: GenerateRequest;
  stream: PartStream;
  signal: AbortSignal;
  /** How often it was handed to a process. */
  runs: number;
  sentDeltas: boolean;
  /** Undoes what `generate` hung on the signal. */
  release: () => void;
};

/** A first run and one more; see the class invariants. */
const MAX_RUNS = 2;
/** A killed process is gone by then, unless the kernel cannot end it. */
const OVERDUE_MS = 2_000;

export type EngineSupervisor = EngineSupervisorImpl;

/** Call `start()` to fork the engine process; until then jobs wait. */
export function createEngineSupervisor(options: EngineSupervisorOptions): EngineSupervisor {
  return new EngineSupervisorImpl(options);
}

/**
 * Keeps one engine process running and hands it one job at a time.
 *
 * Invariants
 * - At most one process lives, and at most one job (`#running`) is in it; all others wait in `#queue`
 *   in order of their calls. Both are touched only on the event loop, never across an await.
 * - Every job's stream gets exactly one terminal part: from the process, or from here (`#finish`).
 * - A job whose process died under it goes back to the head of the queue once; the second time it
 *   ends `internal`, so a prompt that kills engines cannot do so for ever.
 * - Messages of a process that is no longer `#process` are dropped (each process has its own closure).
 * - `unavailable` lasts until a process is ready: tries in between do not show as `starting`, or
 *   nobody who measures how long the engine is away would ever see it.
 *
 * What would deadlock it: a gate that never grants stops answers but nothing else (cancel, kill and
 * close pass it by, and the watchdog does not count time at the gate). Nothing here waits for the
 * reader of a stream: a reader that stops reading holds up nobody.
 */
class EngineSupervisorImpl {
  readonly #options: EngineSupervisorOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners = new Set<(status: EngineStatus) => void>();
  readonly #relay: GateRelay;
  readonly #watch: StepWatch;
  readonly #limits: StepLimits;
  readonly #restarts: Restarts;
  readonly #queue: Job[] = [];
  #running: Job | undefined;
  #process: EngineProcess | undefined;
  #processReady = false;
  #phase: 'new' | 'open' | 'closed' = 'new';
  #state: EngineState = 'starting';
  #problem: ErrorBody | null = null;
  #trouble: ModelTrouble | null = null;
  #model: ModelFacts | null;
  #threads: number;
  #threadsWanted: number;
  #nextJob = 1;
  #chunkRows: number | null = null;
  #tokensTotal = 0;
  #tokensPerS = 0;
  #progress = 0;
  #nextFork: TimerHandle | undefined;

  constructor(options: EngineSupervisorOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#logger = options.logger.child({ room: 'engine' });
    this.#model = options.facts ?? null;
    this.#threads = options.threads;
    this.#threadsWanted = options.threads;
    this.#restarts = new Restarts(
      options.backoff ?? DEFAULTS.backoff,
      options.random ?? Math.random,
    );
    this.#relay = new GateRelay(
      {
        granted: (ask, ahead, step) => {
          this.#progress += 1;
          this.#watch.expect(this.#limits.stepMs(step));
          this.#process?.send({ type: 'granted', ask, ahead });
        },
        ahead: (position) => this.#process?.send({ type: 'ahead', position }),
      },
      this.#logger,
    );
    this.#limits = createStepLimits({
      ceilingMs: options.stepTimeoutMs ?? DEFAULTS.stepTimeoutMs,
      loadCeilingMs: options.loadTimeoutMs ?? DEFAULTS.loadTimeoutMs,
      modelBytes: options.modelBytes ?? null,
    });
    this.#watch = new StepWatch(options.clock, {
      rightlyIdle: () => this.#relay.waiting,
      onStuck: (limitMs) => {
        this.#logger.error({ pid: this.#process?.pid, limitMs }, 'the engine is stuck; killing it');
        this.#limits.tookForHung();
        this.#process?.kill();
      },
    });
  }

  /** Forks the engine process; answers at once, `status` tells how it goes. */
  start(): void {
    if (this.#phase !== 'new') return;
    this.#phase = 'open';
    this.#fork();
  }

  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerationPart> {
    const abort = () => this.#cancel(job);
    const job: Job = {
      id: this.#nextJob++,
      request,
      signal,
      stream: new PartStream(() => abort()),
      runs: 0,
      sentDeltas: false,
      release: () => signal.removeEventListener('abort', abort),
    };
    const refusal = this.#refusal();
    if (refusal) {
      this.#finish(job, { type: 'error', error: refusal });
      return job.stream;
    }
    this.#queue.push(job);
    if (signal.aborted) this.#cancel(job);
    else signal.addEventListener('abort', abort, { once: true });
    this.#pump();
    return job.stream;
  }

  status(): EngineStatus {
    const pid = this.#process?.pid ?? null;
    return {
      state: this.#state,
      model: this.#model,
      problem: this.#problem,
      threads: this.#threads,
      pid,
      restarts: this.#restarts.total,
      tokensTotal: this.#tokensTotal,
      tokensPerS: this.#tokensPerS,
      rssBytes: pid === null ? null : residentBytes(pid),
    };
  }

  onStatus(listener: (status: EngineStatus) => void): () => void {
    const own = (status: EngineStatus) => listener(status);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** The health code that explains `unavailable`; null otherwise. */
  trouble(): ModelTrouble | null {
    return this.#trouble;
  }

  /** Counts signs of work: a watchdog compares two readings while the state is `busy`. */
  progress(): number {
    return this.#progress;
  }

  /** A step or a load goes on for longer than it may, and killing its process did not end it. */
  overdue(): boolean {
    return this.#watch.overdue(OVERDUE_MS);
  }

  /** Steps are granted by `gate` from now on; null lets the engine run freely, which costs nothing. */
  setGate(gate: StepGate | null): void {
    this.#relay.setGate(gate);
    this.#process?.send({ type: 'gate', driven: gate !== null });
    // Steps of the running job are no longer told.
    if (gate === null && this.#running) this.#watch.expect(this.#limits.stepMs('unknown'));
  }

  /** Rows of a prefill chunk, 1 to 128, from the next job on: the governor's longest step. */
  setChunkRows(rows: number): void {
    this.#chunkRows = rows;
    this.#process?.send({ type: 'chunks', rows });
  }

  /** Opens the model anew with so many threads once the running job is done. */
  setThreads(threads: number): void {
    this.#threadsWanted = threads;
    this.#pump();
  }

  /** Ends waiting and running jobs with `draining` and the process with them, by force if need be. */
  async close(): Promise<void> {
    this.#phase = 'closed';
    this.#nextFork?.cancel();
    this.#watch.stop();
    const jobs = [...(this.#running ? [this.#running] : []), ...this.#queue.splice(0)];
    for (const job of jobs)
      this.#finish(job, { type: 'error', error: this.#refusal() as ErrorBody });
    const engine = this.#process;
    if (engine === undefined) return;
    const deadline = this.#clock.setTimer(
      this.#options.closeTimeoutMs ?? DEFAULTS.closeTimeoutMs,
      () => engine.kill(),
    );
    engine.disconnect();
    await engine.gone;
    deadline.cancel();
  }

  #refusal(): ErrorBody | undefined {
    if (this.#phase === 'closed') {
      return new TwowattError('draining', 'the engine is being stopped').toBody();
    }
    return this.#state === 'unavailable' && this.#problem ? this.#problem : undefined;
  }

  #fork(): void {
    this.#processReady = false;
    const engine: EngineProcess = startEngineProcess({
      logger: this.#logger,
      execArgv: this.#options.execArgv ?? DEFAULTS.execArgv,
      onMessage: (message) => {
        if (this.#process === engine) this.#receive(message);
      },
      onExit: (how) => this.#exited(how),
    });
    this.#process = engine;
    if (this.#relay.gate) engine.send({ type: 'gate', driven: true });
    if (this.#chunkRows !== null) engine.send({ type: 'chunks', rows: this.#chunkRows });
    this.#load();
  }

  #load(): void {
    this.#processReady = false;
    this.#restarts.loading();
    this.#threads = this.#threadsWanted;
    this.#process?.send({
      type: 'load',
      modelFolder: this.#options.modelFolder,
      threads: this.#threads,
      contextTokens: this.#options.contextTokens ?? null,
    });
    if (this.#state !== 'unavailable') this.#setState('starting');
    this.#watch.start(this.#limits.loadMs());
  }

  #receive(message: FromEngine): void {
    this.#sign();
    switch (message.type) {
      case 'ready':
        this.#watch.stop();
        this.#processReady = true;
        this.#restarts.ready(this.#clock.monotonicMs());
        this.#model = message.model;
        this.#problem = null;
        this.#trouble = null;
        this.#limits.learn({ rows: 1, durationMs: message.stepMs });
        this.#logger.info({ model: message.model.id, loadMs: message.loadMs }, 'engine ready');
        this.#setState('ready');
        this.#pump();
        break;
      case 'unavailable':
        // Its process is told to go; `#exited` then waits and tries again.
        this.#becomeUnavailable(message.error, message.trouble);
        this.#process?.kill();
        break;
      case 'part':
        if (this.#running?.id === message.job) this.#takePart(this.#running, message.part);
        break;
      case 'ask':
        this.#learn(message.report);
        if (this.#running?.id === message.job) this.#relay.ask(message.ask, message.step);
        break;
      case 'took':
        this.#limits.learn(message.report);
        this.#watch.expect(this.#limits.stepMs(message.step));
        this.#relay.took(message.step, message.report);
        break;
      case 'report':
        this.#learn(message.report);
        break;
      case 'progress':
        break;
      case 'log':
        this.#logger[message.level](message.fields, message.message);
        break;
    }
  }

  #learn(report: StepReport | null): void {
    if (report !== null) this.#limits.learn(report);
    this.#relay.report(report);
  }

  #takePart(job: Job, part: GenerationPart): void {
    if (part.type === 'delta') job.sentDeltas = true;
    if (part.type === 'done') {
      const { completionTokens, decodeMs } = part.result;
      this.#tokensTotal += completionTokens;
      // The first token comes out of the prefill.
      if (completionTokens > 1 && decodeMs > 0) {
        this.#tokensPerS = ((completionTokens - 1) * 1000) / decodeMs;
      }
    }
    if (part.type !== 'done' && part.type !== 'error') {
      job.stream.push(part);
      return;
    }
    this.#restarts.answered();
    this.#limits.endedWell();
    this.#watch.stop();
    this.#relay.clear();
    this.#finish(job, part);
    this.#setState('ready');
    this.#pump();
  }

  /** The one place where a job ends. */
  #finish(job: Job, last: GenerationPart): void {
    if (this.#running === job) this.#running = undefined;
    job.release();
    job.stream.push(last);
  }

  #cancel(job: Job): void {
    if (this.#running === job) {
      this.#process?.send({ type: 'cancel', job: job.id });
      return;
    }
    const at = this.#queue.indexOf(job);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    const error = new TwowattError('cancelled', 'cancelled before the first token').toBody();
    this.#finish(job, { type: 'error', error });
  }

  /** Hands over the next job if the process can take one. Safe to call at any time. */
  #pump(): void {
    if (this.#phase !== 'open' || !this.#processReady || this.#running) return;
    if (this.#threadsWanted !== this.#threads) {
      this.#load();
      return;
    }
    const job = this.#queue.shift();
    if (job === undefined) return;
    this.#running = job;
    job.runs += 1;
    this.#setState('busy');
    this.#process?.send({ type: 'generate', job: job.id, request: job.request });
    // Until the first step is asked for, the prompt is turned into tokens.
    this.#watch.start(this.#limits.stepMs(this.#relay.gate === null ? 'unknown' : 'soon'));
  }

  #sign(): void {
    this.#progress += 1;
    this.#watch.sign();
  }

  #exited(how: string): void {
    this.#process = undefined;
    this.#processReady = false;
    this.#watch.stop();
    this.#relay.clear();
    if (this.#phase === 'closed') return;
    const { failures, failedLoads, hopeless, delayMs } = this.#restarts.ended(
      this.#clock.monotonicMs(),
    );
    this.#logger.error({ how, failures }, 'the engine process ended');
    const job = this.#running;
    this.#running = undefined;
    if (job) this.#afterCrash(job, how);
    if (this.#state === 'unavailable') {
      this.#announce();
    } else if (hopeless) {
      const why = `the engine process ended ${failedLoads} times while it loaded the model (${how})`;
      const error = new TwowattError('model_unavailable', why).toBody();
      this.#becomeUnavailable(error, 'engine_unavailable');
    } else {
      this.#setState('restarting');
    }
    this.#nextFork = this.#clock.setTimer(delayMs, () => this.#fork());
  }

  /** Back to the head of the queue, or the end of it. */
  #afterCrash(job: Job, how: string): void {
    if (job.signal.aborted) {
      const error = new TwowattError('cancelled', 'cancelled while the engine restarted').toBody();
      this.#finish(job, { type: 'error', error });
    } else if (job.runs >= MAX_RUNS) {
      const why = `the engine ended ${job.runs} times while it answered this prompt (${how})`;
      this.#finish(job, { type: 'error', error: new TwowattError('internal', why).toBody() });
    } else {
      if (job.sentDeltas) job.stream.push({ type: 'restart', reason: 'engine_restarted' });
      job.sentDeltas = false;
      this.#queue.unshift(job);
    }
  }

  #becomeUnavailable(problem: ErrorBody, trouble: ModelTrouble): void {
    this.#problem = problem;
    this.#trouble = trouble;
    this.#logger.error({ trouble, param: problem.param }, problem.message);
    for (const job of this.#queue.splice(0)) this.#finish(job, { type: 'error', error: problem });
    this.#setState('unavailable');
  }

  #setState(state: EngineState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#announce();
  }

  #announce(): void {
    const status = this.status();
    for (const listener of this.#listeners) listener(status);
  }
}
