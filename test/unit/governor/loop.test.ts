import { describe, expect, it } from 'vitest';
import { createGovernorLoop, type Decision } from '../../../src/governor/index.ts';
import type { ActuatorOrder, BoardSample } from '../../../src/protocol/index.ts';
import { createVirtualClock } from '../../fakes/virtual-clock.ts';
import { makeLaw, sampleAt } from './plant.ts';

const STEP = { phase: 'decode', rows: 1, position: 0 } as const;
const never = new AbortController().signal;

function start(
  change: { budgetW?: number; sample?: () => BoardSample | Promise<BoardSample> } = {},
) {
  const clock = createVirtualClock();
  const orders: ActuatorOrder[] = [];
  const decisions: Decision[] = [];
  const law = makeLaw({ budgetW: change.budgetW ?? 2 });
  const loop = createGovernorLoop({
    law,
    clock,
    sampleHz: 10,
    sample: change.sample ?? (() => sampleAt(clock.monotonicMs())),
    applyOrder: (order) => {
      orders.push(order);
    },
    onDecision: (decision) => decisions.push(decision),
  });
  return { clock, loop, orders, decisions };
}

describe('the loop', () => {
  it('samples and decides at its rate, and moves actuators only on a change', async () => {
    const { clock, loop, orders, decisions } = start();
    await clock.advance(1000);
    expect(decisions.length).toBe(11);
    expect(orders.length).toBe(1);
    loop.close();
    expect(clock.pendingTimers()).toBe(0);
  });

  it('lets steps wait for their energy', async () => {
    const { clock, loop } = start({ budgetW: 0.5 });
    let granted = 0;
    const stop = new AbortController();
    const engine = (async () => {
      while (!stop.signal.aborted) {
        await loop.gate.acquire(STEP, never);
        granted += 1;
        loop.gate.report({ ...STEP, durationMs: 91 });
      }
    })();
    await clock.advance(20_000);
    // 0.5 W less the guard without a measured reading of work, at about 0.155 J a step.
    expect(granted).toBeGreaterThan(30);
    expect(granted).toBeLessThan(70);
    stop.abort();
    loop.close();
    await engine;
  });

  it.each([0.3, 0.5, 1, 20])(
    'grants steps ahead at %d W only as far as the energy for them is there',
    async (budgetW) => {
      const { clock, loop } = start({ budgetW });
      const stop = new AbortController();
      const counts = { asked: 0, ahead: 0 };
      const engine = (async () => {
        let free = false;
        for (let position = 0; !stop.signal.aborted; position += 1) {
          const step = { ...STEP, position };
          if (free) loop.gate.begin(step);
          else await loop.gate.acquire(step, never);
          counts[free ? 'ahead' : 'asked'] += 1;
          free = loop.gate.ahead({ ...step, position: position + 1 });
          await new Promise<void>((resolve) => clock.setTimer(91, resolve));
          loop.gate.report({ ...step, durationMs: 91 });
        }
      })();
      await clock.advance(30_000);
      const granted = counts.asked + counts.ahead;
      // As many as the budget and the burst buy, at about 0.155 J a step, and no more.
      if (budgetW < 3) expect(granted).toBeLessThan(((30 + 1) * budgetW) / 0.145);
      else expect(counts.ahead).toBeGreaterThan(0.9 * granted);
      stop.abort();
      loop.close();
      await clock.advance(1000);
      await engine;
    },
  );

  it('lets go of a step whose job is over, and grants it nothing', async () => {
    const { clock, loop } = start({ budgetW: 0.01 });
    const controller = new AbortController();
    const waiting = loop.gate.acquire(STEP, controller.signal);
    await clock.advance(500);
    controller.abort();
    await waiting;
    loop.startJob();
    expect(loop.endJob()).toEqual({ joules: 0, measured: false });
    loop.close();
  });

  it('counts a job’s energy', async () => {
    const { clock, loop } = start();
    await clock.advance(300);
    loop.startJob();
    for (let step = 0; step < 3; step++) {
      await loop.gate.acquire(STEP, never);
      await clock.advance(91);
      loop.gate.report({ ...STEP, durationMs: 91 });
    }
    const energy = loop.endJob();
    expect(energy.measured).toBe(true);
    expect(energy.joules).toBeCloseTo(3 * 0.155, 1);
    loop.close();
  });

  it('goes on when the engine dies in the middle of a step', async () => {
    const { clock, loop } = start();
    await loop.gate.acquire(STEP, never);
    await clock.advance(200);
    loop.endJob();
    await clock.advance(2000);
    await loop.gate.acquire(STEP, never);
    loop.close();
  });

  it('takes a sampler that throws or hangs for a lost sensor', async () => {
    let mode: 'fine' | 'throw' | 'hang' = 'fine';
    const { clock, loop } = start({
      sample() {
        if (mode === 'throw') throw new Error('EIO');
        return mode === 'hang' ? new Promise<BoardSample>(() => {}) : sampleAt(clock.monotonicMs());
      },
    });
    await clock.advance(500);
    expect(loop.decision().conditions).toEqual([]);
    mode = 'throw';
    await clock.advance(200);
    expect(loop.decision().conditions[0]).toMatchObject({ code: 'sensor_missing' });
    mode = 'fine';
    await clock.advance(200);
    expect(loop.decision().conditions).toEqual([]);
    mode = 'hang';
    await clock.advance(5000);
    expect(loop.decision().conditions.map(({ code }) => code)).toContain('sensor_stale');
    expect(loop.decision().stale).toBe(true);
    loop.close();
  });

  it('lets everybody go when it closes', async () => {
    const { loop } = start({ budgetW: 0.01 });
    const waiting = [loop.gate.acquire(STEP, never), loop.gate.acquire(STEP, never)];
    loop.close();
    await Promise.all(waiting);
  });
});
