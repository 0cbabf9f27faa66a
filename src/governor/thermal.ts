import type { BoardSample } from '../protocol/index.ts';

/** Below the limit by this much, temperature asks for nothing. */
const BAND_C = 8;
/** Control aims a little below the limit, so that lag does not carry it over. */
const AIM_C = 0.5;
/** `hot` ends so far below the limit. */
const HYSTERESIS_C = 5;
/** The integral moves only this near to the aim. */
const NEAR_C = 4;
const INTEGRAL_PER_C_S = 1 / 90;
/** Unknown temperature: work goes on, at this share of the budget. */
const UNKNOWN_SHARE = 0.7;
/** A temperature outside of this is a broken sensor. */
const PLAUSIBLE_C = { least: -40, most: 150 };
/** After firmware throttled, nothing runs so long; then from half the budget back to all of it. */
const THROTTLE = { holdMs: 3000, rampMs: 30_000 };
const STALE_MS = 5000;

export type ThermalView = {
  /** Share of the budget that may be used, 0 to 1. */
  share: number;
  hot: boolean;
  /** Nothing may run, because of this. */
  hold: 'throttled' | 'under_voltage' | null;
  unknown: string | null;
  text: string;
};

/**
 * The outer loop: lowers the budget as the board nears its limit, as Linux' power_allocator does
 * (proportional on the distance, integral only near it), and stops at once while firmware throttles.
 */
export class ThermalLimiter {
  #limitC: number;
  #tempC: number | null = null;
  #reason = 'no sample yet';
  #atMs: number;
  /** Of the budget; what the board can carry for good is this far below all of it. */
  #integral = 0;
  #hot = false;
  #heldUntilMs = -Infinity;
  #holdReason: 'throttled' | 'under_voltage' = 'throttled';
  #holdText = '';
  #releasedMs = -Infinity;

  constructor(limitC: number, nowMs: number) {
    this.#limitC = limitC;
    this.#atMs = nowMs;
  }

  setLimit(limitC: number): void {
    this.#limitC = limitC;
  }

  observe(sample: BoardSample): void {
    const { socC } = sample;
    const elapsedS = Math.min(1, Math.max(0, sample.atMs - this.#atMs) / 1000);
    this.#atMs = Math.max(this.#atMs, sample.atMs);
    if (!socC.ok) this.#unknown(socC.reason);
    else if (!(socC.value > PLAUSIBLE_C.least && socC.value < PLAUSIBLE_C.most)) {
      this.#unknown(`${socC.source} says ${socC.value} °C`);
    } else if (!(socC.ageMs <= STALE_MS)) {
      this.#unknown(`the last reading of ${socC.source} is ${Math.round(socC.ageMs)} ms old`);
    } else this.#known(socC.value, elapsedS);

    const throttled = sample.throttled.length > 0 || sample.throttleEvents > 0;
    if (sample.underVoltage === true || throttled) {
      this.#holdReason = sample.underVoltage === true ? 'under_voltage' : 'throttled';
      this.#holdText =
        sample.underVoltage === true
          ? 'the supply voltage is too low: a stronger supply or a shorter cable helps'
          : `the board slows itself down (${sample.throttled.join(', ') || 'over-current event'})`;
      this.#heldUntilMs = sample.atMs + THROTTLE.holdMs;
      this.#releasedMs = this.#heldUntilMs;
    }
  }

  view(nowMs: number): ThermalView {
    const stale = nowMs - this.#atMs > STALE_MS;
    const tempC = stale ? null : this.#tempC;
    const ramp = Math.min(1, Math.max(0, nowMs - this.#releasedMs) / THROTTLE.rampMs);
    const careful = Number.isFinite(this.#releasedMs) ? 0.5 + 0.5 * ramp : 1;
    const held = nowMs < this.#heldUntilMs;
    const share = tempC === null ? UNKNOWN_SHARE : this.#shareAt(tempC);
    return {
      share: held ? 0 : Math.min(share, careful),
      hot: this.#hot && tempC !== null,
      hold: held ? this.#holdReason : null,
      unknown: tempC === null ? (stale ? 'no sample for seconds' : this.#reason) : null,
      text: held
        ? this.#holdText
        : tempC === null
          ? `the temperature is unknown (${this.#reason}); work goes on at ${UNKNOWN_SHARE * 100} % of the budget`
          : `${tempC.toFixed(1)} °C of at most ${this.#limitC} °C`,
    };
  }

  #unknown(reason: string): void {
    this.#tempC = null;
    this.#reason = reason;
  }

  #known(tempC: number, elapsedS: number): void {
    this.#tempC = tempC;
    const error = this.#limitC - AIM_C - tempC;
    if (Math.abs(error) < NEAR_C) {
      this.#integral += error * INTEGRAL_PER_C_S * elapsedS;
      this.#integral = Math.min(0, Math.max(-1, this.#integral));
    } else if (error > 0) {
      // Far from the limit the old integral says nothing any more.
      this.#integral = Math.min(0, this.#integral + elapsedS * 0.02);
    }
    if (tempC >= this.#limitC || this.#shareAt(tempC) < 0.95) this.#hot = true;
    if (tempC < this.#limitC - HYSTERESIS_C && this.#shareAt(tempC) > 0.97) this.#hot = false;
  }

  #shareAt(tempC: number): number {
    const error = this.#limitC - AIM_C - tempC;
    // All of the budget at the aim itself unless the integral knows better; none 4 °C above it.
    const proportional = error >= 0 ? error / (BAND_C - AIM_C) : error / 4;
    return Math.min(1, Math.max(0, 1 + this.#integral + Math.min(proportional, 1)));
  }
}
