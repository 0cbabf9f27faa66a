import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Decision, Law } from '../../../src/governor/index.ts';
import type { BoardSample, Reading } from '../../../src/protocol/index.ts';
import {
  celsius,
  makeLaw,
  meanW,
  run,
  type RunOptions,
  sampleAt,
  SETTINGS,
  watts,
  worstMeanW,
} from './plant.ts';

const codes = (decision: Decision | undefined) => decision?.conditions.map(({ code }) => code);
const withPower =
  (reading: (sample: BoardSample) => Reading<'w'>): NonNullable<RunOptions['distort']> =>
  (sample, timeS) =>
    timeS >= 40 && timeS < 80 ? { ...sample, boardW: reading(sample) } : sample;

const FAULTS: Record<string, { power: (sample: BoardSample) => Reading<'w'>; code: string }> = {
  lost: { power: () => ({ ok: false, reason: 'gone' }), code: 'sensor_missing' },
  negative: { power: () => watts(-3), code: 'sensor_implausible' },
  'not a number': { power: () => watts(NaN), code: 'sensor_implausible' },
  'a thousand million': { power: () => watts(1e9), code: 'sensor_implausible' },
  zero: { power: () => watts(0), code: 'sensor_implausible' },
  'frozen at idle': { power: () => watts(2), code: 'sensor_implausible' },
  stale: { power: () => watts(4, 60_000), code: 'sensor_stale' },
};

describe.each(Object.entries(FAULTS))('a power sensor that is %s', (_name, { power, code }) => {
  it('never means more power than a good one', () => {
    const good = run({ law: makeLaw(), seconds: 120 });
    const bad = run({ law: makeLaw(), seconds: 120, distort: withPower(power) });
    expect(meanW(bad, 40, 80)).toBeLessThanOrEqual(meanW(good, 40, 80) * 1.005);
    expect(worstMeanW(bad, 60)).toBeLessThanOrEqual(2);
    expect(codes(bad.decisions[750])).toEqual(expect.arrayContaining([code, 'power_estimated']));
    expect(meanW(bad, 45, 80)).toBeGreaterThan(1);
    expect(codes(bad.decisions.at(-1))).toEqual([]);
  });
});

describe('temperature', () => {
  const thermal = { ambientC: (timeS: number) => (timeS < 200 ? 30 : 55), cPerW: 9, settleS: 60 };

  it('stays below the limit while the surroundings heat up', () => {
    const found = run({ law: makeLaw(), seconds: 900, thermal });
    expect(found.hottestC).toBeLessThanOrEqual(77);
    const last = found.decisions.at(-1);
    expect(last?.state).toBe('hot');
    expect(codes(last)).toContain('too_hot');
    // 55 °C and 9 °C/W leave (75 − 55) / 9 − 2 = 0.22 W.
    expect(meanW(found, 700, 900)).toBeGreaterThan(0.02);
  });

  it('is hot until it is five degrees below the limit', () => {
    const law = makeLaw();
    const stateAt = (atMs: number, socC: number) => {
      law.observe(sampleAt(atMs, { socC: celsius(socC) }));
      return law.decide(atMs).state;
    };
    expect(stateAt(0, 70)).toBe('open');
    expect(stateAt(100, 76)).toBe('hot');
    expect(stateAt(200, 71)).toBe('hot');
    expect(stateAt(300, 69)).toBe('open');
  });

  it('unknown leaves 70 % of the budget and is told', () => {
    const found = run({
      law: makeLaw(),
      seconds: 90,
      distort: (sample) => ({ ...sample, socC: { ok: false, reason: 'EINVAL' } }),
    });
    expect(worstMeanW(found, 60)).toBeLessThanOrEqual(1.4);
    expect(found.decisions.at(-1)?.conditions[0]?.text).toContain('EINVAL');
  });
});

describe.each([
  ['throttle bits', { throttled: ['soft_temp'] as string[] }, 'throttled', 'thermal'],
  ['an over-current event', { throttleEvents: 1 }, 'throttled', 'thermal'],
  ['low voltage', { underVoltage: true }, 'under_voltage', 'power'],
] as const)('%s', (_name, change, code, by) => {
  it('pauses at once and lets work come back carefully', () => {
    const law = makeLaw();
    const step = { phase: 'decode', rows: 1, position: 0 } as const;
    law.observe(sampleAt(1000));
    expect(law.ask(step, 1000).kind).toBe('run');
    law.observe({ ...sampleAt(1100), ...change });
    expect(law.ask(step, 1100).kind).toBe('wait');
    expect(law.decide(1100)).toMatchObject({ state: 'paused', pausedBy: by, duty: 0 });
    expect(codes(law.decide(1100))).toContain(code);
    for (let atMs = 1200; atMs <= 5000; atMs += 100) law.observe(sampleAt(atMs));
    const back = law.decide(5000);
    expect(back.state).not.toBe('paused');
    expect(back.effectiveBudgetW).toBeLessThan(1.2);
  });
});

