import type { ActuatorOrder, OperatingPoint } from '../protocol/index.ts';
import { type Candidate, neighbours, stepsPerSecond, upperHull } from './points.ts';
import { pointKey } from './paces.ts';
import type { StepModel } from './step-model.ts';
import type { GovernorBoard, GovernorStep } from './types.ts';

/** The clock is changed at most so often. */
const CLOCK_DWELL_MS = 2000;
/** Threads cost a new start of the session: seldom, and only for a clear gain. */
const THREADS = { dwellMs: 60_000, gain: 1.05 };
/** Time in which the mix of prefill and decoding is forgotten. */
const MIX_MEMORY_MS = 120_000;
/** A change of point has to be worth it. */
const WORTH = 1.02;
/**
 * A prefill chunk may take so long (a little less than is promised, for chunks late in a long prompt), and so much of a second's budget. Where reading the weights for a
 * single row takes longer already, rows that hide behind that reading are as good as free.
 */
const CHUNK = { seconds: 0.28, budgetS: 0.3, mostRows: 128, hidden: 1.25 };
/** Few sizes, so that each is soon known; steps of a third to a half, so that little is left unused. */
const ROWS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128] as const;
/** At this share of the bucket mixing goes up to the higher point, at this down again. */
const MIX = { up: 0.6, down: 0.2 };

const WORK: Record<GovernorStep['phase'], GovernorStep> = {
  prefill: { phase: 'prefill', rows: 32, position: 0 },
  decode: { phase: 'decode', rows: 1, position: 256 },
};

/**
 * Chooses the operating point: the neighbouring pair on the hull of watts against steps per second,
 * or one point and idle, whichever the budget buys more with. Batches would be further points of the
 * same table; so far each point is for one sequence.
 */
export class Planner {
  readonly #points: readonly OperatingPoint[];
  readonly #model: StepModel;
  #point: OperatingPoint;
  #threads: number;
  #clockSinceMs = -Infinity;
  #threadsSinceMs = -Infinity;
  #mixing = false;
  /** Set when the board does not let itself be clocked. */
  #clockFixed = false;
  #chunkRows: number = CHUNK.mostRows;
  /** Share of the working time that goes into prefill. */
  #prefillShare = 0;
  #plannedAtMs: number | undefined;
  /** The slower one of the two points that are mixed. */
  #lowPoint: OperatingPoint;

  constructor(board: GovernorBoard, model: StepModel, budgetW: number) {
    this.#points = usablePoints(board);
    this.#model = model;
    this.#point = this.#points[0] as OperatingPoint;
    this.#lowPoint = this.#point;
    this.#threads = this.#best(this.#points, 'decode', budgetW).threads;
    this.#point = this.#best(this.#reachable(), 'decode', budgetW);
    this.#chunkRows = this.#rows(budgetW, Infinity);
  }

  get point(): OperatingPoint {
    return this.#point;
  }

  get chunkRows(): number {
    return this.#chunkRows;
  }

  /** The bucket needs room for what a low point saves up while it has its turn. */
  get mixing(): boolean {
    return this.#mixing;
  }

