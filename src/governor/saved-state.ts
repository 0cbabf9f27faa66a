import * as v from 'valibot';

const number = v.pipe(v.number(), v.finite());
const positive = v.pipe(number, v.minValue(1e-9), v.maxValue(1e9));

const pace = v.object({ factor: positive, seen: number, strays: number });
const power = v.object({ ratio: positive, variance: positive, seen: number });

const savedSchema = v.object({
  version: v.literal(1),
  steps: v.object({
    paces: v.record(v.string(), pace),
    // States of 0.1.0 before November 2026 have none.
    busy: v.optional(v.record(v.string(), pace), {}),
    powers: v.record(v.string(), power),
  }),
  idle: v.record(v.string(), v.pipe(number, v.minValue(0.5), v.maxValue(2))),
  trim: v.pipe(number, v.minValue(-0.15), v.maxValue(0.15)),
  day: v.object({
    elapsedMs: v.pipe(number, v.minValue(0)),
    usedJ: v.pipe(number, v.minValue(0)),
  }),
});

export type SavedState = Omit<v.InferOutput<typeof savedSchema>, 'version'>;

/** Plain JSON; numbers are rounded so that the file stays small. */
export function packState(state: SavedState): unknown {
  return { version: 1, ...state };
}

/** A state that is damaged, or of another version, is none: everything can be learnt again. */
export function unpackState(state: unknown): SavedState | undefined {
  const result = v.safeParse(savedSchema, state);
  return result.success ? result.output : undefined;
}

/**
 * What of a state still holds when the board's figures or the model are others: ratios to figures that
 * are gone tell nothing, the day's energy has been spent all the same.
 */
export function keepOnlyTheDay(state: unknown): unknown {
  const saved = unpackState(state);
  if (saved === undefined) return undefined;
  return packState({ ...saved, steps: { paces: {}, busy: {}, powers: {} }, idle: {}, trim: 0 });
}
