import { type Logger, TwowattError } from '../core/index.ts';
import type {
  ChatMessage,
  GenerationResult,
  RouteReason,
  TerminalFrame,
} from '../protocol/index.ts';
import type { SessionFacts, StoredPrompt } from '../queue/types.ts';
import type { NodeState, RouteDecision } from '../router/index.ts';
import { cloudResult, doneFrame, errorFrame } from './answers.ts';
import { insists, runInCloud } from './cloud-run.ts';
import { type EdgeOutcome, type Energy, runOnEdge } from './edge-run.ts';
import type { EdgeSlots, Slot } from './edge-slots.ts';
import type { EnergyMeter, Engine, Routing } from './ports.ts';
import { Turn, type TurnContext } from './turn.ts';

/** Why a running prompt is being stopped. */
export type StopReason = 'cancelled' | 'expired' | 'shutdown';

export type RunOutcome =
  | {
      kind: 'answered';
      frame: TerminalFrame;
      turns: ChatMessage[];
      /** What the session keeps besides the turns; absent for errors. */
      facts?: SessionFacts;
      /** Present for an answer that the board alone made: what the estimate learns from. */
      sample?: { firstTokenMs: number; runMs: number; tokens: number; joules: number };
    }
  /** The daemon is stopping: the prompt goes back to the journal and runs after the restart. */
  | { kind: 'interrupted' };

export type RunContext = TurnContext & {
  currency: string;
  engine: Engine;
  logger: Logger;
  meter: EnergyMeter;
  routing: Routing;
  slots: EdgeSlots;
  /** The board as a prompt that runs now finds it. */
  edge: () => NodeState['edge'];
};

/** A prompt's begin: where to, and its place on the board if that is where. */
export type Begin = { decision: RouteDecision; slot: Slot | null };

/**
 * Runs one claimed prompt to its terminal frame, streaming deltas on the way. Never throws.
 *
 * The board and the cloud are each tried at most once, in the order of the decision: an answer of the
 * board that is not sure enough goes on to the cloud, a cloud that fails falls back to the board.
 */
export async function runPrompt(
  stored: StoredPrompt,
  stop: AbortSignal,
  begin: Begin,
  context: RunContext,
): Promise<RunOutcome> {
  const run = new PromptRun(stored, stop, begin, context);
  try {
    return await run.run();
  } finally {
    run.slot?.release();
  }
}

class PromptRun {
  slot: Slot | null;
  readonly #stored: StoredPrompt;
  readonly #stop: AbortSignal;
  readonly #context: RunContext;
  readonly #turn: Turn;
  #decision: RouteDecision;
  #escalated = false;
  #cloudTried = false;
  #local: boolean;
  #energy: Energy = null;
  #cost = 0;
  /** The board's answer that was not sure enough. */
  #unsure: GenerationResult | undefined;

  constructor(
    stored: StoredPrompt,
    stop: AbortSignal,
    { decision, slot }: Begin,
    context: RunContext,
  ) {
    this.slot = slot;
    this.#stored = stored;
    this.#stop = stop;
    this.#context = context;
    this.#decision = decision;
    this.#turn = new Turn(stored, context);
    this.#local = this.#turn.prompt.privacy === 'local';
  }

  async run(): Promise<RunOutcome> {
    for (;;) {
      const outcome =
        this.#decision.target === 'cloud' ? await this.#tryCloud() : await this.#tryEdge();
      if (outcome !== undefined) return outcome;
    }
  }

