import type { PlantParameters } from './parameters.ts';
import { type Arrival, arrivalsOf, integralOf, type Scenario, valueAt } from './scenario.ts';
import { phasePoints } from './virtual-engine.ts';

/** Watts above idle and work per second of one way to run, or of idling (0, 0). */
export type RatePoint = { watts: number; rate: number };

/**
 * The upper hull of operating points and idle, rising in watts: what the best mixes of points reach.
 *
 * Why this is the linear programme: to maximise Σ rateᵢ·xᵢ over shares xᵢ ≥ 0 with Σ xᵢ = 1 (idle is a
 * point) and Σ wattsᵢ·xᵢ ≤ cap has two constraints, so a basic optimum has at most two shares that
 * are not zero; and the set of all (watts, rate) that mixes reach is the convex hull of the points,
 * whose upper border at the cap is the optimum.
 */
export function upperHull(points: readonly RatePoint[]): RatePoint[] {
  const sorted = [{ watts: 0, rate: 0 }, ...points.filter(({ watts }) => watts > 0)].sort(
    (a, b) => a.watts - b.watts || a.rate - b.rate,
  );
  const hull: RatePoint[] = [];
  for (const point of sorted) {
    while (hull.length > 0) {
      const last = hull.at(-1) as RatePoint;
      const before = hull.at(-2);
      const sameWatts = last.watts === point.watts && last.rate <= point.rate;
      const under =
        before !== undefined &&
        (last.rate - before.rate) * (point.watts - before.watts) <=
          (point.rate - before.rate) * (last.watts - before.watts);
      if (!sameWatts && !under) break;
      hull.pop();
    }
    const top = hull.at(-1);
    if (top === undefined || point.rate > top.rate) hull.push(point);
  }
  return hull;
}

/** The most work per second at a mean power of at most `watts`. */
export function bestRate(hull: readonly RatePoint[], watts: number): number {
  let low: RatePoint = { watts: 0, rate: 0 };
  for (const high of hull) {
    if (high.watts > watts) {
      return low.rate + ((high.rate - low.rate) * (watts - low.watts)) / (high.watts - low.watts);
    }
    low = high;
  }
  return low.rate;
}

/** The least mean power for a rate; infinite for one beyond the fastest point. */
export function leastWatts(hull: readonly RatePoint[], rate: number): number {
  let low: RatePoint = { watts: 0, rate: 0 };
  for (const high of hull) {
    if (high.rate >= rate) {
      if (high.rate === low.rate) return low.watts;
      return low.watts + ((high.watts - low.watts) * (rate - low.rate)) / (high.rate - low.rate);
    }
    low = high;
  }
  return rate <= low.rate ? low.watts : Infinity;
}

type Work = { prefill: number; decode: number };
type Hulls = { prefill: RatePoint[]; decode: RatePoint[] };

/** Least joules for the work of a stretch of time: convex in how the time is divided, so sections narrow it down. */
export function leastJoules(hulls: Hulls, work: Work, seconds: number): number {
  const joules = (hull: RatePoint[], amount: number, time: number) => {
    if (amount <= 0) return 0;
    return time > 0 ? time * leastWatts(hull, amount / time) : Infinity;
  };
  if (work.prefill <= 0) return joules(hulls.decode, work.decode, seconds);
  if (work.decode <= 0) return joules(hulls.prefill, work.prefill, seconds);
  const fastest = (hull: RatePoint[]) => hull.at(-1)?.rate ?? 0;
  let low = work.prefill / fastest(hulls.prefill);
  let high = seconds - work.decode / fastest(hulls.decode);
  if (!(low <= high)) return Infinity;
  const at = (time: number) =>
    joules(hulls.prefill, work.prefill, time) + joules(hulls.decode, work.decode, seconds - time);
  // The two ends lie on the border of what is possible, where rounding may fall outside.
  const slack = (high - low) * 1e-9;
  low += slack;
  high -= slack;
  for (let round = 0; round < 60; round += 1) {
    const third = (high - low) / 3;
    if (at(low + third) <= at(high - third)) high -= third;
    else low += third;
  }
  return at((low + high) / 2);
}

export type OracleResult = {
  promptTokens: number;
  /** Dear first tokens count by their cost. */
  answerTokens: number;
  /** Seconds that a prompt or answer token takes at the mean cap: to add both kinds of work up. */
  secondsPerPromptToken: number;
  secondsPerAnswerToken: number;
};

/** The cap holds in each stretch of this length; the oracle may save up and borrow within it. */
const STRETCH_S = 10;

/** Where in the row of requests the work stands. */
class Progress {
  readonly #arrivals: Arrival[] | null;
  readonly #steady: Arrival;
  /** What the first token of each answer costs more, in tokens. */
  readonly #coldExtra: number;
  #index = 0;
  #prefilled = 0;
  #answered = 0;