  order(): ActuatorOrder {
    return { threads: this.#threads, maxFreqKhz: this.#point.freqKhz };
  }

  /** `clocked` is false when the clock is not what was ordered. */
  applied(order: ActuatorOrder, ordered: ActuatorOrder, budgetW: number): void {
    const clockFixed = ordered.maxFreqKhz !== null && order.maxFreqKhz !== ordered.maxFreqKhz;
    if (clockFixed === this.#clockFixed && order.threads === this.#point.threads) return;
    this.#clockFixed = clockFixed;
    const reachable = this.#reachable(order.threads);
    if (!reachable.includes(this.#point)) this.#point = this.#best(reachable, 'decode', budgetW);
  }

  /** `filled` is the balance as a share of the bucket's depth; `working` whether steps run or wait. */
  plan(
    input: { phase: GovernorStep['phase']; budgetW: number; filled: number; working: boolean },
    nowMs: number,
  ): void {
    const { phase, budgetW, filled, working } = input;
    this.#chunkRows = this.#rows(budgetW, this.#chunkRows);
    if (working && this.#plannedAtMs !== undefined) {
      const weight = Math.min(1, Math.max(0, nowMs - this.#plannedAtMs) / MIX_MEMORY_MS);
      this.#prefillShare += ((phase === 'prefill' ? 1 : 0) - this.#prefillShare) * weight;
    }
    this.#plannedAtMs = nowMs;
    if (!(budgetW > 0)) return;
    if (nowMs - this.#threadsSinceMs >= THREADS.dwellMs) {
      const better = this.#threadsForMix(budgetW);
      if (better !== this.#threads && this.#slowdown(better, budgetW) * THREADS.gain < 1) {
        this.#threads = better;
      }
      this.#threadsSinceMs = nowMs;
    }
    if (nowMs - this.#clockSinceMs < CLOCK_DWELL_MS) return;
    const next = this.#next(phase, budgetW, filled, working);
    if (next === this.#point) return;
    this.#point = next;
    this.#clockSinceMs = nowMs;
    this.#chunkRows = this.#rows(budgetW, this.#chunkRows);
  }

  #next(
    phase: GovernorStep['phase'],
    budgetW: number,
    filled: number,
    working: boolean,
  ): OperatingPoint {
    const reachable = this.#reachable();
    const single = this.#best(reachable, phase, budgetW);
    const { low, high } = neighbours(
      upperHull(reachable.map((point) => this.#candidate(point, phase))),
      budgetW,
    );
    const bought = stepsPerSecond(this.#candidate(single, phase), budgetW);
    const share = (budgetW - low.watts) / Math.max(1e-9, high.watts - low.watts);
    const mixed = (1 - share) / low.stepS + share / high.stepS;
    this.#lowPoint = low.watts > 0 ? low.point : this.#point;
    this.#mixing = low.watts > 0 && high !== low && mixed > bought * WORTH && working;
    if (this.#mixing) {
      if (this.#point === high.point) return filled < MIX.down ? low.point : high.point;
      if (this.#point === low.point) return filled > MIX.up ? high.point : low.point;
      return low.point;
    }
    const present = reachable.includes(this.#point)
      ? stepsPerSecond(this.#candidate(this.#point, phase), budgetW)
      : 0;
    return bought > present * WORTH ? single : this.#point;
  }

  #candidate(point: OperatingPoint, phase: GovernorStep['phase']): Candidate {
    return {
      point,
      watts: this.#model.watts(point, WORK[phase]),
      stepS: this.#model.seconds(point, WORK[phase]),
    };
  }

  #reachable(threads = this.#threads): OperatingPoint[] {
    const own = this.#points.filter((point) => point.threads === threads);
    const list = own.length > 0 ? own : [...this.#points];
    if (!this.#clockFixed) return list;
    // Left alone, a board clocks up under load.
    const fastest = Math.max(...list.map((point) => point.freqKhz ?? Infinity));
    return list.filter((point) => (point.freqKhz ?? Infinity) === fastest);
  }

  #best(
    points: readonly OperatingPoint[],
    phase: GovernorStep['phase'],
    budgetW: number,
  ): OperatingPoint {
    let best = points[0] as OperatingPoint;
    for (const point of points) {
      const gain = (one: OperatingPoint) => stepsPerSecond(this.#candidate(one, phase), budgetW);
      if (gain(point) > gain(best)) best = point;
    }
    return best;
  }

  #rate(threads: number, phase: GovernorStep['phase'], budgetW: number): number {
    let best = 0;
    for (const point of this.#points) {
      if (point.threads !== threads) continue;
      best = Math.max(best, stepsPerSecond(this.#candidate(point, phase), budgetW));
    }
    return best;
  }

  /** How long the present mix of work would take with other threads, as a multiple of now. */
  #slowdown(threads: number, budgetW: number): number {
    const take = (phase: GovernorStep['phase'], share: number) =>
      share <= 0
        ? 0
        : (share * this.#rate(this.#threads, phase, budgetW)) /
          Math.max(1e-9, this.#rate(threads, phase, budgetW));
    return take('prefill', this.#prefillShare) + take('decode', 1 - this.#prefillShare);
  }

  #threadsForMix(budgetW: number): number {
    let best = { threads: this.#threads, takes: 1 };
    for (const threads of new Set(this.#points.map((point) => point.threads))) {
      const takes = this.#slowdown(threads, budgetW);
      if (takes < best.takes) best = { threads, takes };
    }
    return best.threads;
  }

  /** Down at once when chunks turn out too dear; up only when the next size clearly fits. */
  #rows(budgetW: number, present: number): number {
    const chunk = (rows: number): GovernorStep => ({ phase: 'prefill', rows, position: 512 });
    // While mixing, the clock may fall to the lower point in the middle of a chunk.
    const slowest = this.#mixing ? this.#lowPoint : this.#point;
    const seconds = (rows: number) => this.#model.seconds(slowest, chunk(rows));
    const joules = (rows: number) => this.#model.joules(this.#point, chunk(rows));
    const mostS = Math.max(CHUNK.seconds, seconds(1) * CHUNK.hidden);
    const mostJ = Math.max(CHUNK.budgetS * budgetW, joules(1) * CHUNK.hidden);
    const fits = (rows: number, slack: number) =>
      seconds(rows) <= mostS * slack && joules(rows) <= mostJ * slack;
    let place = ROWS.findLastIndex((rows) => rows <= present);
    const rowsAt = (index: number) => ROWS[index] as number;
    while (place > 0 && !fits(rowsAt(place), 1)) place -= 1;
    while (place + 1 < ROWS.length && fits(rowsAt(place + 1), 0.92)) place += 1;
    return rowsAt(place);
  }
}

/** Points of one sequence with figures that make sense; a board without any gets one from its cores. */
function usablePoints(board: GovernorBoard): OperatingPoint[] {
  const points = board.points.filter(
    ({ watts, decodeTokensPerS, batch, threads }) =>
      watts > 0 &&
      decodeTokensPerS > 0 &&
      Number.isFinite(watts + decodeTokensPerS) &&
      batch === 1 &&
      threads > 0,
  );
  const unique = [...new Map(points.map((point) => [pointKey(point), point])).values()];
  if (unique.length > 0) return unique;
  const cores = board.coreWatts(board.cores, null);
  return [
    {
      threads: Math.max(1, board.cores),
      freqKhz: null,
      batch: 1,
      decodeTokensPerS: 5,
      prefillTokensPerS: null,
      watts: cores > 0 && Number.isFinite(cores) ? cores : 4,
      estimated: true,
    },
  ];
}