  /** Undefined when the way goes on. */
  async #tryEdge(): Promise<RunOutcome | undefined> {
    const { routing, slots, meter } = this.#context;
    const turn = this.#turn;
    this.slot ??= await slots.enter(this.#stop);
    if (this.slot === null) return this.#stopped();
    const outcome = await runOnEdge(turn, this.#stop, !this.#cloudTried, this.#context);
    this.#energy = outcome.energy;
    if (outcome.kind !== 'given_up') {
      const stopped = this.#stoppedBy(outcome);
      if (stopped !== undefined) return stopped;
    }
    switch (outcome.kind) {
      case 'given_up':
        if (outcome.verdict === 'refuse') return this.#fail(unsureError());
        return this.#escalate('low_confidence', this.#decision.tier);
      case 'failure':
        return this.#afterEdgeFailure(outcome.error);
      case 'answer': {
        const mayRestart = turn.mayRestart && !this.#cloudTried;
        const verdict = routing.judge(turn.prompt, outcome.result, this.#decision, mayRestart);
        if (verdict.action === 'escalate') {
          this.#unsure = outcome.result;
          return this.#escalate('low_confidence', verdict.tier);
        }
        return this.#finishOnEdge(outcome.result, verdict);
      }
    }
    return this.#fail(expiredError(meter, 'while the answer was being made'));
  }

  async #tryCloud(): Promise<RunOutcome | undefined> {
    const { routing } = this.#context;
    const turn = this.#turn;
    this.slot?.release();
    this.slot = null;
    this.#cloudTried = true;
    const outcome = await runInCloud(turn, this.#stored, this.#decision, this.#stop, this.#context);
    if (outcome.kind === 'answer') {
      const { result } = outcome;
      this.#cost += result.cost.amount;
      if (result.finishReason === 'cancelled' && this.#stop.reason === 'shutdown') {
        return { kind: 'interrupted' };
      }
      return this.#finish(cloudResult(result), result.model, result.endpoint, []);
    }
    if (outcome.kind === 'withheld') {
      this.#local = true;
      if (insists(turn.prompt, routing)) {
        const why = 'what the conversation holds may not leave the board';
        return this.#fail(new TwowattError('privacy_blocked', why, { param: 'privacy' }));
      }
      this.#toEdge([outcome.verdict.reason]);
      return undefined;
    }
    this.#cost += outcome.cost.amount;
    if (outcome.error.code === 'cancelled') return this.#stopped();
    const back = routing.afterCloudFailure(turn.prompt, this.#decision);
    if (back === null) return this.#fail(insistedError(outcome.error));
    // Over HTTP what was streamed cannot be taken back.
    if (!turn.mayRestart) return this.#fail(outcome.error);
    turn.restart('cloud_failed');
    if (this.#unsure === undefined) {
      this.#decision = back;
      return undefined;
    }
    const verdict = routing.judge(turn.prompt, this.#unsure, back, false);
    this.#decision = back;
    if (verdict.action !== 'refuse') turn.delta(this.#unsure.text);
    return this.#finishOnEdge(this.#unsure, verdict);
  }

  /** What the board cannot do the cloud may. */
  #afterEdgeFailure(error: TwowattError): RunOutcome | undefined {
    const { routing, edge } = this.#context;
    const reason = EDGE_FAILURES[error.code];
    if (reason === undefined || this.#cloudTried || !this.#turn.mayRestart)
      return this.#fail(error);
    const other = routing.decide(this.#turn.prompt, { ...edge(), available: false });
    if (other.target === 'edge') return this.#fail(error);
    return this.#escalate(reason, other.tier);
  }

  #escalate(reason: RouteReason, tier: number | null): undefined {
    this.#escalated = true;
    this.#turn.restart('escalated');
    this.#decision = {
      ...this.#decision,
      target: 'cloud',
      tier,
      reasons: unique([reason, ...this.#decision.reasons]),
    };
  }

  #toEdge(reasons: RouteReason[]): void {
    const { difficulty } = this.#decision;
    this.#decision = { target: 'edge', tier: null, reasons, difficulty };
  }

  #finishOnEdge(
    result: GenerationResult,
    verdict: { action: string; reasons: RouteReason[] },
  ): RunOutcome {
    if (verdict.action === 'refuse') {
      return this.#fail(unsureError());
    }
    const model = this.#context.engine.status().model?.id ?? 'unknown';
    return this.#finish(result, model, null, verdict.reasons);
  }

  #finish(
    result: GenerationResult,
    model: string,
    endpoint: string | null,
    more: RouteReason[],
  ): RunOutcome {
    const turn = this.#turn;
    const { target, difficulty } = this.#decision;
    const { prompt, request } = turn;
    const shadowed =
      target === 'edge' &&
      !this.#cloudTried &&
      result.finishReason !== 'cancelled' &&
      this.#context.routing.shadow(this.#stored.id, prompt, request, result.text);
    const reasons = unique([
      ...this.#decision.reasons,
      ...more,
      ...(shadowed ? ['shadow' as const] : []),
    ]);
    const runMs = turn.ranMs();
    const ttftMs = turn.firstTokenMs ?? result.prefillMs;
    this.#record(target, reasons, endpoint);
    return {
      kind: 'answered',
      frame: doneFrame(turn.head, {
        result,
        model,
        route: { target, endpoint, reasons, difficulty, escalated: this.#escalated },
        queuedMs: turn.queuedMs,
        ttftMs: turn.queuedMs + ttftMs,
        totalMs: turn.queuedMs + runMs,
        cost: { amount: this.#cost, currency: this.#context.currency },
        energy: this.#energy,
      }),
      turns: turn.turnsWith(result.text),
      facts: { local: this.#local, target },
      ...(this.#cloudTried
        ? {}
        : {
            sample: {
              firstTokenMs: ttftMs,
              runMs,
              tokens: result.completionTokens,
              joules: this.#energy?.joules ?? 0,
            },
          }),
    };
  }

  #fail(error: TwowattError): RunOutcome {
    const { target, reasons } = this.#decision;
    this.#record(target, reasons, null);
    return { kind: 'answered', frame: errorFrame(this.#turn.head, error), turns: [] };
  }

  #record(target: 'edge' | 'cloud', reasons: RouteReason[], endpoint: string | null): void {
    const { prompt, request } = this.#turn;
    const { id } = this.#stored;
    this.#context.routing.record({ id, prompt, target, reasons, endpoint }, request);
  }

  /** The end of an engine run that was cut short from outside; undefined for one that was not. */
  #stoppedBy(outcome: EdgeOutcome): RunOutcome | undefined {
    if (!this.#stop.aborted) return undefined;
    if (outcome.kind === 'failure') {
      return outcome.error.code === 'cancelled' ? this.#stopped(outcome.error) : undefined;
    }
    if (outcome.kind !== 'answer' || outcome.result.finishReason !== 'cancelled') return undefined;
    // Cancelled by whoever asked: the partial text is theirs.
    return this.#stop.reason === 'cancelled'
      ? this.#finishOnEdge(outcome.result, { action: 'keep', reasons: [] })
      : this.#stopped();
  }

  #stopped(error?: TwowattError): RunOutcome {
    switch (this.#stop.reason as StopReason) {
      case 'shutdown':
        return { kind: 'interrupted' };
      case 'expired':
        return this.#fail(
          insists(this.#turn.prompt, this.#context.routing)
            ? insistedError(new TwowattError('expired', ''))
            : expiredError(this.#context.meter, 'while the answer was being made'),
        );
      case 'cancelled':
        return this.#fail(
          error ?? new TwowattError('cancelled', 'cancelled before the first token'),
        );
    }
  }
}

/** Failures of the board that say nothing about the prompt, and what they are called as a reason. */
const EDGE_FAILURES: Partial<Record<string, RouteReason>> = {
  context_length_exceeded: 'context_too_long',
  model_unavailable: 'edge_unavailable',
  internal: 'edge_unavailable',
};

/** A prompt that insists on the cloud and did not reach it in time was not late by its own fault. */
export function insistedError(error: TwowattError): TwowattError {
  return error.code === 'expired'
    ? new TwowattError('cloud_unavailable', 'no cloud endpoint answered before the deadline')
    : error;
}

const unsureError = () =>
  new TwowattError(
    'low_confidence',
    'the answer was not sure enough to be given, and nobody else could be asked',
  );

const unique = (reasons: RouteReason[]): RouteReason[] => [...new Set(reasons)];

/** Why a prompt was not answered by its deadline: the board's limits, when they stand in the way. */
export function expiredError(meter: EnergyMeter, when: string): TwowattError {
  const limit = meter.pausedBy();
  return limit === null
    ? new TwowattError('expired', `the deadline passed ${when}`)
    : new TwowattError(
        `${limit}_limited`,
        `the deadline passed ${when}; the ${limit === 'power' ? 'watt budget' : 'temperature limit'} of the board allows no work at the moment`,
      );
}
