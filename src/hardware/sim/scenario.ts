import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import * as v from 'valibot';
import { TwowattError } from '../../core/index.ts';
import { listFolder } from '../tree.ts';
import { scenarioProblems, scenarioSchema } from './scenario-schema.ts';

/** A checked scenario; times in seconds from its start, power in watts above idle. */
export type Scenario = v.InferOutput<typeof scenarioSchema> & { name: string };

/** Throws `invalid_request` that names every bad key and what was expected there. */
export function parseScenario(name: string, value: unknown): Scenario {
  const result = v.safeParse(scenarioSchema, value);
  if (result.success) return { name, ...result.output };
  const problems = scenarioProblems(result.issues);
  throw new TwowattError(
    'invalid_request',
    `scenario ${name} is not valid\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
    { param: v.getDotPath(result.issues[0]) ?? name },
  );
}

/** Reads a scenario file (JSON). Throws `invalid_request` that names the file and every bad key. */
function readScenario(file: string): Scenario {
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

/** Where the scenarios of this package lie, seen from `src/` and from `dist/` alike. */
const bundledScenarios = (): string => resolve(import.meta.dirname, '../../../scenarios');

/** Every scenario of this package, in the order of their names. */
export const loadScenarios = (): Scenario[] =>
  listFolder(bundledScenarios())
    .filter((name) => name.endsWith('.json'))
    .map((name) => readScenario(join(bundledScenarios(), name)));

/**
 * The bundled scenario of a name, or the file of a path (which has a slash, or ends in .json). Throws
 * `invalid_request` that lists the names there are.
 */
export function scenarioNamed(nameOrFile: string): Scenario {
  if (/[/\\]|\.json$/.test(nameOrFile)) return readScenario(nameOrFile);
  const scenarios = loadScenarios();
  const found = scenarios.find(({ name }) => name === nameOrFile);
  if (found !== undefined) return found;
  const names = scenarios.map(({ name }) => name).join(', ');
  throw new TwowattError(
    'invalid_request',
    `no scenario ${nameOrFile}; expected one of ${names}, or the path of a file`,
    { param: 'scenario' },
  );
}

type ScenarioChanges = {
  /** In place of its course. */
  budgetW?: number | undefined;
  seconds?: number | undefined;
  seed?: number | undefined;
  ambientC?: number | undefined;
  temperatureLimitC?: number | undefined;
};

/** The same scenario with other numbers; throws `invalid_request` as `parseScenario` does. */
export function changeScenario(
  { name, ...scenario }: Scenario,
  changes: ScenarioChanges,
): Scenario {
  const { budgetW, seconds, seed, ambientC, temperatureLimitC } = changes;
  return parseScenario(name, {
    ...scenario,
    ...(budgetW === undefined ? {} : { budget_w: [[0, budgetW]] }),
    ...(seconds === undefined ? {} : { duration_s: seconds }),
    ...(seed === undefined ? {} : { seed }),
    ...(ambientC === undefined ? {} : { ambient_c: [[0, ambientC]] }),
    ...(temperatureLimitC === undefined ? {} : { temperature_limit_c: temperatureLimitC }),
  });
}

/** What a course says at a time; its first value holds before its first time. */
export function valueAt(course: readonly (readonly [number, number])[], timeS: number): number {
  let value = course[0]?.[1] ?? 0;
  for (const [fromS, next] of course) if (fromS <= timeS + 1e-9) value = next;
  return value;
}

/** The part of a course that a run of `durationS` sees. */
export const courseWithin = (
  course: readonly (readonly [number, number])[],
  durationS: number,
): (readonly [number, number])[] => course.filter(([atS], index) => index === 0 || atS < durationS);

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
