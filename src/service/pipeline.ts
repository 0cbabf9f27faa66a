import { sleep, type TimerHandle, TwowattError, toTwowattError } from '../core/index.ts';
import type { NewPrompt, StoredPrompt } from '../queue/types.ts';
import type { RouteDecision } from '../router/index.ts';
import { errorFrame, frameHead } from './answers.ts';
import { watchAvailability } from './availability.ts';
import { createEstimate } from './estimate.ts';
import { createIntake } from './intake.ts';
import { createOutbox } from './outbox.ts';
import { EdgeSlots } from './edge-slots.ts';
import { createFinisher } from './finish.ts';
import type { Pipeline, PipelineOptions } from './pipeline-types.ts';
import {
  type Begin,
  expiredError,
  insistedError,
  type RunContext,
  runPrompt,
  type StopReason,
} from './run-prompt.ts';
import { bodyOf } from './stored-body.ts';
import { emptyTotals } from './totals.ts';
import { routedPrompt } from './turn.ts';

/** How often expired answers and sessions are swept out of the journal. */
const PRUNE_PERIOD_MS = 60_000;
/** After disk trouble the journal is asked for prompts again so much later. */
const CLAIM_RETRY_MS = 30_000;
/** How often waiting prompts are looked through for those that had better go to the cloud. */
const DIVERT_PERIOD_MS = 2_000;
/** Waiting prompts that are looked at then. */
const DIVERT_AT_MOST = 32;
/** How long a stop waits for the broker to acknowledge the last answers. */
const LAST_SEND_MS = 2_000;

type Running = { stored: StoredPrompt; abort: AbortController; finished: Promise<void> };

