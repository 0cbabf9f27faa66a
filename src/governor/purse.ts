import { EnergyBucket } from './bucket.ts';
import type { GovernorSettings } from './types.ts';
import { EnergyWindow } from './windows.ts';

/**
 * A stretch of measuring is a few seconds long and a few per cent unsure. What it finds is settled in
 * full with the windows that average many of them, half with the bucket, and not at all with short
 * windows, where it would be noise; the learnt watts see to those.
 */
const CORRECTED = { leastWindowS: 20, ofBucket: 0.5 };

/** The watts that steps may draw above idle. */
export type Allowance = {
  /** Budget less idle. */
  budgetW: number;
  /** What the bucket fills with: budget less idle, less guard, less what temperature takes. */
  effectiveW: number;
  /** What the windows are held to: budget less idle, less guard. Heat lowers pace, not promises. */
  promisedW: number;
  /** The same with all of the guard: short windows have no time to make good what was misjudged. */
  strictW: number;
  /** By so much the power of single seconds has been misjudged lately, all but one in a hundred. */
  secondsOffW: number;
  /** Watts of the scope that are idle's, which the windows' tolerance covers as well. */
  idleW: number;
};

/**
 * Everything that a step has to be paid from: the bucket, which keeps an even pace, and each window's
 * own account, which keeps its promise to the letter.
 */
export class Purse {
  #windows: EnergyWindow[] = [];
  readonly #bucket: EnergyBucket;
  #burstS = 1;
  #allowance: Allowance;

  constructor(settings: GovernorSettings, allowance: Allowance, nowMs: number) {
    this.#allowance = allowance;
    this.#bucket = new EnergyBucket(allowance.effectiveW, 0, nowMs);
    this.configure(settings, allowance, nowMs);
  }

  /** New windows begin empty, so a change of their lengths forgets; a change of the budget does not. */
  configure(settings: GovernorSettings, allowance: Allowance, nowMs: number): void {
    const same =
      settings.windows.length === this.#windows.length &&
      settings.windows.every(
        ({ seconds, overPct }, index) =>
          this.#windows[index]?.seconds === seconds && this.#windows[index].over === overPct / 100,
      );
    if (!same) {
      this.#windows = settings.windows.map(
        (window) => new EnergyWindow(window, allowance.promisedW, nowMs),
      );
    }
    this.#burstS = burstSeconds(settings);
    this.allow(allowance, nowMs);
  }

  /** `spareJ`: joules that on top of the burst may be saved up for a while. */
  allow(allowance: Allowance, nowMs: number, spareJ = 0): void {
    this.#allowance = allowance;
    const { budgetW, effectiveW, promisedW, strictW, secondsOffW, idleW } = allowance;
    this.#bucket.set(effectiveW, effectiveW * this.#burstS + spareJ, nowMs);
    for (const window of this.#windows) {
      // (budget · (1 + over) − idle) has to come out as (allowed · (1 + over)).
      const extra = (idleW * window.over) / (1 + window.over);
      // Errors of seconds average out over more of them.
      const offW = secondsOffW / Math.sqrt(window.seconds);
      const heldToW = window.over > 0 ? Math.min(strictW, budgetW - offW) : promisedW;
      window.allow(heldToW + extra, nowMs);
    }
  }

  get balanceJ(): number {
    return this.#bucket.balanceJ;
  }

  get depthJ(): number {
    return this.#bucket.depthJ;
  }

  /** The longest window's worth: a step dearer than this can never be paid for. */
  get mostJ(): number {
    const longest = Math.max(1, ...this.#windows.map(({ seconds }) => seconds));
    return this.#allowance.effectiveW * longest;
  }

  earliest(joules: number, durationMs: number, nowMs: number): number {
    // What flows in while the step runs pays for it as well, so that the balance is never below zero.
    const inflowJ = (this.#bucket.rateW * durationMs) / 1000;
    let at = this.#bucket.earliest(Math.max(0, joules - inflowJ), nowMs);
    for (const window of this.#windows) {
      at = Math.max(at, window.earliest(joules, durationMs, nowMs));
    }
    return at;
  }

  /**
   * Whether a step of `nextJ` could start now, although `runningJ` of the step before it are debited
   * but not booked. Two steps together that are too dear for the shortest window never pass.
   */
  coversBoth(runningJ: number, nextJ: number, durationMs: number, nowMs: number): boolean {
    const joules = runningJ + nextJ;
    const shortest = Math.min(...this.#windows.map(({ seconds }) => seconds));
    return (
      this.#bucket.balanceJ >= nextJ &&
      joules <= this.#allowance.strictW * shortest &&
      this.#windows.every((window) => window.earliest(joules, durationMs, nowMs) <= nowMs)
    );
  }

  /** What was saved under a larger budget is not spent under a smaller one. */
  forfeit(): void {
    this.#bucket.forfeit();
  }

  debit(joules: number, nowMs: number): void {
    this.#bucket.debit(joules, nowMs);
  }

  /** A step ran: `debitedJ` were taken at its beginning, `joules` it was. */
  book(joules: number, debitedJ: number, fromMs: number, toMs: number): void {
    this.#bucket.settle(joules - debitedJ);
    this.#record(joules, fromMs, toMs);
  }

  /** Measuring showed that a stretch cost so much more (negative: less) than was booked. */
  correct(extraJ: number, fromMs: number, toMs: number): void {
    this.#bucket.settle(extraJ * CORRECTED.ofBucket);
    this.#record(extraJ, fromMs, toMs, CORRECTED.leastWindowS);
  }

  #record(joules: number, fromMs: number, toMs: number, leastS = 0): void {
    for (const window of this.#windows) {
      if (window.seconds < leastS) continue;
      window.advance(toMs);
      window.spend(joules, fromMs, toMs);
    }
  }
}

/**
 * Saved energy is spent on top of the running budget, so over any window it adds to the mean; what
 * the tighter of the medium windows tolerates is the most that may be saved.
 */
function burstSeconds({ burstWindowS, windows }: GovernorSettings): number {
  let most = burstWindowS;
  for (const { seconds, overPct } of windows) {
    if (seconds >= 2 && overPct > 0) most = Math.min(most, (seconds * overPct) / 100);
  }
  return most;
}
