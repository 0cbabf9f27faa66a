const MOST = 0.15;
const PROPORTIONAL = 0.1;
const INTEGRAL_PER_S = 0.02;

/**
 * Slow PI on the relative error of the 10 s mean, for what the estimator does not catch. Anti-windup
 * by back-calculation: what the limits cut off is taken out of the integral again. Frozen while the
 * mean says nothing about the budget (idle, no sensor, held for other reasons).
 */
export class Trim {
  #integral: number;
  #value: number;

  constructor(integral = 0) {
    this.#integral = Math.min(MOST, Math.max(-MOST, integral));
    this.#value = this.#integral;
  }

  get value(): number {
    return this.#value;
  }

  get integral(): number {
    return this.#integral;
  }

  /** `error` is (wanted − mean) ÷ wanted; `ceiling` the most that may be added at present. */
  step(error: number, elapsedS: number, ceiling: number): void {
    const bounded = Math.min(0.5, Math.max(-0.5, error));
    this.#integral += INTEGRAL_PER_S * bounded * elapsedS;
    const wanted = this.#integral + PROPORTIONAL * bounded;
    this.#value = Math.min(Math.min(MOST, ceiling), Math.max(-MOST, wanted));
    this.#integral += (this.#value - wanted) * Math.min(1, elapsedS);
  }
}
