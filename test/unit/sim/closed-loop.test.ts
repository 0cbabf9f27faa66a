import { describe, expect, it } from 'vitest';
import type { ActuatorOrder, BoardSample } from '../../../src/protocol/index.ts';
import {
  baselines,
  boardParameters,
  calibratedPoints,
  type Figures,
  figuresOf,
  type Pacer,
  type PacerFactory,
  parseScenario,
  type Recording,
  runClosedLoop,
} from '../../../src/hardware/sim/index.ts';

const BOARD = 'raspberry-pi-5';

function run(factory: PacerFactory, fields: object = {}, board = BOARD): Recording {
  const scenario = parseScenario('test', {
    title: 'Test',
    duration_s: 60,
    budget_w: [[0, 2]],
    load: { kind: 'steady', prompt_tokens: 32, answer_tokens: 64 },
    ...fields,
  });
  const parameters = boardParameters(board);
  return runClosedLoop(scenario, parameters, calibratedPoints(parameters), factory);
}

const ungoverned = baselines['no governor'] as PacerFactory;
const figures = (factory: PacerFactory, fields?: object): Figures =>
  figuresOf(run(factory, fields));

/** A pacer that hands everything that it is told to the test. */
function listening(samples: BoardSample[], order: ActuatorOrder): PacerFactory {
  return () => ({
    sample(sample) {
      samples.push(sample);
      return order;
    },
    ask: () => 0,
    report() {},
    setBudget() {},
    chunkRows: (left) => left,
  });
}

const SLOW: ActuatorOrder = { threads: 2, maxFreqKhz: 1_500_000 };

describe('the closed loop', () => {
  it('gives the same run for the same seed', () => {
    const bangBang = baselines['bang-bang'] as PacerFactory;
    const once = run(bangBang, { seed: 5 });
    const again = run(bangBang, { seed: 5 });
    const other = run(bangBang, { seed: 6 });
    expect(again.joules).toEqual(once.joules);
    expect(again.steps).toEqual(once.steps);
    expect(again.sensedW).toEqual(once.sensedW);
    expect(other.sensedW).not.toEqual(once.sensedW);
  });

  it('gives every joule above idle to a step or to the time between', () => {
    const { steps, joules, plant } = run(ungoverned);
    const inSteps = steps.reduce((sum, step) => sum + step.joules, 0);
    const all = joules.at(-1) ?? 0;
    // Without a governor there is no time between, but the last step is still under way.
    const longestJ = Math.max(...steps.map((step) => step.joules));
    expect(inSteps).toBeLessThanOrEqual(all + 1e-6);
    expect(inSteps).toBeGreaterThan(all - longestJ - 1e-6);
    expect(all).toBeCloseTo(plant.energyJ() - (plant.truth.idleW * plant.nowMs()) / 1000, 6);
  });

  it('answers requests in full and in order', () => {
    const { steps, requestsDone } = run(ungoverned, {
      load: {
        kind: 'trace',
        requests: [
          { at_s: 10, prompt_tokens: 300, answer_tokens: 3 },
          { at_s: 0, prompt_tokens: 5, answer_tokens: 2 },
        ],
      },
    });
    expect(requestsDone).toBe(2);
    expect(steps.map(({ phase, rows, position }) => [phase, rows, position])).toEqual([
      ['prefill', 5, 0],
      ['decode', 1, 5],
      ['decode', 1, 6],
      ['prefill', 128, 0],
      ['prefill', 128, 128],
      ['prefill', 44, 256],
      ['decode', 1, 300],
      ['decode', 1, 301],
      ['decode', 1, 302],
    ]);
    expect(steps[3]?.startMs).toBeGreaterThanOrEqual(10_000);
  });

  it('runs as it is ordered', () => {
    const slow = run(listening([], SLOW));
    const fast = run(ungoverned);
    expect(Math.max(...slow.freqKhz.slice(5))).toBe(1_500_000);
    const decodes = (recording: Recording) =>
      recording.steps.filter(({ phase }) => phase === 'decode').length;
    expect(decodes(slow)).toBeLessThan(decodes(fast) * 0.8);
    expect(slow.joules.at(-1)).toBeLessThan((fast.joules.at(-1) ?? 0) / 2);
  });

  it('counts the CPU time of the steps', () => {
    const samples: BoardSample[] = [];
    const { steps } = run(listening(samples, SLOW));
    const busyMs = steps.reduce((sum, step) => sum + step.endMs - step.startMs, 0);
    const cpuS = samples.at(-1)?.treeCpuS ?? 0;
    expect(cpuS).toBeGreaterThan((2 * busyMs) / 1000 - 4);
    expect(cpuS).toBeLessThan((2 * busyMs) / 1000 + 4);
  });

  it('hands on the faults of a sensor', () => {
    const samples: BoardSample[] = [];
    run(listening(samples, SLOW), {
      sensor_faults: [
        { from_s: 10, to_s: 20, kind: 'lost' },
        { from_s: 20, to_s: 30, kind: 'frozen' },
        { from_s: 30, to_s: 40, kind: 'absurd' },
        { from_s: 40, to_s: 50, kind: 'temperature_lost' },
      ],
    });
    const between = (fromS: number, toS: number) =>
      samples.filter(({ atMs }) => atMs >= fromS * 1000 && atMs < toS * 1000);
    expect(between(0, 9.9).every(({ boardW }) => boardW.ok)).toBe(true);
    expect(between(10, 19.9).every(({ boardW }) => boardW.ok)).toBe(false);
    const frozen = between(20.1, 29.9).map(({ boardW }) => (boardW.ok ? boardW.value : null));
    expect(new Set(frozen).size).toBe(1);
    expect(between(30.1, 39.9).every(({ boardW }) => boardW.ok && boardW.value > 1e6)).toBe(true);
    expect(between(40.1, 49.9).every(({ socC }) => socC.ok)).toBe(false);
    expect(between(50.1, 60).every(({ boardW, socC }) => boardW.ok && socC.ok)).toBe(true);
  });

  it('never asks in vain for ever: a pacer that grants nothing ends with the scenario', () => {
    const never: Pacer = {
      sample: () => SLOW,
      ask: () => Infinity,
      report() {},
      setBudget() {},
      chunkRows: (left) => left,
    };
    const recording = run(() => never, { duration_s: 5 });
    expect(recording.steps).toEqual([]);
    expect(recording.plant.nowMs()).toBeCloseTo(5000, 3);
  });
});

