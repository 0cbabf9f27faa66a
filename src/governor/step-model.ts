import type { OperatingPoint } from '../protocol/index.ts';
import type { GovernorBoard, GovernorModel, GovernorStep } from './types.ts';

/** Relative uncertainty of a point's watts before anything was measured. */
const PRIOR_SIGMA = { estimated: 0.15, calibrated: 0.06, prefill: 0.25, point: 0.04 };
/** How far one stretch of measuring may be off, relative: lag at its borders, noise, quantisation. */
const STRETCH_SIGMA = { first: 0.06, least: 0.015, most: 0.15, settle: 0.1 };
/** How much a board changes from one stretch to the next (temperature, other processes). */
const DRIFT_SIGMA = 0.004;
/** A reading that makes a point cheaper than half or dearer than four times its profile is not believed. */
const RATIO = { least: 0.5, most: 4 };
/** One stretch may move a belief by this much: a cold first token must not freeze decoding. */
const MOST_NEWS = 0.5;
/** The share of a step's time that each cached position adds, when the model does not say. */
const CACHE_SLOPE = 1e-4;
/** Prefill's tokens per second over decoding's, when the profile does not say. */
const PREFILL_GAIN = 2;

export type PointKey = string;
export const pointKey = (point: OperatingPoint): PointKey =>
  `${point.threads}@${point.freqKhz ?? 'any'}x${point.batch}`;

/** A step, and whether it is the first one after a prompt. */
export type Work = GovernorStep & { first?: boolean };

type Pace = { factor: number; seen: number; strays: number };
type Power = { ratio: number; variance: number; seen: number };
export type LearntSteps = {
  paces: Record<string, Pace>;
  powers: Record<string, Power>;
};

const finite = (value: number, otherwise: number) => (Number.isFinite(value) ? value : otherwise);
const clamp = (value: number, least: number, most: number) =>
  Math.min(most, Math.max(least, value));

/**
 * What a step takes: seconds and watts, by operating point and phase. Seconds are learnt from the
 * steps' own durations, exactly and at once; watts as a ratio to the profile, from the sensor over
 * stretches of seconds, by a Kalman filter with a diagonal covariance. A ratio is the product of one
 * for the phase and one for the point in it, so what one point taught holds for its neighbours too.
 */
export class StepModel {
  readonly #board: GovernorBoard;
  readonly #slope: number;
  readonly #bytesPerToken: number;
  readonly #paces = new Map<string, Pace>();
  readonly #powers = new Map<string, Power>();
  /** Relative variance of a stretch, as the surprises so far have it. */
  #noise = STRETCH_SIGMA.first ** 2;

  constructor(board: GovernorBoard, model: GovernorModel, learnt?: LearntSteps) {
    this.#board = board;
    this.#bytesPerToken = Math.max(0, finite(model.bytesPerToken, 0));
    const slope = (model.cacheBytesPerPosition ?? NaN) / this.#bytesPerToken;
    this.#slope = clamp(finite(slope, CACHE_SLOPE), 0, 0.01);
    for (const [key, pace] of Object.entries(learnt?.paces ?? {})) this.#paces.set(key, pace);
    for (const [key, power] of Object.entries(learnt?.powers ?? {})) this.#powers.set(key, power);
  }

