import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EnergyBucket } from '../../../src/governor/bucket.ts';
import { CpuSurplus } from '../../../src/governor/cpu-surplus.ts';
import { neighbours, stepsPerSecond, upperHull } from '../../../src/governor/points.ts';
import { EnergyWindow } from '../../../src/governor/windows.ts';
import { busyOf } from '../../../src/governor/running-step.ts';
import { StepModel } from '../../../src/governor/step-model.ts';
import { BOARD, MODEL, POINTS, sampleAt } from './plant.ts';

const pace = fc.record({
  joules: fc.double({ min: 0.001, max: 1.5, noNaN: true }),
  durationMs: fc.integer({ min: 1, max: 600 }),
  idleMs: fc.integer({ min: 0, max: 3000 }),
});

const STEP = { phase: 'decode', rows: 1, position: 0 } as const;

describe('the busy time of a step', () => {
  it.each([
    { name: 'its CPU time, by thread', cpuMs: 120, busyMs: 30 },
    { name: 'its duration, when nobody counted', cpuMs: undefined, busyMs: 40 },
    { name: 'its duration, when the count is absurd', cpuMs: Number.NaN, busyMs: 40 },
    { name: 'no more than all cores can do, twice', cpuMs: 1e6, busyMs: 80 },
  ])('is $name', ({ cpuMs, busyMs }) => {
    const taken = { ...STEP, durationMs: 40, ...(cpuMs === undefined ? {} : { cpuMs }) };
    expect(busyOf(taken, 40, 4, 4)).toBeCloseTo(busyMs);
  });

  it('leaves the model its time by the clock, and makes its joules those of busy threads', () => {
    const model = new StepModel(BOARD, MODEL);
    const point = POINTS[0]!;
    const full = model.joules(point, STEP);
    for (let run = 0; run < 40; run += 1) model.learnSeconds(point, STEP, 0.2, 0.025);
    expect(model.seconds(point, STEP)).toBeCloseTo(0.2, 2);
    expect(model.joules(point, STEP)).toBeCloseTo(full / 2, 3);
    expect(model.watts(point, STEP)).toBeCloseTo(full / 2 / 0.2, 2);
    expect(model.busyWatts(point, STEP)).toBeCloseTo(4);
  });
});

