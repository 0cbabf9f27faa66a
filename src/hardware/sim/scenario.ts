import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import * as v from 'valibot';
import { TwowattError } from '../../core/index.ts';

const positive = v.pipe(v.number(), v.minValue(0));
const tokens = v.pipe(v.number(), v.integer(), v.minValue(1));
/** Values that hold from a time on: `[[0, 4], [60, 2]]` is 4 for a minute, then 2. */
const courseOf = (value: v.GenericSchema<number, number>) =>
  v.pipe(v.array(v.tuple([positive, value])), v.minLength(1));

const request = { prompt_tokens: tokens, answer_tokens: tokens };

const scenarioSchema = v.strictObject({
  title: v.string(),
  boards: v.optional(v.array(v.string())),
  duration_s: v.pipe(v.number(), v.minValue(1)),
  seed: v.optional(v.number(), 1),
  budget_w: courseOf(positive),
  ambient_c: v.optional(courseOf(v.number()), [[0, 25]]),
  temperature_limit_c: v.optional(v.number()),
  load: v.variant('kind', [
    /** Another request as soon as one is done. */
    v.strictObject({ kind: v.literal('steady'), ...request }),
    /** `requests` at once, every `period_s`. */
    v.strictObject({ kind: v.literal('bursts'), period_s: positive, requests: tokens, ...request }),
    v.strictObject({
      kind: v.literal('trace'),
      requests: v.array(v.strictObject({ at_s: positive, ...request })),
    }),
  ]),
  /** False: the board has no power sensor. */
  power_sensor: v.optional(v.boolean(), true),
  /** Sensor that differs from the board's own. */
  sensor: v.optional(
    v.strictObject({
      lag_ms: v.optional(positive),
      noise_w: v.optional(positive),
      quantum_w: v.optional(positive),
      period_ms: v.optional(positive),
    }),
    {},
  ),
  sensor_faults: v.optional(
    v.array(
      v.strictObject({
        from_s: positive,
        to_s: positive,
        kind: v.picklist(['lost', 'frozen', 'absurd', 'temperature_lost']),
      }),
    ),
    [],
  ),
  /** How much dearer the board is than its profile says. */
  errors: v.optional(
    v.strictObject({
      cores: v.optional(v.number()),
      dram: v.optional(v.number()),
      idle: v.optional(v.number()),
    }),
    {},
  ),
  /** The first decode step of each request lasts this many times as long (cold caches). */
  cold_first_token: v.optional(v.pipe(v.number(), v.minValue(1)), 1),
});

/** A checked scenario; times in seconds from its start, power in watts above idle. */
export type Scenario = v.InferOutput<typeof scenarioSchema> & { name: string };

/** Throws `invalid_request` that names the field. */
export function parseScenario(name: string, value: unknown): Scenario {
  const result = v.safeParse(scenarioSchema, value);
  if (result.success) return { name, ...result.output };
  const [issue] = result.issues;
  throw new TwowattError(
    'invalid_request',
    `scenario ${name}: ${v.getDotPath(issue) ?? 'whole file'}: ${issue.message}`,
    { param: v.getDotPath(issue) ?? name },
  );
}

/** Reads a scenario file (JSON). Throws `invalid_request` that names file and field. */
export function readScenario(file: string): Scenario {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new TwowattError(
      'invalid_request',
      `scenario ${file}: ${error instanceof Error ? error.message : String(error)}`,
      { param: file, cause: error },
    );
  }
  return parseScenario(basename(file, '.json'), value);
}

/** What a course says at a time; its first value holds before its first time. */
export function valueAt(course: readonly (readonly [number, number])[], timeS: number): number {
  let value = course[0]?.[1] ?? 0;
  for (const [fromS, next] of course) if (fromS <= timeS + 1e-9) value = next;
  return value;
}

/** The integral of a course between two times. */
export function integralOf(
  course: readonly (readonly [number, number])[],
  fromS: number,
  toS: number,
): number {
  const cuts = course.map(([atS]) => atS).filter((atS) => atS > fromS && atS < toS);
  let sum = 0;
  let here = fromS;
  for (const next of [...cuts, toS]) {
    sum += valueAt(course, here) * (next - here);
    here = next;
  }
  return sum;
}

export type Arrival = { atS: number; promptTokens: number; answerTokens: number };

/** Requests of a load in order of arrival; null when another always waits. */
export function arrivalsOf({ load, duration_s: durationS }: Scenario): Arrival[] | null {
  if (load.kind === 'steady') return null;
  if (load.kind === 'trace') {
    return load.requests
      .map((one) => ({
        atS: one.at_s,
        promptTokens: one.prompt_tokens,
        answerTokens: one.answer_tokens,
      }))
      .sort((a, b) => a.atS - b.atS);
  }
  const arrivals: Arrival[] = [];
  for (let atS = 0; atS < durationS; atS += Math.max(0.1, load.period_s)) {
    for (let index = 0; index < load.requests; index += 1) {
      arrivals.push({ atS, promptTokens: load.prompt_tokens, answerTokens: load.answer_tokens });
    }
  }
  return arrivals;
}
