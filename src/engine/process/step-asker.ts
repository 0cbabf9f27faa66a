import type { Step, StepGate, StepReport } from '../gate.ts';
import type { FromEngine } from '../messages.ts';

/**
 * The engine process's end of the supervisor's gate. Open, it costs a resolved promise per step;
 * driven, the supervisor's gate decides. A report waits for the next ask, so that a step is one
 * message, and a step that was granted ahead starts at once.
 */
export class StepAsker implements StepGate {
  readonly #send: (message: FromEngine) => void;
  readonly #cpuMs: () => number;
  #cpuReportedMs = 0;
  #driven = false;
  #job: number | undefined;
  #asks = 0;
  readonly #waiting = new Map<number, () => void>();
  #unsent: StepReport | null = null;
  /** Position of the decode step that needs no asking. */
  #ahead: number | null = null;

  /** @param cpuMs CPU time that this process has used so far, all threads, ms */
  constructor(send: (message: FromEngine) => void, cpuMs: () => number) {
    this.#send = send;
    this.#cpuMs = cpuMs;
  }

  startJob(job: number): void {
    this.#job = job;
    this.#cpuReportedMs = this.#cpuMs();
    this.#unsent = null;
    this.#ahead = null;
  }

  /** Before the job's last part: its last report must not come after it. */
  endJob(): void {
    const report = this.#unsent;
    if (this.#job !== undefined && report !== null) {
      this.#send({ type: 'report', job: this.#job, report });
    }
    this.#job = undefined;
    this.#unsent = null;
    this.#ahead = null;
  }

  async acquire(step: Step, signal: AbortSignal): Promise<void> {
    const job = this.#job;
    if (!this.#driven || job === undefined) return;
    // A grant that came while the last step blocked this thread is still to be read.
    if (this.#ahead === null) await new Promise((resolve) => setImmediate(resolve));
    if (!this.#driven || signal.aborted) return;
    const report = this.#unsent;
    const taken = step.phase === 'decode' && step.position === this.#ahead;
    this.#unsent = null;
    this.#ahead = null;
    if (taken && report !== null) {
      this.#send({ type: 'took', job, step, report });
      return;
    }
    const ask = ++this.#asks;
    await new Promise<void>((resolve) => {
      const pass = () => {
        this.#waiting.delete(ask);
        signal.removeEventListener('abort', pass);
        resolve();
      };
      this.#waiting.set(ask, pass);
      signal.addEventListener('abort', pass, { once: true });
      this.#send({ type: 'ask', ask, job, step, report });
    });
  }

  report(report: StepReport): void {
    if (!this.#driven) return;
    const cpuMs = this.#cpuMs();
    this.#unsent = { ...report, cpuMs: cpuMs - this.#cpuReportedMs };
    this.#cpuReportedMs = cpuMs;
  }

  drive(driven: boolean): void {
    this.#driven = driven;
    this.#ahead = null;
    if (driven) return;
    this.#unsent = null;
    // Whoever still waits asked a gate that is gone.
    for (const pass of this.#waiting.values()) pass();
  }

  granted(ask: number, ahead: number | null): void {
    const pass = this.#waiting.get(ask);
    if (pass === undefined) return;
    this.#ahead = ahead;
    pass();
  }

  grantedAhead(position: number): void {
    if (this.#driven && this.#job !== undefined) this.#ahead = position;
  }
}