describe('a window', () => {
  it('never holds more than its limit, whatever steps come', () => {
    fc.assert(
      fc.property(fc.array(pace, { maxLength: 60 }), (steps) => {
        const window = new EnergyWindow({ seconds: 1, overPct: 10 }, 2, 0);
        const booked: { from: number; to: number; joules: number }[] = [];
        let nowMs = 0;
        for (const { joules, durationMs, idleMs } of steps) {
          nowMs += idleMs;
          // A wait may end within a bin that still counts: ask until it is granted.
          for (let at = window.earliest(joules, durationMs, nowMs); at > nowMs;) {
            nowMs = at;
            at = window.earliest(joules, durationMs, nowMs);
          }
          booked.push({ from: nowMs, to: nowMs + durationMs, joules });
          nowMs += durationMs;
          window.advance(nowMs);
          window.spend(joules, nowMs - durationMs, nowMs);
        }
        for (const { to } of booked) {
          let used = 0;
          for (const step of booked) {
            const inside = Math.min(step.to, to) - Math.max(step.from, to - 1000);
            if (inside > 0) used += (step.joules * inside) / (step.to - step.from);
          }
          // One step's energy may straddle the bins at both ends.
          expect(used).toBeLessThanOrEqual(2.2 * 1.02);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('holds a budget that changes to its time-weighted value', () => {
    const window = new EnergyWindow({ seconds: 10, overPct: 0 }, 4, 0);
    window.spend(15, 0, 5000);
    window.allow(1, 5000);
    // By 10 s, 4 W · 5 s + 1 W · 5 s = 25 J are allowed.
    window.advance(9999);
    expect(window.earliest(9, 1, 9999)).toBe(9999);
    expect(window.earliest(9.9, 1, 9999)).toBe(9999);
    window.spend(9, 9000, 9999);
    expect(window.earliest(5, 1, 9999)).toBeGreaterThan(10_000);
  });
});

describe('the bucket', () => {
  it('gives out at most rate times time, its depth, and one step that was saved up for', () => {
    fc.assert(
      fc.property(fc.array(pace, { maxLength: 80 }), (steps) => {
        const bucket = new EnergyBucket(2, 0.6, 0);
        let nowMs = 0;
        let spent = 0;
        let dearest = 0;
        for (const { joules, idleMs } of steps) {
          nowMs = Math.max(nowMs + idleMs, bucket.earliest(joules, nowMs + idleMs));
          bucket.earliest(joules, nowMs);
          bucket.debit(joules, nowMs);
          spent += joules;
          dearest = Math.max(dearest, joules);
          expect(bucket.balanceJ).toBeGreaterThan(-1e-6);
        }
        expect(spent).toBeLessThanOrEqual((2 * nowMs) / 1000 + Math.max(0.6, dearest) + 1e-6);
      }),
    );
  });

  it('forfeits what is above a new depth', () => {
    const bucket = new EnergyBucket(4, 4, 0);
    bucket.set(1, 0.3, 0);
    expect(bucket.balanceJ).toBe(0.3);
  });

  it('waits for ever while nothing flows in', () => {
    const bucket = new EnergyBucket(0, 0, 0);
    expect(bucket.earliest(0.1, 0)).toBe(Infinity);
  });

  it('keeps a debt within bounds', () => {
    const bucket = new EnergyBucket(2, 0.6, 0);
    bucket.settle(1e9);
    expect(bucket.earliest(0.1, 0)).toBeLessThan(25_000);
  });
});

describe('the hull', () => {
  const candidates = POINTS.map((point) => ({
    point,
    watts: point.watts,
    stepS: 1 / point.decodeTokensPerS,
  }));

  it('takes the neighbours of the budget', () => {
    const { low, high } = neighbours(upperHull(candidates), 2);
    expect([low.watts, high.watts]).toEqual([1.7, 2.3]);
    expect(neighbours(upperHull(candidates), 1).low.watts).toBe(0);
    expect(neighbours(upperHull(candidates), 9).low.watts).toBe(4);
  });

  it('never does worse than any single point with idle', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            watts: fc.double({ min: 0.05, max: 10, noNaN: true }),
            stepS: fc.double({ min: 0.01, max: 2, noNaN: true }),
          }),
          { minLength: 1, maxLength: 12 },
        ),
        fc.double({ min: 0.01, max: 12, noNaN: true }),
        (list, budgetW) => {
          const points = list.map((one) => ({ ...one, point: POINTS[0]! }));
          const { low, high } = neighbours(upperHull(points), budgetW);
          const share =
            high === low ? 0 : (budgetW - low.watts) / Math.max(1e-12, high.watts - low.watts);
          const mixed = (1 - share) / low.stepS + share / high.stepS;
          for (const point of points) {
            expect(mixed).toBeGreaterThanOrEqual(stepsPerSecond(point, budgetW) * (1 - 1e-9));
          }
        },
      ),
    );
  });
});

describe('CPU time', () => {
  it('that no step explains is found, and none else', () => {
    const surplus = new CpuSurplus(4);
    surplus.observe(sampleAt(0, { treeCpuS: 10 }));
    surplus.explain(4, 1);
    expect(surplus.observe(sampleAt(2000, { treeCpuS: 14 }))?.seconds).toBe(0);
    surplus.explain(4, 1);
    expect(surplus.observe(sampleAt(4000, { treeCpuS: 21 }))?.seconds).toBeCloseTo(2.4);
  });

  it('of another process tree begins anew', () => {
    const surplus = new CpuSurplus(4);
    surplus.observe(sampleAt(0, { treeCpuS: 100 }));
    expect(surplus.observe(sampleAt(2000, { treeCpuS: 1 }))).toBeNull();
  });
});
