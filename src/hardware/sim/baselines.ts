import type { ActuatorOrder } from '../../protocol/index.ts';
import type { Pacer, PacerFactory, PacerFacts } from './pacer.ts';

const CHUNK_ROWS = 128;

/** A pacer that grants everything and runs as `order` says; the others change one thing about it. */
function ungoverned(order: ActuatorOrder): Pacer {
  return {
    sample: () => order,
    ask: () => 0,
    report() {},
    setBudget() {},
    chunkRows: (left) => Math.min(left, CHUNK_ROWS),
  };
}

const noGovernor: PacerFactory = ({ nominal }) =>
  ungoverned({ threads: nominal.cores, maxFreqKhz: null });

const powersave: PacerFactory = ({ nominal }) =>
  ungoverned({ threads: nominal.cores, maxFreqKhz: nominal.steps[0]?.freqKhz ?? null });

/** All cores at full clock, for the share of the time that the profile says the budget allows. */
const fixedDuty: PacerFactory = ({ nominal, points, budgetW }: PacerFacts) => {
  const fastest = points.toSorted((a, b) => b.decodeTokensPerS - a.decodeTokensPerS)[0];
  const watts = fastest?.watts ?? 1;
  let duty = Math.min(1, budgetW / watts);
  let nextMs = 0;
  return {
    ...ungoverned({ threads: nominal.cores, maxFreqKhz: null }),
    setBudget(next) {
      duty = Math.min(1, next / watts);
    },
    ask: (_step, nowMs) => Math.max(0, nextMs - nowMs),
    report({ durationMs }, nowMs) {
      nextMs = nowMs + (duty > 0 ? durationMs * (1 / duty - 1) : Infinity);
    },
  };
};

/** Full speed while the sensor shows less than the budget, nothing while it shows more. */
const bangBang: PacerFactory = ({ nominal, idleW, budgetW, sampleHz }) => {
  const order = { threads: nominal.cores, maxFreqKhz: null };
  let budget = budgetW;
  let over = false;
  return {
    ...ungoverned(order),
    setBudget(next) {
      budget = next;
    },
    sample({ boardW }) {
      over = boardW.ok && boardW.value - idleW > budget;
      return order;
    },
    ask: () => (over ? 1000 / sampleHz : 0),
  };
};

/** What people do today instead of governing. */
export const baselines: Readonly<Record<string, PacerFactory>> = {
  'no governor': noGovernor,
  powersave,
  'fixed duty': fixedDuty,
  'bang-bang': bangBang,
};
