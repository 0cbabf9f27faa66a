/** One run of the graph: a prefill chunk or a decode step. */
export type Step = {
  phase: 'prefill' | 'decode';
  /** Tokens that go through the layers. */
  rows: number;
  /** Tokens of the sequence that are in the cache before it. */
  position: number;
};

export type StepReport = Step & {
  durationMs: number;
  /**
   * CPU time of all the engine's threads since the report before (a job's first: since its start), ms:
   * the step and what surrounds it. Absent where nobody counts it.
   */
  cpuMs?: number;
};

/**
 * Grants the engine its steps, one at a time. A governor paces the engine, or holds it, by granting
 * late; between steps the engine's cores are idle.
 */
export interface StepGate {
  /** Resolves when the step may run; also as soon as `signal` aborts, and then no step follows. */
  acquire(step: Step, signal: AbortSignal): Promise<void>;
  /** The granted step has run. */
  report(report: StepReport): void;
  /**
   * Whether `next` may follow the step that runs now without being asked for; saves a round trip per
   * step while nothing limits the engine. Nothing is reserved: `begin` tells when it was used. A gate
   * without it is asked for every step.
   */
  ahead?(next: Step): boolean;
  /** The step that was granted ahead has begun, after the one before was reported. */
  begin?(step: Step): void;
}

/** The step after `step` of an answer that is being decoded. */
export function decodeAfter(step: Step): Step {
  return { phase: 'decode', rows: 1, position: step.position + step.rows };
}

/** A gate that is open until it is held; held steps wait until it is released. */
export type HoldableGate = StepGate & {
  hold(): void;
  release(): void;
  /** Steps that wait at the moment. */
  waiting(): number;
};

export function createHoldableGate(
  onReport: (report: StepReport) => void = () => {},
): HoldableGate {
  let held = false;
  const waiting = new Set<() => void>();
  return {
    hold() {
      held = true;
    },
    release() {
      held = false;
      for (const pass of waiting) pass();
    },
    waiting: () => waiting.size,
    acquire(_step, signal) {
      if (!held || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const pass = () => {
          waiting.delete(pass);
          signal.removeEventListener('abort', pass);
          resolve();
        };
        waiting.add(pass);
        signal.addEventListener('abort', pass, { once: true });
      });
    },
    report: onReport,
  };
}
