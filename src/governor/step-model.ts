import type { OperatingPoint } from '../protocol/index.ts';
import { type Pace, Paces, pointKey, type Work } from './paces.ts';
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

type Power = { ratio: number; variance: number; seen: number };
export type LearntSteps = {
  paces: Record<string, Pace>;
  busy: Record<string, Pace>;
  powers: Record<string, Power>;
};

const finite = (value: number, otherwise: number) => (Number.isFinite(value) ? value : otherwise);
const clamp = (value: number, least: number, most: number) =>
  Math.min(most, Math.max(least, value));

/**
 * What a step takes: seconds and joules, by operating point and phase. Seconds, by the clock and of
 * busy threads, are learnt from the steps' own reports, exactly and at once; the watts of busy threads
 * as a ratio to the profile, from the sensor over stretches of seconds, by a Kalman filter with a
 * diagonal covariance. A ratio is the product of one for the phase and one for the point in it, so
 * what one point taught holds for its neighbours too.
 */
export class StepModel {
  readonly #board: GovernorBoard;
  readonly #slope: number;
  readonly #bytesPerToken: number;
  readonly #paces: Paces;
  readonly #busy: Paces;
  readonly #powers = new Map<string, Power>();
  /** Relative variance of a stretch, as the surprises so far have it. */
  #noise = STRETCH_SIGMA.first ** 2;

  constructor(board: GovernorBoard, model: GovernorModel, learnt?: LearntSteps) {
    this.#board = board;
    this.#bytesPerToken = Math.max(0, finite(model.bytesPerToken, 0));
    const slope = (model.cacheBytesPerPosition ?? NaN) / this.#bytesPerToken;
    this.#slope = clamp(finite(slope, CACHE_SLOPE), 0, 0.01);
    this.#paces = new Paces(learnt?.paces);
    this.#busy = new Paces(learnt?.busy);
    for (const [key, power] of Object.entries(learnt?.powers ?? {})) this.#powers.set(key, power);
  }

  learnt(): LearntSteps {
    return {
      paces: this.#paces.learnt(),
      busy: this.#busy.learnt(),
      powers: Object.fromEntries(this.#powers),
    };
  }

  /** Seconds, above zero. */
  seconds(point: OperatingPoint, step: Work): number {
    return this.#priorSeconds(point, step) * this.#paces.factor(point, step);
  }

  /** Watts above idle, as a mean over the time that this step takes. */
  watts(point: OperatingPoint, step: Work): number {
    return this.joules(point, step) / this.seconds(point, step);
  }

  /** Watts above idle while the point's threads are all at work. */
  busyWatts(point: OperatingPoint, step: GovernorStep): number {
    return this.#priorWatts(point, step) * this.#ratio(point, step.phase);
  }

  joules(point: OperatingPoint, step: Work): number {
    const busySeconds = this.#priorSeconds(point, step) * this.#busy.factor(point, step);
    return busySeconds * this.busyWatts(point, step);
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

  /**
   * A step took so long by the clock, and kept its threads busy for so long: longer when they spin on
   * after it, shorter when they wait for another program.
   */
  learnSeconds(point: OperatingPoint, step: Work, seconds: number, busySeconds: number): void {
    const prior = this.#priorSeconds(point, step);
    this.#paces.learn(point, step, seconds / prior);
    this.#busy.learn(point, step, busySeconds / prior);
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

/** The key of a point and phase in `learnWatts`. */
export const powerKey = (point: OperatingPoint, phase: GovernorStep['phase']): string =>
  `${phase}:${pointKey(point)}`;
