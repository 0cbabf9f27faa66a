import type { Clock, TimerHandle } from '../core/index.ts';
import type { ActuatorOrder, BoardSample, EnergyShare } from '../protocol/index.ts';
import type { Decision, GovernorStep, Law, StepTaken } from './types.ts';

/** Sampling slows down to this, so long after the last step: a sensor's lag has died down by then. */
const IDLE_AFTER_MS = 15_000;
const IDLE_SAMPLE_HZ = 2;

export type GovernorLoopOptions = {
  law: Law;
  clock: Clock;
  /** Samples and decisions each second. */
  sampleHz: number;
  sample: () => BoardSample | Promise<BoardSample>;
  /** Called when the order changes. What it returns, if anything, is what could be brought about. */
  applyOrder: (order: ActuatorOrder) => ActuatorOrder | undefined | void;
  /** CPU time that this process has used so far, ms: its part of a step's work. Default: none. */
  ownCpuMs?: () => number;
  /** After every sample. */
  onDecision: (decision: Decision) => void;
};

/** The shape of the engine's step gate. */
export type GovernorGate = {
  /** Resolves when the step may run; also as soon as `signal` aborts, and then no step follows. */
  acquire(step: GovernorStep, signal: AbortSignal): Promise<void>;
  /** The granted step has run. */
  report(report: StepTaken): void;
  /** Whether `next` may follow the running step without being asked for. */
  ahead(next: GovernorStep): boolean;
  /** The step that was granted ahead has begun. */
  begin(step: GovernorStep): void;
};

export type GovernorLoop = {
  gate: GovernorGate;
  /** The decision of the last sample. */
  decision(): Decision;
  /** Energy counts for this job from now on; one job at a time. */
  startJob(): void;
  /** The job's energy so far, and an end to it; a step that never reported is over as well. */
  endJob(): EnergyShare;
  /** What the running job has used up to now. */
  jobEnergy(): EnergyShare;
  /** Decides anew at once, for example after new settings. */
  poke(): void;
  /** Stops sampling and lets everybody through who waits. */
  close(): void;
};

/**
 * The law in real time: samples, decides, moves the actuators, and grants steps. The only part of
 * the governor with timers. Without `close` nobody waits for ever: the law is asked again at least
 * every second.
 */
export function createGovernorLoop(options: GovernorLoopOptions): GovernorLoop {
  const { law, clock, sample, applyOrder, onDecision } = options;
  let closed = false;
  let sampling = false;
  let ordered: ActuatorOrder | undefined;
  let decision = law.decide(clock.monotonicMs());
  let job = { joules: 0, measured: true, steps: 0 };
  const ownCpuMs = options.ownCpuMs ?? (() => 0);
  let ownCpuCountedMs = 0;
  const waiters: { step: GovernorStep; pass: () => void }[] = [];
  let timer: TimerHandle | undefined;
  /** A granted step has not reported yet; steps run one at a time. */
  let granted = false;

  /** Grants the longest waiting steps for as long as the law says so. */
  function pump(): void {
    timer?.cancel();
    timer = undefined;
    for (let first = waiters[0]; first !== undefined && !granted; first = waiters[0]) {
      const now = clock.monotonicMs();
      const answer = law.ask(first.step, now);
      if (answer.kind === 'wait') {
        timer = clock.setTimer(Math.max(1, answer.untilMs - now), pump);
        return;
      }
      law.begin(first.step, now);
      granted = true;
      first.pass();
    }
  }

  function settle(): void {
    decision = law.decide(clock.monotonicMs());
    const { order } = decision;
    if (ordered?.threads !== order.threads || ordered.maxFreqKhz !== order.maxFreqKhz) {
      ordered = order;
      const inForce = applyOrder(order);
      if (inForce) law.applied(inForce, clock.monotonicMs());
    }
    onDecision(decision);
    pump();
  }

  async function look(): Promise<void> {
    // A sensor that hangs is not asked again before it answers; meanwhile its last reading goes stale.
    if (!sampling) {
      sampling = true;
      try {
        const taken = await sample();
        if (!closed) law.observe(taken);
      } catch (error) {
        if (!closed) law.observe(blindSample(clock.monotonicMs(), error));
      } finally {
        sampling = false;
      }
    }
    if (!closed) settle();
  }

  let ticks = 0;
  let lastWorkAtMs = clock.monotonicMs();
  const repeating = clock.setRepeating(1000 / options.sampleHz, () => {
    ticks += 1;
    const now = clock.monotonicMs();
    if (granted || waiters.length > 0) lastWorkAtMs = now;
    // Ten samples a second cost half a per cent of a small core, which an idle board need not pay.
    const idle = now - lastWorkAtMs > IDLE_AFTER_MS;
    if (idle && ticks % Math.ceil(options.sampleHz / IDLE_SAMPLE_HZ) !== 0) return;
    if (sampling) settle();
    else void look();
  });
  void look();

  /** What this process does around a step (messages, journal, broker) is part of its price. */
  function withOwnCpu(report: StepTaken): StepTaken {
    if (report.cpuMs === undefined) return report;
    const own = ownCpuMs();
    const cpuMs = report.cpuMs + own - ownCpuCountedMs;
    ownCpuCountedMs = own;
    return { ...report, cpuMs };
  }

  const total = (): EnergyShare => ({
    joules: job.joules,
    measured: job.measured && job.steps > 0,
  });
  const abandon = () => {
    if (!granted) return;
    granted = false;
    law.abandon(clock.monotonicMs());
  };

  return {
    decision: () => decision,
    gate: {
      acquire(step, signal) {
        if (closed || signal.aborted) return Promise.resolve();
        // Whoever asks for a step has ended the one before, reported or not.
        abandon();
        return new Promise((resolve) => {
          const leave = () => {
            signal.removeEventListener('abort', leave);
            const place = waiters.indexOf(waiter);
            if (place >= 0) waiters.splice(place, 1);
            resolve();
          };
          const waiter = { step, pass: leave };
          signal.addEventListener('abort', leave, { once: true });
          waiters.push(waiter);
          pump();
        });
      },
      report(report) {
        if (!granted) return;
        granted = false;
        const share = law.end(withOwnCpu(report), clock.monotonicMs());
        job.joules += share.joules;
        job.measured &&= share.measured;
        job.steps += 1;
        pump();
      },
      ahead: (next) =>
        !closed && granted && waiters.length === 0 && law.mayFollow(next, clock.monotonicMs()),
      begin(step) {
        if (closed) return;
        abandon();
        law.begin(step, clock.monotonicMs());
        granted = true;
      },
    },
    startJob() {
      ownCpuCountedMs = ownCpuMs();
      job = { joules: 0, measured: true, steps: 0 };
    },
    endJob() {
      abandon();
      const energy = total();
      job = { joules: 0, measured: true, steps: 0 };
      return energy;
    },
    jobEnergy: total,
    poke: () => {
      if (!closed) settle();
    },
    close() {
      closed = true;
      repeating.cancel();
      timer?.cancel();
      abandon();
      for (const { pass } of waiters.slice()) pass();
    },
  };
}

/** What is known when sampling itself fails. */
function blindSample(atMs: number, error: unknown): BoardSample {
  const reason = error instanceof Error ? error.message : String(error);
  return {
    atMs,
    boardW: { ok: false, reason },
    railsW: {},
    socC: { ok: false, reason },
    throttled: [],
    underVoltage: null,
    throttleEvents: 0,
    freqKhz: null,
    treeCpuS: null,
  };
}