  constructor(scenario: Scenario) {
    this.#arrivals = arrivalsOf(scenario);
    this.#coldExtra = scenario.cold_first_token - 1;
    const { load } = scenario;
    this.#steady =
      load.kind === 'steady'
        ? { atS: 0, promptTokens: load.prompt_tokens, answerTokens: load.answer_tokens }
        : { atS: 0, promptTokens: 0, answerTokens: 0 };
  }

  /** Takes work in order of arrival as long as `fits` says yes; all that has come by `untilS` is there. */
  take(untilS: number, fits: (work: Work) => boolean): Work {
    const work = { prefill: 0, decode: 0 };
    for (;;) {
      const request = this.#arrivals === null ? this.#steady : this.#arrivals[this.#index];
      if (request === undefined || request.atS > untilS) return work;
      const { promptTokens, answerTokens } = request;
      const decode = answerTokens + this.#coldExtra;
      if (!this.#part(work, 'prefill', promptTokens - this.#prefilled, fits)) return work;
      if (!this.#part(work, 'decode', decode - this.#answered, fits)) return work;
      this.#index += 1;
      this.#prefilled = 0;
      this.#answered = 0;
    }
  }

  /** True when all of `left` fitted. Work is a fluid here: parts of tokens count. */
  #part(work: Work, phase: keyof Work, left: number, fits: (work: Work) => boolean): boolean {
    let took = left;
    if (!fits({ ...work, [phase]: work[phase] + left })) {
      let low = 0;
      let high = left;
      for (let round = 0; round < 40; round += 1) {
        const middle = (low + high) / 2;
        if (fits({ ...work, [phase]: work[phase] + middle })) low = middle;
        else high = middle;
      }
      took = low;
    }
    work[phase] += took;
    if (phase === 'prefill') this.#prefilled += took;
    else this.#answered += took;
    return took === left;
  }
}

/** Watts above idle that hold the SoC at the limit for ever; infinite when there is no limit. */
function thermalCapW(parameters: PlantParameters, ambientC: number, limitC: number): number {
  const { boardToAmbientCPerW, socToBoardCPerW } = parameters.thermal;
  const spare = limitC - ambientC - boardToAmbientCPerW * parameters.idleW;
  return Math.max(0, spare / (boardToAmbientCPerW + socToBoardCPerW));
}

/**
 * What somebody with perfect knowledge gets done: the true board without noise, the same budget and
 * requests, mixes of points in each stretch of 10 s. It errs in its own favour: work is a fluid,
 * nothing is lost in changing points, and a request is there from the beginning of the stretch in
 * which it arrives. Heat bounds it as in a steady state.
 */
export function runOracle(
  scenario: Scenario,
  truth: PlantParameters,
  temperatureC: number,
): OracleResult {
  const hulls: Hulls = { prefill: [], decode: [] };
  // The middle of an answer stands for all of it: attention makes later tokens a little dearer.
  const position = typicalPosition(scenario);
  for (const phase of ['prefill', 'decode'] as const) {
    const points = phasePoints(truth, phase, { temperatureC, position });
    hulls[phase] = upperHull(points.map(({ watts, tokensPerS }) => ({ watts, rate: tokensPerS })));
  }
  const progress = new Progress(scenario);
  const result = { promptTokens: 0, answerTokens: 0 };
  const cuts = [...scenario.budget_w, ...scenario.ambient_c].map(([atS]) => atS);
  for (let hereS = 0; hereS < scenario.duration_s;) {
    const nextCut = Math.min(...cuts.filter((cut) => cut > hereS + 1e-9), Infinity);
    const thereS = Math.min(hereS + STRETCH_S, scenario.duration_s, nextCut);
    const seconds = thereS - hereS;
    const capW = Math.min(
      valueAt(scenario.budget_w, hereS),
      thermalCapW(
        truth,
        valueAt(scenario.ambient_c, hereS),
        scenario.temperature_limit_c ?? truth.limitC,
      ),
    );
    const fits = (work: Work) => leastJoules(hulls, work, seconds) <= capW * seconds + 1e-9;
    const work = progress.take(thereS, fits);
    result.promptTokens += work.prefill;
    result.answerTokens += work.decode;
    hereS = thereS;
  }
  const meanW = integralOf(scenario.budget_w, 0, scenario.duration_s) / scenario.duration_s;
  return {
    ...result,
    secondsPerPromptToken: 1 / bestRate(hulls.prefill, meanW),
    secondsPerAnswerToken: 1 / bestRate(hulls.decode, meanW),
  };
}

function typicalPosition(scenario: Scenario): number {
  const requests = arrivalsOf(scenario);
  const { load } = scenario;
  const [first] = requests ?? [];
  if (load.kind === 'steady') return load.prompt_tokens + load.answer_tokens / 2;
  return first === undefined ? 0 : first.promptTokens + first.answerTokens / 2;
}
