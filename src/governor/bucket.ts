/**
 * Energy as a token bucket. It fills with the budget up to its depth; a step takes its predicted
 * energy out and settles the difference afterwards. Debts are honest but bounded: a wrong reading
 * must not hold work back for longer than `DEBT_S` seconds of budget.
 */
const DEBT_S = 20;

export class EnergyBucket {
  #balanceJ: number;
  #rateW: number;
  #depthJ: number;
  #atMs: number;
  /** The last step's energy: there is always room for one, or steps dearer than the depth would wait in vain. */
  #wantedJ = 0;

  constructor(rateW: number, depthJ: number, nowMs: number) {
    this.#rateW = rateW;
    this.#depthJ = depthJ;
    this.#balanceJ = depthJ;
    this.#atMs = nowMs;
  }

  get balanceJ(): number {
    return this.#balanceJ;
  }

  get depthJ(): number {
    return this.#depthJ;
  }

  get rateW(): number {
    return this.#rateW;
  }

  /** A new rate and depth; what was saved above the new depth is forfeited at once. */
  set(rateW: number, depthJ: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#rateW = rateW;
    this.#depthJ = depthJ;
    this.#balanceJ = Math.min(this.#balanceJ, Math.max(depthJ, this.#wantedJ));
  }

  /** Gives up what was saved; a debt stays. */
  forfeit(): void {
    this.#balanceJ = Math.min(this.#balanceJ, 0);
  }

  /** However long nobody called, no more than the depth, or one dear step, can have been saved. */
  #fill(nowMs: number): void {
    const seconds = Math.max(0, nowMs - this.#atMs) / 1000;
    this.#atMs = Math.max(this.#atMs, nowMs);
    const top = Math.max(this.#depthJ, this.#wantedJ, this.#balanceJ);
    this.#balanceJ = Math.min(top, this.#balanceJ + seconds * this.#rateW);
  }

  /**
   * When the balance covers `joules`; infinite while nothing flows in. A step dearer than the depth
   * may be saved up for, or it would never run.
   */
  earliest(joules: number, nowMs: number): number {
    this.#wantedJ = joules;
    this.#fill(nowMs);
    const missing = joules - this.#balanceJ;
    if (missing <= 1e-9) return nowMs;
    return this.#rateW > 0 ? nowMs + (missing / this.#rateW) * 1000 : Infinity;
  }

  debit(joules: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#balanceJ -= joules;
    // What flows in while a dear step runs must not be lost because the depth is less than it.
    this.#wantedJ = joules;
  }

  /** Settles what a step or a stretch of time cost more (or, negative, less) than was debited. */
  settle(extraJ: number): void {
    const top = Math.max(this.#depthJ, this.#balanceJ);
    const bottom = Math.min(this.#balanceJ, -DEBT_S * this.#rateW);
    this.#balanceJ = Math.min(top, Math.max(this.#balanceJ - extraJ, bottom));
  }
}
