import * as v from 'valibot';
import { type Clock, type Logger, TwowattError } from '../core/index.ts';
import type { BudgetOptions, BudgetState } from './types.ts';

const DAY_MS = 86_400_000;
/** A clock that flips to and fro over midnight must not hand out a budget each time. */
const SHORTEST_DAY_MS = DAY_MS / 2;
/** The stored sum runs ahead of the real one by up to this share, so that few calls write to the card. */
const SLICE = 0.01;
const SHORTEST_SAVE_MS = 60_000;

const amount = v.pipe(v.number(), v.finite(), v.minValue(0));
const savedSchema = v.object({
  version: v.literal(1),
  currency: v.string(),
  /** Days since 1970 in UTC; null while no trusted clock has dated it. */
  day: v.nullable(v.pipe(v.number(), v.integer())),
  elapsedMs: amount,
  spent: amount,
});
type Saved = v.InferOutput<typeof savedSchema>;

/** Money held back for one call. */
export type Reservation = {
  /** Gives the reservation back and counts what the call really cost. Once. */
  settle(cost: number): void;
};

/**
 * What the cloud may cost in a day. Money is reserved before a call and settled after it, so calls at
 * the same time cannot overrun it together. Before money is reserved, the store holds a sum at least as
 * large as spent and reserved together: after a power cut the budget is a little smaller, never larger.
 *
 * Days are UTC days while the wall clock is trusted, else 24 hours of running time. A clock set back
 * starts no new day, and the clock can start only one within twelve hours of running time.
 */
export class DailyBudget {
  readonly #options: BudgetOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #day: number | null = null;
  #elapsedMs = 0;
  #countedMs: number;
  #startedMs: number | null = null;
  #spent = 0;
  #reserved = 0;
  /** What the store holds. */
  #stored = 0;
  #savedMs: number;
  #exhausted = false;

  constructor(options: BudgetOptions, clock: Clock, logger: Logger) {
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#countedMs = this.#savedMs = clock.monotonicMs();
    const saved = this.#load();
    if (saved !== null) {
      this.#day = saved.day;
      this.#elapsedMs = saved.elapsedMs;
      this.#spent = this.#stored = saved.spent;
    }
  }

  /** Null when the rest of the day's money does not cover `upper`, or it could not be stored. */
  reserve(upper: number): Reservation | null {
    this.#turnDay();
    const { limitPerDay } = this.#options;
    if (limitPerDay > 0 && upper > 0) {
      const committed = this.#spent + this.#reserved + upper;
      if (committed > limitPerDay) {
        this.#exhausted = true;
        return null;
      }
      if (committed > this.#stored) {
        const ahead = Math.min(limitPerDay, committed + limitPerDay * SLICE);
        if (!this.#save(Math.max(committed, ahead))) return null;
      }
    }
    this.#exhausted = false;
    this.#reserved += upper;
    let open = true;
    return {
      settle: (cost) => {
        if (!open) return;
        open = false;
        this.#reserved = Math.max(0, this.#reserved - upper);
        this.#turnDay();
        this.#spent += cost;
        this.#storeWhenDue();
      },
    };
  }

  /** Why there is no money for `upper`; null when calls that run may yet give some back. */
  refusal(upper: number): TwowattError | null {
    if (this.#spent + upper > this.#options.limitPerDay) {
      return new TwowattError(
        'cloud_budget_exhausted',
        "what is left of the day's cloud budget does not cover this prompt",
        { retryAfterMs: this.#msToNextDay() },
      );
    }
    if (this.#reserved > 0) return null;
    return new TwowattError(
      'cloud_unavailable',
      'what the cloud costs cannot be stored, so nothing that costs money is sent',
    );
  }

  state(): BudgetState {
    this.#turnDay();
    const { limitPerDay: limit, currency } = this.#options;
    return {
      limit,
      spent: this.#spent,
      reserved: this.#reserved,
      left: limit > 0 ? Math.max(0, limit - this.#spent - this.#reserved) : null,
      currency,
      exhausted: this.#exhausted,
    };
  }

  close(): void {
    this.#turnDay();
    this.#save(this.#spent + this.#reserved);
  }

  #msToNextDay(): number {
    const dated = this.#clock.wallTrusted();
    return Math.max(0, DAY_MS - (dated ? this.#clock.wallMs() % DAY_MS : this.#elapsedMs));
  }

  #load(): Saved | null {
    const { store, currency } = this.#options;
    let saved: unknown;
    try {
      saved = store.load();
    } catch (error) {
      throw new TwowattError('internal', 'what the cloud has cost today cannot be read', {
        cause: error,
      });
    }
    if (saved === undefined || saved === null) return null;
    const result = v.safeParse(savedSchema, saved);
    if (!result.success) {
      this.#logger.error({}, 'the stored cloud budget is damaged; the day begins anew');
      return null;
    }
    if (result.output.currency !== currency) {
      this.#logger.warn(
        { currency },
        'the currency of the cloud budget changed; the day begins anew',
      );
      return null;
    }
    return result.output;
  }

  #turnDay(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#elapsedMs += Math.max(0, nowMs - this.#countedMs);
    this.#countedMs = nowMs;
    if (!this.#clock.wallTrusted()) {
      if (this.#elapsedMs >= DAY_MS) this.#newDay(this.#day === null ? null : this.#day + 1);
      return;
    }
    const today = Math.floor(this.#clock.wallMs() / DAY_MS);
    // An undated day is today's; one in the future was dated by a clock that was wrong.
    if (this.#day === null || today < this.#day) this.#day = today;
    if (today === this.#day) return;
    const soon = this.#startedMs !== null && nowMs - this.#startedMs < SHORTEST_DAY_MS;
    if (!soon) this.#newDay(today);
  }

  #newDay(day: number | null): void {
    this.#day = day;
    this.#elapsedMs = 0;
    this.#startedMs = this.#clock.monotonicMs();
    this.#spent = 0;
    this.#exhausted = false;
    this.#stored = 0;
  }

  #storeWhenDue(): void {
    const { limitPerDay } = this.#options;
    const sinceMs = this.#clock.monotonicMs() - this.#savedMs;
    const behind = this.#spent + this.#reserved > this.#stored;
    const farAhead = this.#stored - this.#spent - this.#reserved > 2 * SLICE * limitPerDay;
    if (
      limitPerDay > 0
        ? behind || (farAhead && sinceMs >= SHORTEST_SAVE_MS)
        : sinceMs >= SHORTEST_SAVE_MS
    ) {
      this.#save(this.#spent + this.#reserved);
    }
  }

  #save(spent: number): boolean {
    const { store, currency } = this.#options;
    const state: Saved = {
      version: 1,
      currency,
      day: this.#day,
      elapsedMs: Math.round(this.#elapsedMs),
      spent,
    };
    try {
      store.save(state);
    } catch (error) {
      this.#logger.error({ error }, 'what the cloud costs cannot be stored');
      return false;
    }
    this.#stored = spent;
    this.#savedMs = this.#clock.monotonicMs();
    return true;
  }
}
