/** One run of the graph: a prefill chunk or a decode step. */
export type Step = {
  phase: 'prefill' | 'decode';
  /** Tokens that go through the layers. */
  rows: number;
  /** Tokens of the sequence that are in the cache before it. */
  position: number;
};

export type StepReport = Step & { durationMs: number };

/**
 * Grants the engine its steps, one at a time. A governor paces the engine, or holds it, by granting
 * late; between steps the engine's cores are idle.
 */
export interface StepGate {
  /** Resolves when the step may run; also as soon as `signal` aborts, and then no step follows. */
  acquire(step: Step, signal: AbortSignal): Promise<void>;
  /** The granted step has run. */
  report(report: StepReport): void;
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
