import type { OperatingPoint } from '../protocol/index.ts';
import type { GovernorStep } from './types.ts';

/** A step, and whether it is the first one after a prompt. */
export type Work = GovernorStep & { first?: boolean };

export type Pace = { factor: number; seen: number; strays: number };

export const pointKey = (point: OperatingPoint): string =>
  `${point.threads}@${point.freqKhz ?? 'any'}x${point.batch}`;

/**
 * How many times longer steps take than the profile says, by operating point, phase and rows. Learnt
 * from the steps themselves, at once where they agree and guardedly where one strays.
 */
export class Paces {
  readonly #paces: Map<string, Pace>;

  constructor(learnt: Readonly<Record<string, Pace>> = {}) {
    this.#paces = new Map(Object.entries(learnt));
  }

  learnt(): Record<string, Pace> {
    return Object.fromEntries(this.#paces);
  }

  /** A step took `factor` times what the profile says. */
  learn(point: OperatingPoint, step: Work, factor: number): void {
    if (!(factor > 0) || !Number.isFinite(factor)) return;
    const key = paceKey(point, step);
    const pace = this.#paces.get(key) ?? { factor: this.factor(point, step), seen: -1, strays: 0 };
    this.#paces.set(key, pace);
    pace.seen += 1;
    // The first step at a point is a cold one: pages, caches and clocks are still on their way.
    if (pace.seen === 0 && step.first !== true) return;
    const reach = step.first === true ? 12 : pace.seen <= 3 ? 4 : 1.5;
    const heard = Math.min(pace.factor * reach, Math.max(pace.factor / reach, factor));
    pace.strays = heard === factor ? 0 : pace.strays + 1;
    if (pace.strays >= 4) {
      // What strays time after time is the new truth.
      Object.assign(pace, { factor, seen: 1, strays: 0 });
      return;
    }
    pace.factor += (heard - pace.factor) * Math.max(1 / Math.max(1, pace.seen), 0.1);
  }

  factor(point: OperatingPoint, step: Work): number {
    const own = this.#paces.get(paceKey(point, step));
    if (own && own.seen > 0) return own.factor;
    // The same phase at the nearest number of rows, then at another point.
    const wanted = step.first === true ? 'first' : step.phase;
    let best: { distance: number; factor: number } | undefined;
    const rows = Math.log2(Math.max(1, step.rows));
    for (const [key, pace] of this.#paces) {
      const [kind, exponent, other] = key.split(':');
      if (kind !== wanted || pace.seen <= 0) continue;
      const distance = Math.abs(Number(exponent) - rows) + (other === pointKey(point) ? 0 : 100);
      if (distance < (best?.distance ?? Infinity)) best = { distance, factor: pace.factor };
    }
    if (best === undefined && step.first === true) {
      return this.factor(point, { ...step, first: false });
    }
    return best?.factor ?? 1;
  }
}

function paceKey(point: OperatingPoint, step: Work): string {
  const kind = step.first === true ? 'first' : step.phase;
  return `${kind}:${Math.round(Math.log2(Math.max(1, step.rows)))}:${pointKey(point)}`;
}
