import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  boardNames,
  changeScenario,
  courseWithin,
  loadScenarios,
  parseScenario,
  scenarioEntries,
  scenarioNamed,
} from '../../../src/hardware/sim/index.ts';

const GOOD = {
  title: 'Good',
  duration_s: 10,
  budget_w: [[0, 2]],
  load: { kind: 'steady', prompt_tokens: 1, answer_tokens: 1 },
};

/** What a refusal says, a line for each problem. */
function problemsOf(value: unknown): string[] {
  try {
    parseScenario('bad', value);
  } catch (error) {
    const [head, ...problems] = (error as Error).message.split('\n');
    expect(head).toBe('scenario bad is not valid');
    return problems.map((line) => line.trim());
  }
  throw new Error('the scenario was accepted');
}

describe('a scenario that is wrong', () => {
  it.each([
    [{ title: 5 }, 'title: expected a line of text, found 5'],
    [{ duration_s: 0.5 }, 'duration_s: expected seconds from 1 to 86400, found 0.5'],
    [{ duration_s: 1e12 }, 'duration_s: expected seconds from 1 to 86400, found 1000000000000'],
    [{ seed: 1.5 }, 'seed: expected a whole number, 0 to 2147483648, found 1.5'],
    [{ budget_w: 2 }, /^budget_w: expected pairs \[second, watts\].*, found 2$/],
    [{ budget_w: [] }, /^budget_w: expected pairs \[second, watts\]/],
    [{ budget_w: [[0, -1]] }, 'budget_w.0.1: expected watts above idle, 0 or more, found -1'],
    [{ budget_w: [[0, 2, 3]] }, /^budget_w\.0\.2: expected pairs/],
    [
      {
        budget_w: [
          [5, 2],
          [5, 1],
        ],
      },
      /^budget_w: expected .*, with seconds that rise$/,
    ],
    [{ ambient_c: [[0, 300]] }, 'ambient_c.0.1: expected degrees from -40 to 125, found 300'],
    [{ temperature_limit_c: 5 }, 'temperature_limit_c: expected degrees from 30 to 105, found 5'],
    [{ load: { kind: 'waves' } }, /^load\.kind: expected a load of kind steady, bursts or trace/],
    [{ power_sensor: 'no' }, 'power_sensor: expected true or false, found "no"'],
    [{ sensor: { period_ms: 0 } }, 'sensor.period_ms: expected milliseconds, 1 or more, found 0'],
    [{ errors: { cores: -1 } }, 'errors.cores: expected a share from -0.9 to 10, found -1'],
    [{ cold_first_token: 0 }, 'cold_first_token: expected a factor from 1 to 1000, found 0'],
    [
      { sensor_faults: [{ from_s: 2, to_s: 1, kind: 'lost' }] },
      'sensor_faults.0: expected a to_s after from_s',
    ],
    [
      { sensor: { lag: 5 } },
      'sensor.lag: there is no such key; expected one of lag_ms, noise_w, quantum_w, period_ms',
    ],
  ])('%j is refused with the key and what was expected', (fields, problem) => {
    const [found, ...others] = problemsOf({ ...GOOD, ...fields });
    expect(others).toEqual([]);
    if (typeof problem === 'string') expect(found).toBe(problem);
    else expect(found).toMatch(problem);
  });

  it('is told every bad key at once', () => {
    const problems = problemsOf({
      ...GOOD,
      duration_s: 'long',
      load: { kind: 'bursts', prompt_tokens: 0, answer_tokens: 1 },
      colour: 'red',
      shade: 1,
    });
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'duration_s',
      'load.period_s',
      'load.requests',
      'load.prompt_tokens',
      'colour',
    ]);
    expect(problems[1]).toMatch(/missing; expected seconds between two bursts/);
    expect(problems[4]).toMatch(/there is no such key, nor shade; expected one of title, /);
  });

  it.each([[null], ['text'], [[1]], [{}]])('%j is refused as well', (value) => {
    expect(problemsOf(value).length).toBeGreaterThan(0);
  });

  it('knows no keys that every object has', () => {
    expect(problemsOf({ ...GOOD, toString: 1 })).toHaveLength(1);
  });

  it('is told where a file is no JSON', () => {
    const folder = mkdtempSync(join(tmpdir(), 'twowatt-scenario-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'mine.json');
    expect(() => scenarioNamed(file)).toThrow(/mine\.json: ENOENT/);
    writeFileSync(file, '{"title": ');
    expect(() => scenarioNamed(file)).toThrow(/mine\.json: .*JSON/);
    writeFileSync(file, JSON.stringify(GOOD));
    expect(scenarioNamed(file)).toMatchObject({ name: 'mine', title: 'Good', seed: 1 });
  });
});

describe('the bundled scenarios', () => {
  const scenarios = loadScenarios();

  it('are there, valid, and found by their names', () => {
    expect(scenarios.length).toBeGreaterThanOrEqual(11);
    for (const scenario of scenarios) expect(scenarioNamed(scenario.name)).toEqual(scenario);
    const boards = new Set(boardNames());
    for (const { boards: fits = [] } of scenarios)
      expect(fits.every((name) => boards.has(name))).toBe(true);
  });

  it('are named when somebody asks for another', () => {
    expect(() => scenarioNamed('no-such')).toThrow(
      new RegExp(
        `no scenario no-such; expected one of ${scenarios.map(({ name }) => name).join(', ')}`,
      ),
    );
  });

  it('go into the package', () => {
    const text = readFileSync(resolve(import.meta.dirname, '../../../package.json'), 'utf8');
    expect((JSON.parse(text) as { files: string[] }).files).toContain('scenarios');
  });

  it('are described key by key in docs/simulation.md', () => {
    const docs = readFileSync(resolve(import.meta.dirname, '../../../docs/simulation.md'), 'utf8');
    const [, section = ''] = docs.split('\n## A scenario file\n');
    const rows = [...section.split('\n## ')[0]!.matchAll(/^\| `([a-z_]+)` \|/gm)].map(
      (row) => row[1],
    );
    expect(new Set(rows)).toEqual(new Set(Object.keys(scenarioEntries)));
  });
});

describe('changing a scenario', () => {
  it('changes what was asked for and nothing else', () => {
    const steps = scenarioNamed('budget-steps');
    expect(changeScenario(steps, {})).toEqual(steps);
    expect(changeScenario(steps, { budgetW: 1.5, seconds: 20, seed: 7 })).toEqual({
      ...steps,
      budget_w: [[0, 1.5]],
      duration_s: 20,
      seed: 7,
    });
    expect(changeScenario(steps, { ambientC: 40, temperatureLimitC: 60 })).toEqual({
      ...steps,
      ambient_c: [[0, 40]],
      temperature_limit_c: 60,
    });
    expect(() => changeScenario(steps, { temperatureLimitC: 5 })).toThrow(/temperature_limit_c/);
  });

  it('leaves out of a course what a shorter run does not see', () => {
    const { budget_w: course } = scenarioNamed('budget-steps');
    expect(courseWithin(course, 360)).toEqual(course);
    expect(courseWithin(course, 240)).toEqual(course.slice(0, 2));
    expect(courseWithin(course, 1)).toEqual(course.slice(0, 1));
  });
});
