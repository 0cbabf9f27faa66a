import type { Logger } from '../core/index.ts';
import { decodeAfter, type Step, type StepGate, type StepReport } from './gate.ts';

type Ask = { step: Step; controller: AbortController };

/**
 * Brings the engine process's asks for steps before the present gate, and the grants back. A gate
 * that is exchanged while a step waits at it loses that step to the new one; one that throws lets
 * the step pass, since a fault in pacing must not stop answers.
 */
export class GateRelay {
  readonly #grant: (ask: number, ahead: number | null, step: Step) => void;
  readonly #grantAhead: (position: number) => void;
  readonly #logger: Logger;
  readonly #asks = new Map<number, Ask>();
  #gate: StepGate | null = null;

  constructor(
    answers: {
      granted: (ask: number, ahead: number | null, step: Step) => void;
      ahead: (position: number) => void;
    },
    logger: Logger,
  ) {
    this.#grant = answers.granted;
    this.#grantAhead = answers.ahead;
    this.#logger = logger;
  }

  get gate(): StepGate | null {
    return this.#gate;
  }

  /** True while a step waits for its grant: the engine is then rightly idle. */
  get waiting(): boolean {
    return this.#asks.size > 0;
  }

  setGate(gate: StepGate | null): void {
    this.#gate = gate;
    const asks = [...this.#asks];
    this.clear();
    for (const [ask, { step }] of asks) this.ask(ask, step);
  }

  ask(ask: number, step: Step): void {
    const controller = new AbortController();
    this.#asks.set(ask, { step, controller });
    void this.#pass(ask, step, controller.signal);
  }

  report(report: StepReport | null): void {
    if (report !== null) this.#gate?.report(report);
  }

  /** The engine has begun the step that it was granted ahead. */
  took(step: Step, report: StepReport): void {
    this.report(report);
    this.#gate?.begin?.(step);
    const next = this.#ahead(step);
    if (next !== null) this.#grantAhead(next);
  }

  /** Position of the next decode step if it is granted before it is asked for. */
  #ahead(step: Step): number | null {
    const next = decodeAfter(step);
    try {
      return this.#gate?.ahead?.(next) === true ? next.position : null;
    } catch (error) {
      this.#logger.error({ error }, 'the step gate failed; the next step is asked for');
      return null;
    }
  }

  async #pass(ask: number, step: Step, signal: AbortSignal): Promise<void> {
    try {
      await this.#gate?.acquire(step, signal);
    } catch (error) {
      this.#logger.error({ error }, 'the step gate failed; the step runs unpaced');
    }
    if (signal.aborted) return;
    this.#asks.delete(ask);
    this.#grant(ask, this.#ahead(step), step);
  }

  /** Nobody waits any more: the job ended or the process is gone. */
  clear(): void {
    for (const { controller } of this.#asks.values()) controller.abort();
    this.#asks.clear();
  }
}