  learnt(): LearntSteps {
    return {
      paces: Object.fromEntries(this.#paces),
      powers: Object.fromEntries(this.#powers),
    };
  }

  /** Seconds, above zero. */
  seconds(point: OperatingPoint, step: Work): number {
    return this.#priorSeconds(point, step) * this.#pace(point, step);
  }

  /** Watts above idle while this step runs. */
  watts(point: OperatingPoint, step: GovernorStep): number {
    return this.#priorWatts(point, step) * this.#ratio(point, step.phase);
  }

  joules(point: OperatingPoint, step: Work): number {
    return this.seconds(point, step) * this.watts(point, step);
  }

  /** Bytes that a step reads: every chunk reads all weights once, and the cache. */
  bytes(step: GovernorStep): number {
    return this.#bytesPerToken * (1 + this.#slope * step.position);
  }

  /** Relative standard deviation of `watts`. */
  sigma(point: OperatingPoint, phase: GovernorStep['phase']): number {
    const common = this.#powers.get(phase)?.variance ?? this.#priorVariance(phase);
    const own = this.#powers.get(powerKey(point, phase))?.variance ?? PRIOR_SIGMA.point ** 2;
    return Math.sqrt(common + own);
  }

  learnSeconds(point: OperatingPoint, step: Work, seconds: number): void {
    if (!(seconds > 0) || !Number.isFinite(seconds)) return;
    const key = paceKey(point, step);
    const pace = this.#paces.get(key) ?? { factor: this.#pace(point, step), seen: -1, strays: 0 };
    this.#paces.set(key, pace);
    pace.seen += 1;
    // The first step at a point is a cold one: pages, caches and clocks are still on their way.
    if (pace.seen === 0 && step.first !== true) return;
    const factor = seconds / this.#priorSeconds(point, step);
    const reach = step.first === true ? 12 : pace.seen <= 3 ? 4 : 1.5;
    const heard = clamp(factor, pace.factor / reach, pace.factor * reach);
    pace.strays = heard === factor ? 0 : pace.strays + 1;
    if (pace.strays >= 4) {
      // What strays time after time is the new truth.
      Object.assign(pace, { factor, seen: 1, strays: 0 });
      return;
    }
    pace.factor += (heard - pace.factor) * Math.max(1 / Math.max(1, pace.seen), 0.1);
  }

  /**
   * A stretch of time was measured: `measuredJ` above idle, while the model expected `shares`, joules
   * by `phase:point`. Moves each ratio as far as its uncertainty and its share allow.
   */
  learnWatts(shares: ReadonlyMap<string, number>, measuredJ: number): void {
    const involved = new Map<string, number>();
    let expected = 0;
    for (const [key, joules] of shares) {
      const [phase] = key.split(':') as [GovernorStep['phase']];
      expected += joules;
      involved.set(key, joules);
      involved.set(phase, (involved.get(phase) ?? 0) + joules);
    }
    let spread = 0;
    for (const [key, joules] of involved) {
      const prior = isPhase(key) ? this.#priorVariance(key) : PRIOR_SIGMA.point ** 2;
      const power = this.#powers.get(key) ?? { ratio: 1, variance: prior, seen: 0 };
      this.#powers.set(key, power);
      power.variance = Math.min(power.variance + DRIFT_SIGMA ** 2, prior);
      spread += power.variance * joules ** 2;
    }
    if (!(expected > 0) || !Number.isFinite(measuredJ)) return;
    const news = clamp(measuredJ - expected, -MOST_NEWS * expected, MOST_NEWS * expected);
    const surprise = (news / expected) ** 2 - spread / expected ** 2;
    this.#noise = clamp(
      this.#noise + (surprise - this.#noise) * STRETCH_SIGMA.settle,
      STRETCH_SIGMA.least ** 2,
      STRETCH_SIGMA.most ** 2,
    );
    const noise = this.#noise * Math.max(expected, measuredJ) ** 2;
    for (const [key, joules] of involved) {
      const power = this.#powers.get(key) as Power;
      const gain = (power.variance * joules) / (spread + noise);
      power.ratio = clamp(power.ratio * (1 + gain * news), RATIO.least, RATIO.most);
      power.variance *= 1 - gain * joules;
      power.seen += 1;
    }
  }

  #priorVariance(phase: GovernorStep['phase']): number {
    // Profiles state no watts for prefill.
    if (phase === 'prefill') return PRIOR_SIGMA.prefill ** 2;
    const calibrated = this.#board.points.every(({ estimated }) => !estimated);
    return (calibrated ? PRIOR_SIGMA.calibrated : PRIOR_SIGMA.estimated) ** 2;
  }

  #ratio(point: OperatingPoint, phase: GovernorStep['phase']): number {
    const common = this.#powers.get(phase)?.ratio ?? 1;
    const own = this.#powers.get(powerKey(point, phase))?.ratio ?? 1;
    return clamp(common * own, RATIO.least, RATIO.most);
  }

  #pace(point: OperatingPoint, step: Work): number {
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
    if (best === undefined && step.first === true)
      return this.#pace(point, { ...step, first: false });
    return best?.factor ?? 1;
  }

  #priorSeconds(point: OperatingPoint, step: GovernorStep): number {
    const single = 1 / Math.max(1e-3, finite(point.decodeTokensPerS, 1));
    const cache = 1 + this.#slope * Math.max(0, step.position);
    if (step.phase === 'decode') return single * cache;
    const known = point.prefillTokensPerS;
    const rate =
      known !== null && known > 0 ? known : Math.max(1e-3, point.decodeTokensPerS) * PREFILL_GAIN;
    // However few its rows, a chunk reads all weights.
    return Math.max(single, step.rows / rate) * cache;
  }

  /**
   * Decoding as the profile states it. Prefill by the parts of it: cores that compute, and the weights
   * read once in the time that the chunk takes.
   */
  #priorWatts(point: OperatingPoint, step: GovernorStep): number {
    const decode = Math.max(1e-3, finite(point.watts, 1));
    if (step.phase === 'decode') return decode;
    const measured = point.prefillWatts ?? 0;
    if (measured > 0 && Number.isFinite(measured)) return measured;
    const cores = this.#board.coreWatts(point.threads, point.freqKhz);
    const memory =
      (this.bytes(step) * finite(this.#board.energyJPerByte, 0)) / this.#priorSeconds(point, step);
    const sum = cores + memory;
    return sum > 0 && Number.isFinite(sum) ? clamp(sum, decode / 2, decode * 2) : decode;
  }
}

const isPhase = (key: string): key is GovernorStep['phase'] =>
  key === 'prefill' || key === 'decode';

function paceKey(point: OperatingPoint, step: Work): string {
  const kind = step.first === true ? 'first' : step.phase;
  return `${kind}:${Math.round(Math.log2(Math.max(1, step.rows)))}:${pointKey(point)}`;
}

/** The key of a point and phase in `learnWatts`. */
export const powerKey = (point: OperatingPoint, phase: GovernorStep['phase']): string =>
  `${phase}:${pointKey(point)}`;