describe('the figures', () => {
  it('see what an ungoverned board does to its budget', () => {
    const { windows, ofOracle, meanW } = figures(ungoverned, { duration_s: 120 });
    for (const { worstPct, violations } of windows) {
      expect(worstPct).toBeGreaterThan(50);
      expect(violations).toBe(1);
    }
    expect(meanW).toBeGreaterThan(3);
    expect(ofOracle).toBeGreaterThan(1);
  });

  it('see no excess in a run that keeps far below', () => {
    const { windows, throttleEvents } = figures(() => listening([], SLOW)({} as never), {
      budget_w: [[0, 3]],
    });
    for (const { worstPct, violations } of windows) {
      expect(worstPct).toBeLessThan(0);
      expect(violations).toBe(0);
    }
    expect(throttleEvents).toBe(0);
  });

  it('weigh a budget that changes by its time', () => {
    // A constant 2 W or so against 4, then 1: windows across the change may have the mean of both.
    const { windows, stepEvents } = figures(ungoverned, {
      duration_s: 120,
      budget_w: [
        [0, 4.5],
        [60, 1],
      ],
    });
    const minute = windows.find(({ seconds }) => seconds === 60);
    expect(minute?.violations).toBeGreaterThan(0.2);
    expect(minute?.violations).toBeLessThan(0.9);
    expect(stepEvents).toHaveLength(1);
    // 3.5 W against 1 W, for the 10 s that are watched.
    expect(stepEvents[0]?.excessJ).toBeGreaterThan(20);
    expect(stepEvents[0]?.settlingS).toBe(0);
  });

  it('have no share of the oracle’s work where nobody could do any', () => {
    const short = { duration_s: 5 };
    expect(figures(ungoverned, { ...short, budget_w: [[0, 0]] }).ofOracle).toBeNull();
    const load = { kind: 'trace', requests: [] };
    expect(figures(ungoverned, { ...short, load }).ofOracle).toBeNull();
  });

  it('leave out steps of the budget that come after the end', () => {
    const course = [
      [0, 4],
      [5, 2],
      [50, 1],
    ];
    const { stepEvents } = figures(ungoverned, { duration_s: 20, budget_w: course });
    expect(stepEvents.map(({ atS }) => atS)).toEqual([5]);
  });

  it('count the oracle’s work as the most: a board at its best steady point reaches nearly all of it', () => {
    const parameters = boardParameters(BOARD);
    const capW = 1.9;
    const within = calibratedPoints(parameters).filter(({ watts }) => watts < capW * 0.97);
    const best = within.toSorted((a, b) => b.decodeTokensPerS - a.decodeTokensPerS)[0];
    const order = { threads: best?.threads ?? 1, maxFreqKhz: best?.freqKhz ?? null };
    const { ofOracle } = figures(listening([], order), {
      budget_w: [[0, capW]],
      load: { kind: 'steady', prompt_tokens: 4, answer_tokens: 400 },
    });
    expect(ofOracle).toBeGreaterThan(0.85);
    expect(ofOracle).toBeLessThanOrEqual(1.005);
  });
});

describe('scenarios', () => {
  it('say which field is wrong', () => {
    const bad = (fields: object) => () =>
      parseScenario('bad', {
        title: 'Bad',
        duration_s: 10,
        budget_w: [[0, 2]],
        load: { kind: 'steady', prompt_tokens: 1, answer_tokens: 1 },
        ...fields,
      });
    expect(bad({ duration_s: -1 })).toThrow(/duration_s/);
    expect(bad({ budget_w: [] })).toThrow(/budget_w/);
    expect(bad({ load: { kind: 'waves' } })).toThrow(/load/);
    expect(bad({ colour: 'red' })).toThrow(/colour/);
    expect(bad({})).not.toThrow();
  });
});
