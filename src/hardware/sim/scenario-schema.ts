import * as v from 'valibot';

/** A day: what a run leaves behind stays within some hundred megabytes. */
const LONGEST_S = 86_400;
const MOST_TOKENS = 131_072;
const MOST_REQUESTS = 1_000;

/** A leaf with what it expects in words; the same words tell a wrong value and a missing one. */
function expecting<Schema extends v.GenericSchema>(expected: string, build: (m: string) => Schema) {
  return v.pipe(build(`expected ${expected}`), v.description(expected));
}

const number = (expected: string, least: number, most = 1e9) =>
  expecting(expected, (message) =>
    v.pipe(v.number(message), v.minValue(least, message), v.maxValue(most, message)),
  );

const whole = (expected: string, least: number, most: number) =>
  expecting(`${expected}, ${least} to ${most}`, (message) =>
    v.pipe(
      v.number(message),
      v.integer(message),
      v.minValue(least, message),
      v.maxValue(most, message),
    ),
  );

const seconds = number('seconds from the start, 0 or more', 0);
const watts = number('watts above idle, 0 or more', 0, 1_000);
const tokens = whole('a number of tokens', 1, MOST_TOKENS);
/** 0.1 is 10 % dearer. */
const error = number('a share from -0.9 to 10', -0.9, 10);

/** An object that holds these keys and no others. */
const closed = <const Entries extends v.ObjectEntries>(entries: Entries) =>
  v.strictObject(entries, (issue) => {
    const [place] = issue.path ?? [];
    if (place === undefined) return `expected an object with ${Object.keys(entries).join(', ')}`;
    if (issue.expected === 'never') {
      const unknown = Object.keys(place.input as object).filter(
        (key) => !Object.hasOwn(entries, key),
      );
      const others = unknown.filter((key) => key !== place.key);
      const nor = others.length === 0 ? '' : `, nor ${others.join(', ')}`;
      return `there is no such key${nor}; expected one of ${Object.keys(entries).join(', ')}`;
    }
    const entry = entries[String(place.key)];
    const expected = entry === undefined ? undefined : v.getDescription(entry);
    return expected === undefined ? 'missing' : `missing; expected ${expected}`;
  });

/** Values that hold from a time on: `[[0, 4], [60, 2]]` is 4 for a minute, then 2. */
const courseOf = (value: v.GenericSchema<number, number>, what: string) =>
  expecting(`pairs [second, ${what}], for example [[0, 2], [60, 1]]`, (message) =>
    v.pipe(
      v.array(v.strictTuple([seconds, value], message), message),
      v.minLength(1, message),
      v.check(
        (course) =>
          course.every(([atS], index) => index === 0 || atS > (course[index - 1]?.[0] ?? 0)),
        `${message}, with seconds that rise`,
      ),
    ),
  );

const request = { prompt_tokens: tokens, answer_tokens: tokens };

const load = expecting('a load of kind steady, bursts or trace', (message) =>
  v.variant(
    'kind',
    [
      /** Another request as soon as one is done. */
      closed({ kind: v.literal('steady'), ...request }),
      /** `requests` at once, every `period_s`. */
      closed({
        kind: v.literal('bursts'),
        period_s: number('seconds between two bursts, 0.1 or more', 0.1),
        requests: whole('requests that come at once', 1, MOST_REQUESTS),
        ...request,
      }),
      closed({
        kind: v.literal('trace'),
        requests: expecting('a list of requests', (trace) =>
          v.array(closed({ at_s: seconds, ...request }), trace),
        ),
      }),
    ],
    message,
  ),
);

const fault = v.pipe(
  closed({
    from_s: seconds,
    to_s: seconds,
    kind: expecting('lost, frozen, absurd or temperature_lost', (message) =>
      v.picklist(['lost', 'frozen', 'absurd', 'temperature_lost'], message),
    ),
  }),
  v.check(({ from_s, to_s }) => from_s < to_s, 'expected a to_s after from_s'),
);

/** What a scenario file holds; `docs/simulation.md` restates it, and a test holds both together. */
export const scenarioEntries = {
  title: expecting('a line of text', v.string),
  /** Profiles that the scenario is meant for, the best first; the others can run it as well. */
  boards: v.optional(
    expecting('names of device profiles', (message) =>
      v.pipe(v.array(v.string(message), message), v.minLength(1, message)),
    ),
  ),
  duration_s: number(`seconds from 1 to ${LONGEST_S}`, 1, LONGEST_S),
  seed: v.optional(whole('a whole number', 0, 2 ** 31), 1),
  budget_w: courseOf(watts, 'watts'),
  ambient_c: v.optional(courseOf(number('degrees from -40 to 125', -40, 125), 'degrees'), [
    [0, 25],
  ]),
  temperature_limit_c: v.optional(number('degrees from 30 to 105', 30, 105)),
  load,
  /** False: the board has no power sensor. */
  power_sensor: v.optional(expecting('true or false', v.boolean), true),
  /** Sensor that differs from the board's own. */
  sensor: v.optional(
    closed({
      lag_ms: v.optional(number('milliseconds, 0 or more', 0)),
      noise_w: v.optional(watts),
      quantum_w: v.optional(watts),
      period_ms: v.optional(number('milliseconds, 1 or more', 1)),
    }),
    {},
  ),
  sensor_faults: v.optional(
    expecting('a list of faults', (message) => v.array(fault, message)),
    [],
  ),
  /** How much dearer the board is than its profile says. */
  errors: v.optional(
    closed({
      cores: v.optional(error),
      dram: v.optional(error),
      idle: v.optional(error),
    }),
    {},
  ),
  /** The first decode step of each request lasts this many times as long (cold caches). */
  cold_first_token: v.optional(number('a factor from 1 to 1000', 1, 1_000), 1),
};

export const scenarioSchema = closed(scenarioEntries);

/** What is wrong, each with its key and what was expected there, in the order of the file. */
export function scenarioProblems(issues: readonly v.InferIssue<typeof scenarioSchema>[]): string[] {
  return issues.map((issue) => {
    const path = v.getDotPath(issue) ?? 'whole file';
    // Missing and unknown keys have no value to show; of lists and objects valibot tells the kind only.
    const shown = issue.kind === 'schema' || /_value$|^integer$/.test(issue.type);
    const bare = !shown || issue.received === 'undefined' || issue.expected === 'never';
    return `${path}: ${issue.message}${bare ? '' : `, found ${issue.received}`}`;
  });
}
