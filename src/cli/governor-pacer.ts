import { createLaw } from '../governor/index.ts';
import {
  ERNIE_INT8,
  type Pacer,
  type PacerFacts,
  type PlantParameters,
  POWER_WINDOWS,
} from '../hardware/sim/index.ts';

const BURST_WINDOW_S = 1;

/** Watts of busy cores as the profile has them, without leakage and memory. */
function coreWatts(nominal: PlantParameters, threads: number, freqKhz: number | null): number {
  const step =
    nominal.steps.findLast((one) => freqKhz === null || one.freqKhz <= freqKhz) ?? nominal.steps[0];
  if (step === undefined) return 0;
  return nominal.coreF * step.voltageV ** 2 * step.freqKhz * 1000 * threads;
}

/** The governor's law as the closed loop of a simulation drives it. */
export function createGovernorPacer(facts: PacerFacts): Pacer {
  const { nominal } = facts;
  const settings = (budgetW: number) => ({
    budgetW,
    scope: 'above_idle' as const,
    rail: '',
    energyWhPerDay: 0,
    windows: POWER_WINDOWS,
    burstWindowS: BURST_WINDOW_S,
    temperatureLimitC: facts.temperatureLimitC,
  });
  const law = createLaw({
    settings: settings(facts.budgetW),
    board: {
      idleW: facts.idleW,
      points: facts.points,
      coreWatts: (threads, freqKhz) => coreWatts(nominal, threads, freqKhz),
      energyJPerByte: nominal.dramJPerByte,
      throttleC: nominal.throttle.softC,
      cores: nominal.cores,
    },
    model: {
      bytesPerToken: ERNIE_INT8.weightBytes + ERNIE_INT8.headBytes,
      cacheBytesPerPosition: ERNIE_INT8.cacheBytesPerToken,
    },
    nowMs: 0,
  });
  let chunkRows = 1;
  return {
    sample(sample, nowMs) {
      law.observe(sample);
      const decision = law.decide(nowMs);
      law.applied(decision.order, nowMs);
      chunkRows = decision.chunkRows;
      return decision.order;
    },
    ask(step, nowMs) {
      const grant = law.ask(step, nowMs);
      if (grant.kind === 'wait') return Math.max(1, grant.untilMs - nowMs);
      law.begin(step, nowMs);
      return 0;
    },
    report(step, nowMs) {
      law.end(step, nowMs);
    },
    setBudget: (budgetW, nowMs) => law.update(settings(budgetW), nowMs),
    chunkRows: (left) => Math.min(left, chunkRows),
    expectedJ: (step) => law.estimatedJoules(step),
  };
}