it('a long silence credits no more than a burst', () => {
  const law = makeLaw();
  run({ law, seconds: 20 });
  const found = run({ law, seconds: 20, fromS: 3600 });
  expect(worstMeanW(found, 1)).toBeLessThanOrEqual(2.2);
  expect(worstMeanW(found, 10)).toBeLessThanOrEqual(2.06);
});

it('time that runs backwards does nothing', () => {
  const law = makeLaw();
  run({ law, seconds: 5 });
  const step = { phase: 'decode', rows: 1, position: 0 } as const;
  law.begin(step, 5000);
  law.end({ ...step, durationMs: 90 }, 1000);
  law.observe(sampleAt(100));
  const decision = law.decide(0);
  expect(decision.effectiveBudgetW).toBeGreaterThan(0);
  expect(decision.means.s1).not.toBeNaN();
});

it('a step that never reports does not block the next one for long', () => {
  const law = makeLaw();
  const step = { phase: 'decode', rows: 1, position: 0 } as const;
  law.begin(step, 0);
  for (let atMs = 0; atMs < 60_000; atMs += 100) law.observe(sampleAt(atMs));
  const grant = law.ask(step, 60_000);
  expect(grant.kind === 'run' || grant.untilMs <= 61_000).toBe(true);
  run({ law, seconds: 5, fromS: 62 });
  expect(law.ask(step, 70_000).kind).toBe('run');
});

const reading = fc.oneof(
  fc.constant<Reading<'w'>>({ ok: false, reason: 'none' }),
  fc
    .record({ value: fc.double(), ageMs: fc.double() })
    .map(({ value, ageMs }) => watts(value, ageMs)),
  fc.double({ min: 0, max: 12, noNaN: true }).map((value) => watts(value)),
);
const wildSample = fc.record({
  gapMs: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: -1000, max: 100_000 })),
  boardW: reading,
  socC: fc.oneof(fc.double(), fc.double({ min: 20, max: 90, noNaN: true })),
  treeCpuS: fc.option(fc.double()),
  freqKhz: fc.option(fc.double()),
  throttleEvents: fc.constantFrom(0, 0, 0, 1),
  underVoltage: fc.constantFrom(null, false, false, true),
  durationMs: fc.oneof(fc.double(), fc.integer({ min: 1, max: 400 })),
  rows: fc.constantFrom(0, 1, 8, 32),
});

function numbersOf(value: unknown, found: number[] = []): number[] {
  if (typeof value === 'number') found.push(value);
  else if (value !== null && typeof value === 'object') {
    for (const inner of Object.values(value)) numbersOf(inner, found);
  }
  return found;
}

describe('whatever the samples', () => {
  it('no number is NaN, and what is granted stays within the budget as the law books it', () => {
    fc.assert(
      fc.property(fc.array(wildSample, { minLength: 1, maxLength: 120 }), (wild) => {
        const law: Law = makeLaw();
        let nowMs = 0;
        const granted: { atMs: number; joules: number }[] = [];
        for (const { gapMs, durationMs, rows, socC, ...rest } of wild) {
          nowMs = Math.max(nowMs, nowMs + gapMs);
          law.observe(sampleAt(nowMs, { ...rest, socC: celsius(socC) }));
          const decision = law.decide(nowMs);
          expect(numbersOf(decision).filter((number) => Number.isNaN(number))).toEqual([]);
          expect(decision.effectiveBudgetW).toBeLessThanOrEqual(SETTINGS.budgetW);
          expect(decision.duty).toBeGreaterThanOrEqual(0);
          expect(decision.duty).toBeLessThanOrEqual(1);
          const step =
            rows > 0
              ? ({ phase: 'prefill', rows, position: 0 } as const)
              : ({ phase: 'decode', rows: 1, position: 0 } as const);
          if (law.ask(step, nowMs).kind === 'run') {
            const joules = law.estimatedJoules(step);
            expect(joules).toBeGreaterThan(0);
            granted.push({ atMs: nowMs, joules });
            law.begin(step, nowMs);
            nowMs += Number.isFinite(durationMs) ? Math.min(400, Math.max(0, durationMs)) : 0;
            const share = law.end({ ...step, durationMs }, nowMs);
            expect(share.joules).toBeGreaterThanOrEqual(0);
          }
        }
        expect(JSON.stringify(law.snapshot())).not.toContain('null');
        // Grants of one moment: what the bucket can hold, and one step that was saved up for.
        const burst = granted.filter(({ atMs }) => atMs === granted[0]?.atMs);
        const spent = burst.reduce((sum, { joules }) => sum + joules, 0);
        const dearest = Math.max(0, ...burst.map(({ joules }) => joules));
        expect(spent).toBeLessThanOrEqual(Math.max(2.2, dearest) + dearest);
      }),
      { numRuns: 60 },
    );
  });
});
