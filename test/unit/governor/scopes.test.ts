import { describe, expect, it } from 'vitest';
import { makeLaw, meanW, run, sampleAt, SETTINGS, watts, worstMeanW } from './plant.ts';

describe('scope', () => {
  it('board counts idle as well', () => {
    const found = run({ law: makeLaw({ scope: 'board', budgetW: 3 }), seconds: 120 });
    expect(worstMeanW(found, 60)).toBeLessThanOrEqual(1);
    expect(meanW(found, 20, 120)).toBeGreaterThan(0.9);
    expect(found.decisions.at(-1)?.means.s60).toBeGreaterThan(2.8);
  });

  it('board below idle pauses and says so', () => {
    const law = makeLaw({ scope: 'board', budgetW: 1.5 });
    law.observe(sampleAt(0));
    expect(law.ask({ phase: 'decode', rows: 1, position: 0 }, 0).kind).toBe('wait');
    const decision = law.decide(0);
    expect(decision).toMatchObject({ state: 'paused', pausedBy: 'power', effectiveBudgetW: 0 });
    expect(decision.conditions).toEqual([
      { code: 'over_budget', text: expect.stringContaining('idle') },
    ]);
  });

  it('rail reads its rail', () => {
    const rail = { scope: 'rail', rail: 'CPU', budgetW: 1.2 } as const;
    const found = run({
      law: makeLaw(rail, { idleRailW: { CPU: 0.2 } }),
      seconds: 90,
      distort: (sample) => ({
        ...sample,
        boardW: { ok: false, reason: 'rails only' },
        railsW: sample.boardW.ok
          ? { CPU: { ...sample.boardW, value: sample.boardW.value - 1.8 } }
          : {},
      }),
    });
    expect(worstMeanW(found, 60)).toBeLessThanOrEqual(1);
    expect(found.decisions.at(-1)?.watts).toMatchObject({ ok: true, quality: 'measured' });
  });

  it('above idle is content with rails that know their idle', () => {
    const law = makeLaw({}, { idleRailW: { A: 0.5, B: 0.25 } });
    law.observe(
      sampleAt(0, {
        boardW: { ok: false, reason: 'rails only' },
        railsW: { A: watts(1.5), B: watts(0.5), EXT5V: watts(9) },
      }),
    );
    expect(law.decide(0).watts).toMatchObject({ ok: true, value: 1.25, quality: 'measured' });
  });

  it('follows a true idle that differs from the profile, while nothing runs', () => {
    const found = run({
      law: makeLaw(),
      seconds: 120,
      load: () => false,
      distort: (sample) => ({ ...sample, boardW: watts(2.3) }),
    });
    expect(found.decisions.at(-1)?.idleW).toBeCloseTo(2.3, 1);
  });
});

describe('energy of a day', () => {
  const DAY = { energyWhPerDay: 0.01 }; // 36 J

  it('ends work when it is used up, also over a restart', () => {
    const law = makeLaw(DAY);
    const first = run({ law, seconds: 60 });
    expect(first.joules.at(-1)).toBeGreaterThan(34);
    expect(first.joules.at(-1)).toBeLessThan(38);
    expect(first.decisions.at(-1)).toMatchObject({ state: 'paused', pausedBy: 'power' });
    const again = makeLaw(DAY, {}, JSON.parse(JSON.stringify(law.snapshot())));
    expect(run({ law: again, seconds: 10 }).tokens).toBe(0);
    again.update({ ...SETTINGS, energyWhPerDay: 0 }, 10_000);
    expect(run({ law: again, seconds: 10, fromS: 10 }).tokens).toBeGreaterThan(50);
  });

  it('begins anew after 24 hours of running', () => {
    const law = makeLaw(DAY);
    run({ law, seconds: 60 });
    for (let hourMs = 60_000; hourMs < 25 * 3_600_000; hourMs += 30_000) law.decide(hourMs);
    expect(law.decide(25 * 3_600_000).state).not.toBe('paused');
  });
});

describe('snapshot', () => {
  it('brings back what was learnt', () => {
    const law = makeLaw();
    const step = { phase: 'decode', rows: 1, position: 0 } as const;
    run({ law, seconds: 60, dearer: 1.3 });
    const again = makeLaw({}, {}, JSON.parse(JSON.stringify(law.snapshot())));
    expect(again.estimatedJoules(step)).toBeGreaterThan(1.2 * makeLaw().estimatedJoules(step));
    const found = run({ law: again, seconds: 30, dearer: 1.3 });
    expect(worstMeanW(found, 1)).toBeLessThanOrEqual(2.3);
  });

  it.each([[null], ['text'], [{ version: 2 }], [{ version: 1, steps: { paces: 3 } }]])(
    'that is damaged is none: %j',
    (state) => {
      expect(makeLaw({}, {}, state).decide(0).state).toBe('open');
    },
  );
});

it('falls back to what the board really does when it does not let itself be clocked', () => {
  const law = makeLaw({ budgetW: 1 });
  const { order } = law.decide(0);
  expect(order.maxFreqKhz).toBe(700_000);
  law.applied({ threads: 4, maxFreqKhz: null }, 0);
  expect(law.decide(0).point?.freqKhz).toBe(1_500_000);
});