export function createPipeline(options: PipelineOptions): Pipeline {
  const { clock, logger, journal, engine, port, node, tracing } = options;
  const outbox = createOutbox({ journal, port, logger, tracing });
  const estimate = createEstimate();
  const running = new Map<number, Running>();
  const totals = emptyTotals();
  const slots = new EdgeSlots(options.slots, pump);
  const { routing } = options;
  const context: RunContext = { ...options, slots, edge: () => edgeState(0) };
  let progress = 0;
  let draining = false;
  let stopped = false;
  let pumping = false;
  let expiryTimer: TimerHandle | undefined;
  let retryTimer: TimerHandle | undefined;
  /** Waiting prompts whose end is being stored: they still look waiting to the journal. */
  const ending = new Set<number>();

  const pruneTimer = clock.setRepeating(PRUNE_PERIOD_MS, prune);
  const divertTimer =
    routing.cloud === null ? undefined : clock.setRepeating(DIVERT_PERIOD_MS, divert);
  const availability = watchAvailability({ engine, clock, onChange: pump });
  const finish = createFinisher({
    ...options,
    outbox,
    totals,
    givesUp: () => stopped || pumping,
  });
  const submit = createIntake({
    ...options,
    outbox,
    estimate,
    availability,
    totals,
    draining: () => draining,
    onAccepted(seq, prompt, ahead) {
      progress += 1;
      divertNew(seq, prompt, ahead);
      pump();
    },
  });
  // What an earlier life accepted runs as soon as the engine does.
  queueMicrotask(divert);
  queueMicrotask(pump);

  /** Claims and starts whatever can run now. Safe to call at any time, also from within itself. */
  function pump(): void {
    if (stopped || pumping) return;
    // Starting a prompt changes the engine's status, and every change of status pumps.
    pumping = true;
    withoutTrouble(() => {
      expireWaiting();
      if (availability.givenUp()) answerAllUnavailable();
      while (edgeRuns() && slots.free) {
        const stored = journal.claim();
        if (stored === undefined) break;
        start(stored);
      }
    });
    pumping = false;
  }

  function edgeRuns(): boolean {
    const { state } = engine.status();
    return state === 'ready' || state === 'busy';
  }

  /** The board as a prompt behind `ahead` others finds it. */
  function edgeState(ahead: number): ReturnType<RunContext['edge']> {
    const waitMs = estimate.wholeMs(ahead + slots.taken - 1) ?? 0;
    return {
      available: availability.nearby(),
      promptTokensMost: engine.status().model?.contextTokens ?? Infinity,
      waitS: Math.max(0, waitMs) / 1000,
      answerMs: estimate.wholeMs(ahead + slots.taken),
      pausedBy: options.meter.pausedBy(),
    };
  }

  /** Starts those of the waiting prompts whose way leads to the cloud: they need no place here. */
  function divert(): void {
    if (routing.cloud === null || stopped) return;
    withoutTrouble(() => {
      let ahead = 0;
      for (const waiting of journal.ready(DIVERT_AT_MOST)) {
        if (ending.has(waiting.seq)) continue;
        const decision = wayOf(waiting, ahead);
        if (decision?.target === 'cloud') startOutOfTurn(waiting.seq, ahead, decision);
        else ahead += 1;
      }
    });
  }

  /** The same for one that has just been accepted, without a look at the others. */
  function divertNew(seq: number, prompt: NewPrompt, ahead: number): void {
    if (routing.cloud === null || stopped) return;
    withoutTrouble(() => {
      const decision = wayOf(prompt, ahead);
      if (decision?.target === 'cloud') startOutOfTurn(seq, ahead, decision);
    });
  }

  function startOutOfTurn(seq: number, ahead: number, decision: RouteDecision): void {
    const stored = journal.claim(seq);
    if (stored !== undefined) start(stored, ahead, decision);
  }

  /** Disk trouble: what was accepted stays in the journal and is tried again. */
  function withoutTrouble(work: () => void): void {
    try {
      work();
    } catch (error) {
      logger.error({ error }, 'could not take prompts from the journal; trying again');
      retryTimer?.cancel();
      retryTimer = clock.setTimer(CLAIM_RETRY_MS, pump);
    }
  }

  /** What it could not sweep out it finds again at the next look. */
  function prune(): void {
    try {
      journal.prune();
    } catch (error) {
      logger.error({ error }, 'could not sweep the journal');
    }
  }

  /** Undefined for a prompt that may go neither way; it ends when its turn comes. */
  function wayOf(stored: NewPrompt, ahead: number) {
    try {
      return routing.decide(routedPrompt(stored, journal), edgeState(ahead));
    } catch {
      return undefined;
    }
  }

  /** `decided`: the way that was found for it a moment ago. */
  function start(stored: StoredPrompt, ahead = 0, decided?: RouteDecision): void {
    progress += 1;
    if (stored.exhausted) {
      const error = new TwowattError(
        'internal',
        `the node stopped ${stored.attempts - 1} times while answering this prompt; it is given up`,
      );
      endWaiting(stored, error);
      return;
    }
    if (port.gone(stored)) {
      endWaiting(stored, new TwowattError('cancelled', 'whoever asked has gone; it was not run'));
      return;
    }
    const trace = tracing.under(bodyOf(stored).trace?.traceparent);
    trace
      .child('queue wait', { fromMs: clock.monotonicMs() - (journal.now() - stored.acceptedAt) })
      .end({ attributes: { 'twowatt.attempt': stored.attempts, 'twowatt.ahead': ahead } });
    const deciding = trace.child('route');
    let decision: RouteDecision;
    try {
      decision = decided ?? routing.decide(routedPrompt(stored, journal), edgeState(ahead));
    } catch (error) {
      deciding.end({ error: toTwowattError(error).code });
      endWaiting(stored, toTwowattError(error));
      return;
    }
    const { target, reasons, difficulty } = decision;
    deciding.end({
      attributes: {
        'twowatt.target': target,
        'twowatt.reasons': reasons,
        'twowatt.difficulty': difficulty,
      },
    });
    logger.debug(
      { id: stored.id, attempt: stored.attempts, target, reasons, difficulty },
      'prompt begins',
    );
    const slot = target === 'edge' && slots.free ? slots.take() : null;
    const abort = new AbortController();
    const deadline =
      stored.expiresAt === null
        ? undefined
        : clock.setTimer(stored.expiresAt - journal.now(), () =>
            abort.abort('expired' satisfies StopReason),
          );
    const finished = run(stored, abort.signal, { decision, slot }).finally(() => {
      deadline?.cancel();
      running.delete(stored.seq);
      progress += 1;
      pump();
    });
    running.set(stored.seq, { stored, abort, finished });
  }

  async function run(stored: StoredPrompt, stop: AbortSignal, begin: Begin): Promise<void> {
    try {
      const outcome = await runPrompt(stored, stop, begin, context);
      if (outcome.kind === 'interrupted') {
        journal.release(stored.seq, { uncounted: true });
        return;
      }
      if (outcome.sample) {
        estimate.observe(outcome.sample);
        totals.energyTokens += outcome.sample.tokens;
        totals.energyJoules += outcome.sample.joules;
      }
      await finish(stored, outcome.frame, outcome.turns, outcome.facts);
    } catch (error) {
      logger.error({ id: stored.id, error }, 'running a prompt failed');
      await finish(stored, errorFrame(frameHead(stored.id, node), toTwowattError(error)), []);
    }
  }

  /** Ends a prompt that is waiting in the journal, without running it. */
  function endWaiting(stored: StoredPrompt, error: TwowattError): void {
    if (ending.has(stored.seq)) return;
    ending.add(stored.seq);
    progress += 1;
    void finish(stored, errorFrame(frameHead(stored.id, node), error), []).finally(() => {
      ending.delete(stored.seq);
      // The next prompt of the same session may have waited for this end.
      queueMicrotask(pump);
    });
  }

  function expireWaiting(): void {
    for (const stored of journal.expired(64)) {
      const error =
        routedPrompt(stored, journal).route === 'cloud'
          ? insistedError(new TwowattError('expired', ''))
          : expiredError(options.meter, 'while the prompt waited');
      endWaiting(stored, error);
    }
    expiryTimer?.cancel();
    const next = journal.nextExpiry();
    if (next !== null) {
      expiryTimer = clock.setTimer(Math.max(1, next - journal.now()), pump);
    }
  }

  function answerAllUnavailable(): void {
    for (let stored = journal.claim(); stored; stored = journal.claim()) {
      endWaiting(stored, availability.error());
    }
  }

  return {
    submit,
    cancel(id, { kind, topic }) {
      withoutTrouble(() => {
        for (const { prompt, state } of journal.findActive(id)) {
          const { reply } = prompt;
          if (reply.kind !== kind || (topic !== undefined && reply.topic !== topic)) continue;
          const active = running.get(prompt.seq);
          if (active) active.abort.abort('cancelled' satisfies StopReason);
          else if (state === 'waiting') {
            endWaiting(prompt, new TwowattError('cancelled', 'cancelled before it was run'));
          }
        }
      });
    },
    connected: () => void outbox.flush(),
    drain() {
      draining = true;
    },
    resume() {
      draining = false;
      pump();
    },
    draining: () => draining,
    async stop(deadlineMs) {
      stopped = true;
      pruneTimer.cancel();
      divertTimer?.cancel();
      expiryTimer?.cancel();
      retryTimer?.cancel();
      const atDeadline = clock.setTimer(deadlineMs, () => {
        for (const { abort } of running.values()) abort.abort('shutdown' satisfies StopReason);
      });
      while (running.size > 0) {
        await Promise.all([...running.values()].map(({ finished }) => finished));
      }
      atDeadline.cancel();
      availability.close();
      // A broker that does not answer must not hold the stop up: the journal sends at the next start.
      await Promise.race([outbox.settled(), sleep(clock, LAST_SEND_MS)]);
    },
    totals: () => ({ ...totals, byReason: { ...totals.byReason } }),
    busy: () => running.size,
    slotsBusy: () => slots.taken,
    progress: () => progress,
    neglects() {
      if (stopped || !slots.free || !edgeRuns()) return false;
      try {
        return (
          journal.counts().problem === null &&
          // Endings are being stored, and still look waiting to the journal.
          journal.ready(ending.size + 1).some(({ seq }) => !ending.has(seq))
        );
      } catch {
        return false;
      }
    },
  };
}
