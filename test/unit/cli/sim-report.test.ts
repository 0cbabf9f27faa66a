import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { simulationJson, simulationText } from '../../../src/cli/sim-report.ts';
import { runSimulation } from '../../../src/cli/sim-run.ts';
import { boardNames, parseScenario } from '../../../src/hardware/sim/index.ts';

/** Short runs of every kind, the odd ones among them: no budget, no requests, no sensor, faults. */
const runs = fc.record({
  board: fc.constantFrom(...boardNames()),
  compare: fc.boolean(),
  scenario: fc.record({
    title: fc.constant('Any'),
    duration_s: fc.integer({ min: 1, max: 4 }),
    budget_w: fc
      .array(fc.constantFrom(0, 0.05, 2, 500), { minLength: 1, maxLength: 3 })
      .map((course) => course.map((watts, index) => [index * 2, watts])),
    power_sensor: fc.boolean(),
    ambient_c: fc.constantFrom([[0, 25]], [[0, -40]], [[0, 125]]),
    sensor_faults: fc.constantFrom(
      [],
      [{ from_s: 0, to_s: 9, kind: 'lost' }],
      [{ from_s: 1, to_s: 2, kind: 'absurd' }],
    ),
    load: fc.constantFrom(
      { kind: 'steady', prompt_tokens: 8, answer_tokens: 4 },
      { kind: 'bursts', period_s: 2, requests: 2, prompt_tokens: 300, answer_tokens: 1 },
      { kind: 'trace', requests: [] },
    ),
  }),
});

describe('the report of a simulation', () => {
  it('has a number or a word for everything, whatever the scenario is', async () => {
    await fc.assert(
      fc.asyncProperty(runs, async ({ board, compare, scenario }) => {
        const shares: number[] = [];
        const { simulation, chart } = await runSimulation({
          scenario: parseScenario('any', scenario),
          board,
          compare,
          onProgress: (share) => shares.push(share),
        });
        const text = simulationText(simulation);
        expect(text).toContain('simulated, not measured');
        expect(`${text}${chart()}`).not.toMatch(/NaN|Infinity|undefined|null/);
        // What JSON cannot say must have been decided before it is written.
        const json = simulationJson(simulation);
        expect(JSON.parse(JSON.stringify(json))).toEqual(json);
        expect(shares.every((share) => share > 0 && share <= 1)).toBe(true);
      }),
      { numRuns: 25 },
    );
  });
});
